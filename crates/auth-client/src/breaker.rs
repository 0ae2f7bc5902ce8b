//! Whether one URL is worth asking: a pure state machine, fed with outcomes and the time.
//!
//! It knows nothing of requests. While it is open nobody is sent there but the probe, which is how
//! it closes again.

use std::time::Duration;

use clock::Moment;

/// So many failures without a success in between open it.
pub(crate) const THRESHOLD: u32 = 5;

/// A circuit breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    epoch: Epoch,
}

/// The time between two changes of state. A call remembers the one it was let in by, so that what
/// failed before a recovery does not count against the recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Moment },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Lets a call in, unless the breaker is open.
    pub(crate) fn admit(&self) -> Option<Epoch> {
        matches!(self.state, State::Closed { .. }).then_some(self.epoch)
    }

    /// Takes note of an answer. Says for how long the breaker was open if this closed it.
    ///
    /// An answer closes it whenever it was asked for: a service that hung and goes on answers
    /// what it was asked before.
    pub(crate) fn succeeded(&mut self, now: Moment) -> Option<Duration> {
        let was = std::mem::take(&mut self.state);
        let State::Open { since } = was else {
            return None;
        };
        self.epoch.0 += 1;
        Some(now.saturating_sub(since))
    }

    /// Takes note of a failure of a call that was let in at `epoch`. Says whether it opened the
    /// breaker.
    pub(crate) fn failed(&mut self, epoch: Epoch, now: Moment) -> bool {
        if epoch != self.epoch {
            return false;
        }
        let State::Closed { failures } = &mut self.state else {
            return false;
        };
        *failures += 1;
        if *failures < THRESHOLD {
            return false;
        }
        self.state = State::Open { since: now };
        self.epoch.0 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Moment = Duration::from_millis;

    fn opened_at(ms: u64) -> Breaker {
        let mut breaker = Breaker::default();
        let epoch = breaker.admit().unwrap();
        for _ in 1..THRESHOLD {
            assert!(!breaker.failed(epoch, AT(ms)));
        }
        assert!(breaker.failed(epoch, AT(ms)));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_closes_it() {
        let mut breaker = opened_at(100);
        assert_eq!(breaker.admit(), None);
        assert_eq!(breaker.succeeded(AT(350)), Some(AT(250)));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        let epoch = breaker.admit().unwrap();
        for _ in 0..10 {
            for _ in 1..THRESHOLD {
                assert!(!breaker.failed(epoch, AT(0)));
            }
            assert_eq!(breaker.succeeded(AT(0)), None);
        }
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn what_failed_before_a_recovery_does_not_count_after_it() {
        let mut breaker = Breaker::default();
        let before = breaker.admit().unwrap();
        for _ in 0..THRESHOLD {
            breaker.failed(before, AT(0));
        }
        breaker.succeeded(AT(1));
        for _ in 0..THRESHOLD {
            assert!(!breaker.failed(before, AT(2)));
        }
        assert!(breaker.admit().is_some());
    }
}
