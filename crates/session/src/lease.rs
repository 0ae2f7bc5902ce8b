//! For how long it is believed, without another look, whose sessions a shared store holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::Moment;
use uuid::Uuid;

/// How long a look at the store's owner counts. The follower of endings looks each second.
const LASTS: Duration = Duration::from_secs(2);

/// Which users' database the sessions belong to, as the store says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The users' database that the engine works for, or nobody else: the store is not shared.
    Us,
    /// No users' database: the store is new, or was emptied.
    Unclaimed,
    /// Another users' database.
    Other(Uuid),
}

/// The users' database that must own the sessions, and until when it is known to.
///
/// INVARIANT: it runs out by itself, by boot time: a process that was paused, or cut off from the
/// store, goes by no look from before.
#[derive(Debug)]
pub(crate) struct Lease {
    database: Uuid,
    /// Whether anybody else may give the store away.
    is_shared: bool,
    /// In milliseconds of boot time.
    until_ms: AtomicU64,
}

impl Lease {
    /// For that database, which is not known to own anything yet.
    pub(crate) const fn new(database: Uuid, is_shared: bool) -> Self {
        Self { database, is_shared, until_ms: AtomicU64::new(0) }
    }

    /// Whether a look counts for a while only.
    pub(crate) const fn runs_out(&self) -> bool {
        self.is_shared
    }

    /// Whether a look counts still.
    pub(crate) fn holds(&self, now: Moment) -> bool {
        millis(now) < self.until_ms.load(Ordering::Acquire)
    }

    /// Judges the reply of the store to a request that began then.
    pub(crate) fn judge(&self, stored: Option<Uuid>, began: Moment) -> Owner {
        match stored {
            Some(stored) if stored == self.database => {
                self.until_ms.fetch_max(millis(began + LASTS), Ordering::AcqRel);
                Owner::Us
            }
            other => {
                self.until_ms.store(0, Ordering::Release);
                other.map_or(Owner::Unclaimed, Owner::Other)
            }
        }
    }
}

fn millis(moment: Moment) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_counts_for_two_seconds_from_its_beginning_and_another_owner_ends_it() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let lease = Lease::new(ours, true);
        let second = Duration::from_secs;
        assert!(!lease.holds(Duration::ZERO), "nobody has looked");
        assert_eq!(lease.judge(Some(ours), second(10)), Owner::Us);
        assert!(lease.holds(second(10)) && lease.holds(Duration::from_millis(11_999)));
        assert!(!lease.holds(second(12)));
        // A look that began earlier and was answered later takes nothing away.
        assert_eq!(lease.judge(Some(ours), second(9)), Owner::Us);
        assert!(lease.holds(second(11)));
        assert_eq!(lease.judge(Some(theirs), second(11)), Owner::Other(theirs));
        assert!(!lease.holds(second(11)));
        assert_eq!(lease.judge(Some(ours), second(11)), Owner::Us);
        assert_eq!(lease.judge(None, second(11)), Owner::Unclaimed);
        assert!(!lease.holds(second(11)));
    }
}
