//! Reading what happened: the events that a reader wants, as they come. Long polls and streams are
//! read by the same reader.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use session::{EventKind, EventRead, ReadFrom, SessionStore, StoredEvent};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Error;

/// How many events are read from the store at a time.
const PAGE: usize = 256;
/// How often other nodes' events are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Which types of events a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Types(Option<Vec<EventKind>>);

impl Types {
    /// All of them.
    pub(crate) const ALL: Self = Self(None);

    /// The types in a list separated by commas, as `session.ended,login.*`; `None` where one of
    /// these is no type.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut wanted = Vec::new();
        for name in text.split(',').map(str::trim) {
            let kinds = kinds_named(name);
            if kinds.is_empty() {
                return None;
            }
            wanted.extend(kinds);
        }
        Some(Self(Some(wanted)))
    }

    fn has(&self, kind: EventKind) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted.contains(&kind))
    }
}

/// The kind of this name, or those of a group such as `login.*`.
pub(crate) fn kinds_named(name: &str) -> Vec<EventKind> {
    let is_meant = |kind: &EventKind| match name.strip_suffix(".*") {
        Some(group) => kind.as_str().strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
        None => kind.as_str() == name,
    };
    EventKind::ALL.iter().copied().filter(is_meant).collect()
}

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest event that is stored.
    Oldest,
    /// With the next one.
    Now,
    /// Behind this position.
    After(String),
}

/// What a reader has read.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Events, or none where none came in time.
    Events(Vec<Arc<StoredEvent>>),
    /// Events were dropped before they were read, or the position is none of this store's. Reading
    /// goes on behind this position, with the oldest event that is stored.
    Reset(Box<str>),
}

/// Reads events from where it began.
pub(crate) struct EventReader {
    store: Arc<dyn SessionStore>,
    signal: watch::Receiver<u64>,
    types: Types,
    start: Start,
    cancel: CancellationToken,
}

impl EventReader {
    /// A reader, which waits for no event any more once `cancel` is cancelled.
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        start: Start,
        types: Types,
        cancel: CancellationToken,
    ) -> Self {
        let signal = store.event_signal();
        Self { store, signal, types, start, cancel }
    }

    /// Where it goes on.
    pub(crate) fn next(&self) -> &str {
        match &self.start {
            Start::After(position) => position,
            Start::Oldest | Start::Now => "0",
        }
    }

    /// Whether it waits for no more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The next events, `limit` at most; waits for the first of them, but no longer than `wait`.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, it has read nothing that a caller has not seen, or only what is of other types.
    pub(crate) async fn read(&mut self, limit: usize, wait: Duration) -> Result<Batch, Error> {
        let mut timeout = pin!(tokio::time::sleep(wait));
        loop {
            self.signal.borrow_and_update();
            let from = match &self.start {
                Start::Oldest => ReadFrom::Oldest,
                Start::Now => ReadFrom::Now,
                Start::After(position) => ReadFrom::After(position),
            };
            let page = match self.store.read_events(from, PAGE.min(limit)).await? {
                EventRead::Page(page) => page,
                EventRead::Gone { oldest } => {
                    self.start = Start::After(oldest.clone().into());
                    return Ok(Batch::Reset(oldest));
                }
            };
            self.start = Start::After(page.next.into());
            let is_end = page.events.is_empty();
            let wanted = page.events.into_iter().filter(|stored| self.types.has(stored.event.kind));
            let wanted: Vec<Arc<StoredEvent>> = wanted.collect();
            if !wanted.is_empty() {
                return Ok(Batch::Events(wanted));
            }
            if is_end {
                let more = tokio::select! {
                    () = self.cancel.cancelled() => false,
                    () = &mut timeout => false,
                    changed = self.signal.changed() => changed.is_ok(),
                };
                if !more {
                    return Ok(Batch::Events(wanted));
                }
            }
        }
    }
}

/// Looks for events that other nodes stored, while somebody waits for them, until cancelled.
pub(crate) async fn look_for_others(store: Arc<dyn SessionStore>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = store.look_for_events().await {
            tracing::debug!(%error, "events of other nodes could not be looked for");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_one_by_one_or_by_group_and_nothing_else_is_a_type() {
        let ended = Types::parse("session.ended").unwrap();
        assert!(ended.has(EventKind::SessionEnded) && !ended.has(EventKind::SessionIssued));
        let groups = Types::parse("login.*, user.deleted").unwrap();
        for (kind, is_wanted) in [
            (EventKind::LoginFailed, true),
            (EventKind::LoginThrottled, true),
            (EventKind::UserDeleted, true),
            (EventKind::UserCreated, false),
        ] {
            assert_eq!(groups.has(kind), is_wanted, "{kind:?}");
            assert!(Types::ALL.has(kind));
        }
        for none in ["", "session", "session.", "session.*.*", "sess.*", "*", "session.ended,", "x"]
        {
            assert_eq!(Types::parse(none), None, "{none}");
        }
    }
}
