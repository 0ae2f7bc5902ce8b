//! Tells that a fixed token ends soon: 14 days and a day before, each once, as an event and by mail to its
//! owner.
//!
//! INVARIANT: which notices were given is in the users' database, since only that is shared by all
//! nodes and outlives each store of sessions, and has the outbox: a notice and its mail are one commit.
//! The event is stored after that, in the store of sessions. Whoever dies between the two leaves a
//! notice that nobody says is given: after a minute another looks into the stream whether its event is
//! there, and stores it where it is not.
//!
//! The tokens are found by a walk over all sessions, by one node in each hour. An index of them
//! would make the minting of a token depend on the users' database, and would lack those that there are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use session::{
    Cause, Cursor, Event, EventKind, EventRead, Kind, ReadFrom, Session, SessionId, Sessions,
    StoreError,
};
use tokio_util::sync::CancellationToken;
use users::{Directory, TakenNotice, TokenNotice, UsersError};

/// Tokens that live no longer than this end without notice.
const LONG_LIVED: Duration = Duration::from_hours(30 * 24);
/// How long before the end of a token its notices are due.
const MARKS: [(Duration, Cause); 2] =
    [(Duration::from_hours(24), Cause::In1Day), (Duration::from_hours(14 * 24), Cause::In14Days)];
/// How often some node looks at all sessions.
const BETWEEN_WALKS: Duration = Duration::from_hours(1);
/// How often each node asks whether it is time.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);
/// How many events are read at a time.
const PAGE: usize = 1_000;

/// Why a walk was not finished.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks for tokens that end soon.
pub(crate) struct ExpiringTokens {
    users: Directory,
    sessions: Sessions,
    /// Whether their owners are sent mails.
    by_mail: bool,
    clock: Arc<dyn Clock>,
    /// The notices that are known to be given, so that the database is not asked each time.
    given: HashSet<(SessionId, Cause)>,
    /// When this node has last asked whether it is time.
    looked_at: Option<Moment>,
}

impl ExpiringTokens {
    pub(crate) fn new(
        users: Directory,
        sessions: Sessions,
        by_mail: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { users, sessions, by_mail, clock, given: HashSet::new(), looked_at: None }
    }

    /// Looks for them every hour, until cancelled. What does not answer is tried again in a minute.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            if !self.is_due() {
                continue;
            }
            match cancel.run_until_cancelled(self.look()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "tokens that end soon cannot be looked for; trying again");
                }
                None => break,
            }
        }
    }

    /// By a clock that goes on while the machine is suspended. Nobody is told anything before the
    /// sessions are known to be ours.
    fn is_due(&mut self) -> bool {
        let now = self.clock.boot_time();
        let is_due = self.looked_at.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_LOOKS);
        let is_due = is_due && self.sessions.gate().is_open();
        if is_due {
            self.looked_at = Some(now);
        }
        is_due
    }

    /// Looks at all sessions, if it is time and no other node does.
    async fn look(&mut self) -> Result<(), Unfinished> {
        if !self.users.take_token_walk(BETWEEN_WALKS).await? {
            return Ok(());
        }
        let walked = self.walk().await;
        if walked.is_err() {
            self.users.postpone_token_walk(BETWEEN_LOOKS).await?;
        }
        walked
    }

    async fn walk(&mut self) -> Result<(), Unfinished> {
        let mut due_now = HashSet::new();
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let page = self.sessions.store().scan(cursor).await?;
            for session in &page.sessions {
                if let Some(mark) = mark_of(session) {
                    due_now.insert((session.id, mark));
                    self.give(session, mark).await?;
                }
            }
            next = page.next;
        }
        self.given.retain(|notice| due_now.contains(notice));
        Ok(())
    }

    /// Gives a notice, unless it was given.
    async fn give(&mut self, session: &Session, mark: Cause) -> Result<(), Unfinished> {
        if self.given.contains(&(session.id, mark)) {
            return Ok(());
        }
        let is_ours = !session.subject.is_external();
        let taken = self.users.take_notice(TokenNotice {
            session_id: session.id.uuid(),
            mark: mark.as_str(),
            name: session.name.as_deref(),
            ends_at_ms: session.absolute_expires_at_ms,
            mail_to: (self.by_mail && is_ours).then_some(session.subject.id),
        });
        let is_to_be_stored = match taken.await? {
            TakenNotice::First => true,
            TakenNotice::Again => !self.is_stored(session.id, mark).await?,
            TakenNotice::Given => {
                self.given.insert((session.id, mark));
                return Ok(());
            }
            // It may have to be finished yet, so that it is asked for again.
            TakenNotice::Taken => return Ok(()),
        };
        if is_to_be_stored {
            self.sessions.store().append_event(Event::of_ending_token(session, mark)).await?;
        }
        self.users.notice_given(session.id.uuid(), mark.as_str()).await?;
        self.given.insert((session.id, mark));
        Ok(())
    }

    /// Whether the stream has the event of this notice.
    async fn is_stored(&self, id: SessionId, mark: Cause) -> Result<bool, StoreError> {
        let is_meant = |event: &Event| {
            event.kind == EventKind::TokenExpiring
                && event.cause == Some(mark)
                && event.session.as_ref().is_some_and(|session| session.id == id)
        };
        let store = self.sessions.store();
        let mut read = store.read_events(ReadFrom::Oldest, PAGE).await?;
        loop {
            let next = match read {
                EventRead::Page(page) if page.events.is_empty() => return Ok(false),
                EventRead::Page(page) => {
                    if page.events.iter().any(|stored| is_meant(&stored.event)) {
                        return Ok(true);
                    }
                    page.next
                }
                // What was dropped while it was read is older than this notice.
                EventRead::Gone { oldest } => oldest,
            };
            read = store.read_events(ReadFrom::After(&next), PAGE).await?;
        }
    }
}

/// Which notice of a token is due: that of the latest mark that it has passed.
fn mark_of(session: &Session) -> Option<Cause> {
    let lifetime_ms = session.absolute_expires_at_ms - session.created_at_ms;
    let is_long_lived = u128::try_from(lifetime_ms).is_ok_and(|ms| ms > LONG_LIVED.as_millis());
    if session.kind != Kind::Fixed || !is_long_lived {
        return None;
    }
    MARKS.iter().find(|(before, _)| session.expires_in <= *before).map(|(_, mark)| *mark)
}

#[cfg(test)]
mod tests;
