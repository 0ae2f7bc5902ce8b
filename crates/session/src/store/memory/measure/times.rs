//! How long many calls took, in a form that takes no memory of its own.

use std::pin::Pin;
use std::time::Duration;

use clock::{Clock as _, SystemClock};

/// Parts that each doubling is told apart in: a quantile is shown up to an eighth too large.
const PARTS: usize = 8;
const SIZES: usize = 40 * PARTS;

/// Times, by their size.
pub(super) struct Times<'a> {
    timer: &'a SystemClock,
    total: Duration,
    longest: Duration,
    operations: u64,
    by_size: [u64; SIZES],
}

impl<'a> Times<'a> {
    pub(super) fn new(timer: &'a SystemClock) -> Self {
        let (total, longest) = (Duration::ZERO, Duration::ZERO);
        Self { timer, total, longest, operations: 0, by_size: [0; SIZES] }
    }

    pub(super) fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let began = self.timer.now();
        let result = operation();
        let time = self.timer.now().saturating_sub(began);
        self.by_size[size(time)] += 1;
        self.operations += 1;
        self.total += time;
        self.longest = self.longest.max(time);
        result
    }

    /// Drives a future to its end, and takes the time of each turn that it has.
    pub(super) async fn time_turns<F: Future + ?Sized>(
        &mut self,
        mut future: Pin<Box<F>>,
    ) -> F::Output {
        std::future::poll_fn(|context| self.time(|| future.as_mut().poll(context))).await
    }

    /// The time that `of_ten_thousand` of the calls did not pass.
    fn quantile(&self, of_ten_thousand: u64) -> Duration {
        let mut remaining = (self.operations * of_ten_thousand).div_ceil(10_000);
        let reached = |operations: &u64| {
            remaining = remaining.saturating_sub(*operations);
            remaining == 0
        };
        let size = self.by_size.iter().position(reached).unwrap_or_default() + 1;
        let (doubling, part) = (size / PARTS, size % PARTS);
        Duration::from_nanos(((PARTS + part) << doubling >> 3) as u64)
    }

    pub(super) fn print(&self, what: &str) {
        let Self { total, longest, operations, .. } = self;
        let [p50, p99, p999] = [5_000, 9_900, 9_990].map(|quantile| self.quantile(quantile));
        println!(
            "{what}: {operations} in {total:.1?}; p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, longest {longest:.1?}"
        );
    }
}

/// Where a time is counted: by its highest bit and the three behind it.
fn size(time: Duration) -> usize {
    let ns = usize::try_from(time.as_nanos()).unwrap_or(usize::MAX).max(PARTS);
    let doubling = ns.ilog2() as usize;
    (doubling * PARTS + (ns >> (doubling - 3)) % PARTS).min(SIZES - 1)
}
