//! Whether one URL is available: a circuit breaker, fed with outcomes and the time.
//!
//! It knows nothing of requests. While it is open only the probe is sent there, and a reply to the
//! probe closes it. Its whole state is one number, so that threads that only read share no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::Moment;

/// So many failures without a success in between open it.
pub(crate) const THRESHOLD: u64 = 5;

/// A circuit breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// A [`State`] in one number.
    state: AtomicU64,
    /// When it was opened last, in milliseconds of the clock: for the log only.
    opened_at_ms: AtomicU64,
}

/// The time between two changes between open and closed. A request remembers the one it was
/// admitted in, so that what failed before a recovery does not count against the recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

#[derive(Clone, Copy)]
struct State {
    epoch: u64,
    failures: u64,
    open: bool,
}

impl State {
    /// Bits of the number: whether it is open (0), failures in a row (1–8), the epoch (9–63).
    const fn from_bits(bits: u64) -> Self {
        Self { epoch: bits >> 9, failures: bits >> 1 & 0xff, open: bits & 1 == 1 }
    }

    fn bits(self) -> u64 {
        self.epoch << 9 | self.failures << 1 | u64::from(self.open)
    }
}

impl Breaker {
    /// Lets a request in, unless the breaker is open.
    pub(crate) fn admit(&self) -> Option<Epoch> {
        let state = State::from_bits(self.state.load(Ordering::Acquire));
        (!state.open).then_some(Epoch(state.epoch))
    }

    /// Records a reply. Returns for how long the breaker was open if this closed it.
    ///
    /// A reply closes it also if its request was sent before it opened: a service that hung and
    /// recovers replies to old requests first.
    pub(crate) fn record_success(&self, now: Moment) -> Option<Duration> {
        let before = self.change(|state| {
            // Most of the time nothing changes, and nothing is written.
            (state.open || state.failures > 0).then_some(State {
                epoch: state.epoch + u64::from(state.open),
                failures: 0,
                open: false,
            })
        })?;
        let opened_at = Duration::from_millis(self.opened_at_ms.load(Ordering::Acquire));
        before.open.then(|| now.saturating_sub(opened_at))
    }

    /// Records a failure of a request that was admitted in `epoch`. Returns whether it opened the
    /// breaker.
    pub(crate) fn record_failure(&self, epoch: Epoch, now: Moment) -> bool {
        let before = self.change(|state| {
            if state.open || epoch.0 != state.epoch {
                return None;
            }
            let failures = state.failures + 1;
            if failures < THRESHOLD {
                return Some(State { failures, ..state });
            }
            // Stored before the breaker is seen to be open: the thread that closes it reads this.
            self.opened_at_ms.store(milliseconds(now), Ordering::Release);
            Some(State { epoch: state.epoch + 1, failures: 0, open: true })
        });
        before.is_some_and(|before| before.failures + 1 == THRESHOLD)
    }

    /// Replaces the state by what `next` makes of it, in one step; returns the state before, or
    /// `None` where `next` leaves it alone.
    fn change(&self, next: impl Fn(State) -> Option<State>) -> Option<State> {
        let step = |bits| next(State::from_bits(bits)).map(State::bits);
        let before = self.state.try_update(Ordering::AcqRel, Ordering::Acquire, step).ok()?;
        Some(State::from_bits(before))
    }
}

fn milliseconds(moment: Moment) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Moment = Duration::from_millis;

    fn opened_at(ms: u64) -> Breaker {
        let breaker = Breaker::default();
        let epoch = breaker.admit().unwrap();
        for _ in 1..THRESHOLD {
            assert!(!breaker.record_failure(epoch, AT(ms)));
        }
        assert!(breaker.record_failure(epoch, AT(ms)));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_closes_it() {
        let breaker = opened_at(100);
        assert_eq!(breaker.admit(), None);
        assert_eq!(breaker.record_success(AT(350)), Some(AT(250)));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let breaker = Breaker::default();
        let epoch = breaker.admit().unwrap();
        for _ in 0..10 {
            for _ in 1..THRESHOLD {
                assert!(!breaker.record_failure(epoch, AT(0)));
            }
            assert_eq!(breaker.record_success(AT(0)), None);
        }
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn what_failed_before_a_recovery_does_not_count_after_it() {
        let breaker = Breaker::default();
        let before = breaker.admit().unwrap();
        for _ in 0..THRESHOLD {
            breaker.record_failure(before, AT(0));
        }
        breaker.record_success(AT(1));
        for _ in 0..THRESHOLD {
            assert!(!breaker.record_failure(before, AT(2)));
        }
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn of_failures_at_the_same_moment_one_opens_it() {
        let breaker = Breaker::default();
        let epoch = breaker.admit().unwrap();
        let opened = std::thread::scope(|threads| {
            let fail = || (0..1_000).filter(|_| breaker.record_failure(epoch, AT(1))).count();
            let failing: Vec<_> = (0..4).map(|_| threads.spawn(fail)).collect();
            failing.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(opened, 1);
        assert_eq!(breaker.admit(), None);
    }
}
