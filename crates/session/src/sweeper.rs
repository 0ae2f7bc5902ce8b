//! The janitor: gives back the memory of what has expired, in the background. It judges nothing;
//! with it switched off, what has expired is refused all the same.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{SessionStore, Swept};

/// How often is looked whether the machine was suspended.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Suspended time up to this is taken for the time between two readings.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Called with what each sweep did and how long it took.
type Observer = Box<dyn Fn(Swept, Duration) + Send + Sync>;

/// Sweeps a store at an interval until it is cancelled.
pub struct Sweeper {
    store: Arc<dyn SessionStore>,
    interval: Duration,
    clock: Arc<dyn Clock>,
    observe: Observer,
}

impl Sweeper {
    /// A sweeper of `store` that begins a sweep every `interval`, which is not zero: who wants no
    /// sweeping runs no sweeper. `clock` tells `observe` how long each took, and whether the machine
    /// was suspended: then much has expired at once, and the next sweep does not wait.
    pub fn new(
        store: Arc<dyn SessionStore>,
        interval: Duration,
        clock: Arc<dyn Clock>,
        observe: Observer,
    ) -> Self {
        Self { store, interval, clock, observe }
    }

    /// Sweeps until `cancel`. A sweep that outlasts the interval delays the next one; one that
    /// fails is logged, and the next one is tried.
    ///
    /// # Panics
    ///
    /// If the interval is zero, or outside of a tokio runtime with a timer.
    ///
    /// # Cancel safety
    ///
    /// A sweep may be cancelled at any point; the next one goes on where it was.
    pub async fn run(self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut suspended = self.clock.suspended();
        let sweeping = async {
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.resumed(suspended) => ticks.reset(),
                }
                suspended = self.clock.suspended();
                self.sweep_once().await;
            }
        };
        cancel.run_until_cancelled(sweeping).await;
    }

    /// Waits until the machine was suspended for longer than it had been by then.
    async fn resumed(&self, before: Duration) {
        while self.clock.suspended() <= before + TOLERANCE {
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    async fn sweep_once(&self) {
        let began = self.clock.now();
        match self.store.sweep().await {
            Ok(swept) => (self.observe)(swept, self.clock.now().saturating_sub(began)),
            Err(error) => tracing::warn!(%error, "a sweep failed; the next one is tried"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::store::conformance::{Fixture, broken};

    const HOUR: Duration = Duration::from_hours(1);

    struct Running {
        task: JoinHandle<()>,
        cancel: CancellationToken,
        swept: UnboundedReceiver<Swept>,
    }

    impl Running {
        /// Starts a sweeper of the fixture's store.
        fn start(fixture: &Fixture, interval: Duration) -> Self {
            Self::start_by(fixture, interval, Arc::new(clock::SystemClock::new()))
        }

        fn start_by(fixture: &Fixture, interval: Duration, clock: Arc<dyn Clock>) -> Self {
            let (sender, swept) = unbounded_channel();
            let observe = Box::new(move |swept, _| sender.send(swept).unwrap_or_default());
            let sweeper = Sweeper::new(Arc::clone(&fixture.store), interval, clock, observe);
            let cancel = CancellationToken::new();
            Self { task: tokio::spawn(sweeper.run(cancel.clone())), cancel, swept }
        }

        async fn next(&mut self) -> Swept {
            let next = tokio::time::timeout(Duration::from_secs(30), self.swept.recv());
            next.await.expect("it sweeps again").expect("it runs")
        }

        async fn stop(self) {
            self.cancel.cancel();
            let stopped = tokio::time::timeout(Duration::from_secs(30), self.task);
            stopped.await.expect("it stops").expect("it does not panic");
        }
    }

    #[tokio::test]
    async fn what_expires_is_swept_at_a_later_tick() {
        let fixture = Fixture::memory();
        let mut running = Running::start(&fixture, Duration::from_millis(1));
        assert_eq!(running.next().await.removed, 0);
        for _ in 0..3 {
            fixture.open().await;
        }
        fixture.pass(5).await;
        let mut removed = 0;
        while removed < 3 {
            removed += running.next().await.removed;
        }
        assert_eq!((removed, fixture.store.count().await.unwrap()), (3, 0));
        running.stop().await;
    }

    #[tokio::test]
    async fn a_sweep_that_fails_is_not_the_last() {
        let fixture = broken::failing_sweeper();
        fixture.open().await;
        fixture.pass(5).await;
        let mut running = Running::start(&fixture, Duration::from_millis(1));
        assert_eq!(running.next().await.removed, 1);
        running.stop().await;
    }

    #[tokio::test]
    async fn what_expired_while_the_machine_was_suspended_is_swept_at_once() {
        let clock = clock::ManualClock::new();
        let store = Arc::new(crate::MemoryStore::new(Arc::new(clock.clone())));
        let fixture = Fixture::manual(store, clock.clone());
        let mut running = Running::start_by(&fixture, HOUR, Arc::new(clock.clone()));
        assert_eq!(running.next().await.removed, 0);
        for _ in 0..3 {
            fixture.open().await;
        }
        clock.suspend(HOUR);
        assert_eq!(running.next().await.removed, 3);
        clock.suspend(TOLERANCE);
        let again = tokio::time::timeout(WATCH_INTERVAL * 2, running.swept.recv()).await;
        assert!(again.is_err(), "a difference of readings is no suspension");
        running.stop().await;
    }

    #[tokio::test]
    async fn it_stops_between_two_sweeps() {
        let fixture = Fixture::memory();
        let mut running = Running::start(&fixture, HOUR);
        running.next().await;
        running.stop().await;
    }
}
