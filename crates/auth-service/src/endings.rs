//! Follows what other processes did to users: a node that keeps sessions ends those of a user whom
//! a command, or another node, disabled, deleted or gave another password.

use std::time::Duration;

use session::{Ending, Sessions};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use users::{Directory, SessionEnding};

/// How far back is looked each time: where several processes write at once, an order may become
/// visible after a later one. Carrying one out twice ends nothing more.
const OVERLAP: i64 = 1_000;

/// The follower, and how far it has come.
pub(crate) struct Endings {
    users: Directory,
    sessions: Sessions,
    done: std::collections::BTreeSet<i64>,
}

impl Endings {
    /// Begins with the oldest order that the database still knows.
    pub(crate) fn new(users: Directory, sessions: Sessions) -> Self {
        Self {
            users,
            sessions,
            done: std::collections::BTreeSet::new(),
        }
    }

    /// Carries out what is new every `interval`, until cancelled. A database that does not answer
    /// is asked again.
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

    async fn catch_up(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let newest = self.done.last().copied().unwrap_or(0);
        let mut after = newest.saturating_sub(OVERLAP).max(0);
        loop {
            let page = self.users.endings_after(after).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for ending in page
                .iter()
                .filter(|ending| !self.done.contains(&ending.seq))
            {
                self.carry_out(ending).await?;
            }
            self.done.extend(page.iter().map(|ending| ending.seq));
        }
        let newest = self.done.last().copied().unwrap_or(0);
        self.done = self.done.split_off(&newest.saturating_sub(OVERLAP));
        Ok(())
    }

    async fn carry_out(&self, ending: &SessionEnding) -> Result<(), session::StoreError> {
        let which = Ending {
            below_generation: Some(ending.generation),
            keep: ending.kept_session.map(Into::into),
        };
        let ended = self.sessions.end_all(ending.user_id, which).await?;
        if !ended.is_empty() {
            tracing::info!(target: "audit", event = "sessions_ended", user_id = %ending.user_id,
                count = ended.len(),
                reason = "the user was changed elsewhere");
        }
        Ok(())
    }
}
