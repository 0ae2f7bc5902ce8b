//! A clock that stands still until it is told to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Boot, Clock, Moment};

/// A clock for tests. Clones share one time; the date moves with it, and can be made to jump alone.
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: Arc<Hands>,
}

#[derive(Debug)]
struct Hands {
    monotonic_ns: AtomicU64,
    suspended_ns: AtomicU64,
    unix_ms: AtomicI64,
    reboots: AtomicU64,
}

impl ManualClock {
    /// A clock whose date is 2026-11-20T12:00:00Z and whose monotonic time is an hour.
    pub fn new() -> Self {
        let hands = Hands {
            monotonic_ns: AtomicU64::new(3_600_000_000_000),
            suspended_ns: AtomicU64::new(0),
            unix_ms: AtomicI64::new(1_795_176_000_000),
            reboots: AtomicU64::new(0),
        };
        Self { hands: Arc::new(hands) }
    }

    /// Lets `by` pass on all hands.
    pub fn advance(&self, by: Duration) {
        self.pass(&self.hands.monotonic_ns, by);
    }

    /// Lets `by` pass as it does while a machine is suspended: the monotonic time stands still.
    pub fn suspend(&self, by: Duration) {
        self.pass(&self.hands.suspended_ns, by);
    }

    fn pass(&self, hand_ns: &AtomicU64, by: Duration) {
        hand_ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        self.jump_date(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Has the machine boot anew, which takes no time. Moments of before are none any more for
    /// whoever asks for the boot.
    pub fn reboot(&self) {
        self.hands.reboots.fetch_add(1, Ordering::SeqCst);
    }

    /// Moves the date alone by `by_ms` milliseconds, as an operator or NTP may.
    pub fn jump_date(&self, by_ms: i64) {
        self.hands.unix_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Duration::from_nanos(self.hands.monotonic_ns.load(Ordering::SeqCst))
    }

    fn boot_time(&self) -> Moment {
        self.now() + Duration::from_nanos(self.hands.suspended_ns.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Option<Boot> {
        let id = self.hands.reboots.load(Ordering::SeqCst).to_string();
        Some(Boot { id, since: self.boot_time() })
    }

    fn unix_ms(&self) -> i64 {
        self.hands.unix_ms.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_date_leaves_the_monotonic_time_alone() {
        let clock = ManualClock::new();
        let (now, date) = (clock.now(), clock.unix_ms());
        clock.jump_date(-3_600_000);
        assert_eq!(clock.now(), now);
        assert_eq!(clock.unix_ms(), date - 3_600_000);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now(), now + Duration::from_millis(1500));
    }

    #[test]
    fn suspended_time_counts_as_boot_time_and_date_only() {
        let clock = ManualClock::new();
        let (now, boot_time, date) = (clock.now(), clock.boot_time(), clock.unix_ms());
        clock.suspend(Duration::from_secs(30));
        assert_eq!(clock.now(), now);
        assert_eq!(clock.boot_time(), boot_time + Duration::from_secs(30));
        assert_eq!(clock.unix_ms(), date + 30_000);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.suspended(), Duration::from_secs(30));
        assert_eq!(clock.boot_time(), boot_time + Duration::from_secs(31));
    }
}
