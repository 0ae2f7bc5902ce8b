//! Reading what happened: the events that a reader wants, as they come. Long polls and streams are
//! read by the same reader.
//!
//! ```text
//! EventReader ──► SessionStore      what is stored already, for each reader by itself
//!      └──► EventFollower ──► SessionStore      what comes, once for all of them
//! ```

mod feed;
mod follower;
mod reader;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use session::{EventKind, SessionStore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub(crate) use self::feed::EventPart;
pub(crate) use self::follower::EventFollower;
pub(crate) use self::reader::{Batch, EventReader, Start};

/// How often other nodes' events are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Which types of events a reader wants: a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Types(u32);

impl Types {
    /// All of them.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// The types in a list separated by commas, as `session.ended,login.*`; `None` where one of
    /// these is no type.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut wanted = 0;
        for name in text.split(',').map(str::trim) {
            let kinds = kinds_named(name);
            if kinds.is_empty() {
                return None;
            }
            wanted |= kinds.into_iter().map(bit).fold(0, |all, bit| all | bit);
        }
        Some(Self(wanted))
    }

    fn has(self, kind: EventKind) -> bool {
        self.0 & bit(kind) != 0
    }
}

const fn bit(kind: EventKind) -> u32 {
    1 << kind as u32
}

/// The kind of this name, or those of a group such as `login.*`.
pub(crate) fn kinds_named(name: &str) -> Vec<EventKind> {
    let is_meant = |kind: &EventKind| match name.strip_suffix(".*") {
        Some(group) => kind.as_str().strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
        None => kind.as_str() == name,
    };
    EventKind::ALL.iter().copied().filter(is_meant).collect()
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
