//! Follows what other processes did to users: a node that keeps sessions ends those of a user whom
//! a command, or another node, disabled, deleted or gave another password.

use std::time::Duration;

use session::{Ending, Sessions};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use users::{Directory, SessionEnding, UsersError};

/// The follower, and how far it has come.
pub(crate) struct Endings {
    users: Directory,
    sessions: Sessions,
    /// The last order that was carried out. The directory shows them in their order.
    last: i64,
}

impl Endings {
    /// Begins with the oldest order that the database still knows: sessions may be older than this
    /// process, and carrying an order out twice ends nothing more.
    pub(crate) fn new(users: Directory, sessions: Sessions) -> Self {
        Self { users, sessions, last: 0 }
    }

    /// Begins after the newest order: for what is about to be ordered.
    pub(crate) async fn from_now(users: Directory, sessions: Sessions) -> Result<Self, UsersError> {
        let last = users.last_ending().await?;
        Ok(Self { users, sessions, last })
    }

    /// Carries out what is new every `interval`, until cancelled. A database or a store that does
    /// not answer is asked again.
    pub(crate) async fn follow(mut self, interval: Duration, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            match cancel.run_until_cancelled(self.catch_up()).await {
                Some(Err(error)) => {
                    tracing::warn!(%error, "changes to users cannot be followed; trying again");
                }
                Some(Ok(())) => {}
                None => break,
            }
        }
    }

    /// Carries out what is new.
    pub(crate) async fn catch_up(
        &mut self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        loop {
            let page = self.users.endings_after(self.last).await?;
            if page.is_empty() {
                return Ok(());
            }
            for ending in &page {
                self.carry_out(ending).await?;
                self.last = ending.seq;
            }
        }
    }

    async fn carry_out(&self, ending: &SessionEnding) -> Result<(), session::StoreError> {
        let which = Ending {
            below_generation: Some(ending.generation),
            keep: ending.kept_session.map(Into::into),
        };
        let ended = self.sessions.end_all(ending.user_id, which).await?;
        if !ended.is_empty() {
            tracing::info!(target: "audit", event = "sessions_ended", user_id = %ending.user_id,
                count = ended.len(), reason = "the user was changed elsewhere");
        }
        Ok(())
    }
}
