//! The date of a moment of the boot time, for display. No verdict rests on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use clock::{Clock, Moment};

use crate::expiry::Ms;

/// Differences between the two clocks up to this are taken for rounding and slow adjustment.
const TOLERANCE_MS: i64 = 20;

/// A clock that remembers by how much its date and its boot time differ.
pub(super) struct WallClock {
    clock: Arc<dyn Clock>,
    /// Date minus boot time. It stays the same until it is wrong by more than the tolerance, so that
    /// one moment is shown with the same date each time.
    offset_ms: AtomicI64,
    /// The millisecond of the boot time in which the date was read last: once in each is
    /// enough for people, and half of what reading clocks costs.
    read_ms: AtomicU64,
}

/// A moment, and how far it is from its date.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) moment: Moment,
    offset_ms: i64,
}

impl WallClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let moment = clock.boot_time();
        let offset_ms = AtomicI64::new(clock.unix_ms().saturating_sub(signed_ms(moment)));
        Self { clock, offset_ms, read_ms: AtomicU64::new(Ms::of(moment).get()) }
    }

    pub(super) fn moment(&self) -> Moment {
        self.clock.boot_time()
    }

    pub(super) fn now(&self) -> Now {
        let moment = self.clock.boot_time();
        let ms = Ms::of(moment).get();
        if self.read_ms.load(Ordering::Relaxed) != ms {
            self.read_ms.store(ms, Ordering::Relaxed);
            self.read_date(moment);
        }
        Now { moment, offset_ms: self.offset_ms.load(Ordering::Relaxed) }
    }

    fn read_date(&self, moment: Moment) {
        let measured = self.clock.unix_ms().saturating_sub(signed_ms(moment));
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        if measured.abs_diff(offset_ms) > TOLERANCE_MS.unsigned_abs() {
            self.offset_ms.store(measured, Ordering::Relaxed);
        }
    }
}

impl Now {
    /// Its date.
    pub(super) fn date(self) -> i64 {
        self.date_of(self.moment)
    }

    /// The date of another moment of the same clock.
    pub(super) fn date_of(self, moment: Moment) -> i64 {
        signed_ms(moment).saturating_add(self.offset_ms)
    }
}

fn signed_ms(moment: Moment) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::ManualClock;

    use super::*;

    #[test]
    fn a_moment_keeps_its_date_through_small_differences_and_follows_a_jump() {
        let clock = ManualClock::new();
        let wall_clock = WallClock::new(Arc::new(clock.clone()));
        let (moment, date) = (clock.boot_time(), clock.unix_ms());
        clock.advance(Duration::from_secs(5));
        clock.jump_date(TOLERANCE_MS);
        assert_eq!(wall_clock.now().date_of(moment), date);
        clock.jump_date(3_600_000);
        clock.advance(Duration::from_millis(1));
        assert_eq!(wall_clock.now().date_of(moment), date + TOLERANCE_MS + 3_600_000);
    }
}
