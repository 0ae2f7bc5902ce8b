//! The generic cell rate algorithm, as pure arithmetic. A count is a single moment: the one at
//! which nothing that was counted counts any more. It lies an interval further off for each attempt
//! and comes nearer by itself.

use std::time::Duration;

use super::AttemptLimit;

/// A limit's measures, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long an attempt counts.
    interval_us: u64,
    burst: u32,
}

impl Pace {
    pub(super) fn of(limit: &AttemptLimit) -> Self {
        let burst = limit.burst.get();
        Self { interval_us: (micros(limit.per) / u64::from(burst)).max(1), burst }
    }

    /// How long an attempt counts.
    pub(super) const fn interval_us(self) -> u64 {
        self.interval_us
    }

    /// How long it takes from `now_us` until an attempt is admitted: 0 if it is.
    pub(super) fn wait_us(self, free_at_us: u64, now_us: u64) -> u64 {
        let limit_us = now_us.saturating_add(self.span_us());
        self.counted(free_at_us, now_us).saturating_sub(limit_us)
    }

    /// The count with one attempt more.
    pub(super) fn counted(self, free_at_us: u64, now_us: u64) -> u64 {
        free_at_us.max(now_us).saturating_add(self.interval_us)
    }

    /// The count with one attempt less.
    pub(super) const fn refunded(self, free_at_us: u64) -> u64 {
        free_at_us.saturating_sub(self.interval_us)
    }

    /// How much of the limit is used up: 0 to `u32::MAX`.
    pub(super) fn used(self, free_at_us: u64, now_us: u64) -> u32 {
        let used = u128::from(free_at_us.saturating_sub(now_us)) << 32;
        u32::try_from(used / u128::from(self.span_us())).unwrap_or(u32::MAX)
    }

    /// How long a whole burst counts. A rounded interval times the burst, and not the period:
    /// otherwise a remainder could admit one more.
    fn span_us(self) -> u64 {
        self.interval_us.saturating_mul(u64::from(self.burst))
    }
}

/// Whole microseconds, rounded down: a wait as long as was reported is long enough.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attempts::AttemptKey;

    fn pace(burst: u32, per: Duration) -> Pace {
        let burst = burst.try_into().unwrap();
        Pace::of(&AttemptLimit { key: AttemptKey::of(&[]), burst, per })
    }

    #[test]
    fn a_period_that_does_not_divide_admits_no_one_more() {
        let seven = pace(7, Duration::from_mins(5));
        let mut free_at_us = 0;
        for _ in 0..7 {
            assert_eq!(seven.wait_us(free_at_us, 50), 0);
            free_at_us = seven.counted(free_at_us, 50);
        }
        assert_eq!(seven.wait_us(free_at_us, 50), 42_857_142);
    }

    #[test]
    fn the_longest_and_the_shortest_periods_stay_limits() {
        let thousand_years = pace(1, Duration::from_hours(24 * 365 * 1000));
        assert!(thousand_years.wait_us(thousand_years.counted(0, 7), 7) > 0);
        let swift = pace(u32::MAX, Duration::from_millis(1));
        assert_eq!(swift.wait_us(swift.counted(0, 7), 7), 0);
    }

    proptest! {
        #[test]
        fn the_wait_is_true_to_the_microsecond(
            burst in 1_u32..200, per_ms in 1_u64..10_000_000, start in 0_u64..1 << 40,
            gaps in proptest::collection::vec(0_u64..10_000_000, 1..60),
        ) {
            let pace = pace(burst, Duration::from_millis(per_ms));
            let (mut now, mut free_at) = (start, 0);
            for gap in gaps {
                now += gap;
                let wait = pace.wait_us(free_at, now);
                if wait > 0 {
                    prop_assert!(pace.wait_us(free_at, now + wait - 1) > 0);
                }
                now += wait;
                prop_assert_eq!(pace.wait_us(free_at, now), 0);
                let counted = pace.counted(free_at, now);
                prop_assert_eq!(pace.refunded(counted), free_at.max(now));
                free_at = counted;
            }
        }

        #[test]
        fn no_period_ever_sees_two_bursts(
            burst in 1_u32..50, per_ms in 1_u64..100_000,
            gaps in proptest::collection::vec(0_u64..5_000_000, 1..300),
        ) {
            let pace = pace(burst, Duration::from_millis(per_ms));
            let (mut now, mut free_at, mut admitted) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                if pace.wait_us(free_at, now) == 0 {
                    free_at = pace.counted(free_at, now);
                    admitted.push(now);
                }
            }
            for (i, start) in admitted.iter().enumerate() {
                let within = admitted[i..].iter().filter(|at| **at < start + pace.span_us()).count();
                prop_assert!(within < 2 * burst as usize + 1);
            }
        }
    }
}
