//! The hashing lane: so many passwords at once, so many waiting, and not one more.
//!
//! It bounds memory and keeps the cores for others: what waits here waits for nothing else.

use std::sync::Arc;
use std::time::Duration;

use argon2::Block;
use clock::Clock;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::{HashObserver, HashingOptions, UsersError};

pub(crate) struct Lane {
    /// Everybody in the lane, hashing or waiting.
    places: Arc<Semaphore>,
    /// Those who hash.
    permits: Arc<Semaphore>,
    wait: Duration,
    buffers: Arc<Buffers>,
    observer: Option<HashObserver>,
    clock: Arc<dyn Clock>,
}

/// The Argon2 memory that is not in use. There is never more of it than permits.
struct Buffers {
    blocks: usize,
    idle: Mutex<Vec<Vec<Block>>>,
}

/// Keeps work that has not begun from beginning once nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl Lane {
    /// A lane whose buffers have `blocks` blocks of 1 KiB each.
    pub(crate) fn new(options: &HashingOptions, blocks: usize, clock: Arc<dyn Clock>) -> Self {
        let permits = options.permits.clamp(1, 1024);
        let places = permits.saturating_add(options.waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            permits: Arc::new(Semaphore::new(permits)),
            wait: options.wait,
            buffers: Arc::new(Buffers { blocks, idle: Mutex::default() }),
            observer: options.observer.clone(),
            clock,
        }
    }

    /// Runs `work` on a blocking thread as soon as a permit is free, with that permit's buffer.
    ///
    /// # Errors
    /// `Busy` where the queue is full or the wait was too long: `work` has not run and will not.
    ///
    /// # Cancel safety
    /// Dropped while waiting, `work` never runs. Dropped later, it runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T, UsersError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| UsersError::Busy)?;
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| UsersError::Busy)?
            .map_err(|_| UsersError::Busy)?;
        let (buffers, observer) = (Arc::clone(&self.buffers), self.observer.clone());
        let clock = Arc::clone(&self.clock);
        let mut task = AbortOnDrop(tokio::task::spawn_blocking(move || {
            // INVARIANT: both live as long as the work, whoever has left meanwhile. A permit that a
            // disconnected caller frees lets any number of buffers be in use at once.
            let _held = (place, permit);
            let begun = clock.now();
            let mut buffer = buffers.take();
            let outcome = work(&mut buffer);
            buffers.give_back(buffer);
            if let Some(observe) = observer {
                observe(clock.now().saturating_sub(begun));
            }
            outcome
        }));
        (&mut task.0)
            .await
            .map_err(|_| UsersError::Unavailable("the hashing thread was lost".to_owned()))
    }
}

impl Buffers {
    fn take(&self) -> Vec<Block> {
        let idle = self.idle.lock().pop();
        idle.unwrap_or_else(|| vec![Block::default(); self.blocks])
    }

    fn give_back(&self, buffer: Vec<Block>) {
        self.idle.lock().push(buffer);
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use clock::ManualClock;

    use super::*;

    fn lane(permits: usize, waiting: usize, wait: Duration) -> Arc<Lane> {
        let options = HashingOptions { permits, waiting, wait, ..HashingOptions::default() };
        Arc::new(Lane::new(&options, 8, Arc::new(ManualClock::new())))
    }

    /// Begins work that goes on until the sender is dropped, and waits until it has begun.
    async fn occupy(lane: &Arc<Lane>) -> (mpsc::Sender<()>, JoinHandle<Result<(), UsersError>>) {
        let (release, held) = mpsc::channel::<()>();
        let (begun, seen) = tokio::sync::oneshot::channel();
        let lane = Arc::clone(lane);
        let task = tokio::spawn(async move {
            lane.run(move |_| {
                begun.send(()).unwrap();
                let _released = held.recv();
            })
            .await
        });
        seen.await.unwrap();
        (release, task)
    }

    #[tokio::test]
    async fn a_caller_who_leaves_does_not_free_the_permit_of_running_work() {
        let lane = lane(1, 10, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(lane.permits.available_permits(), 0);
        drop(release);
        lane.run(|_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_is_not_hashed_and_leaves_the_place_free() {
        let lane = lane(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let hashed = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let hashed = Arc::clone(&hashed);
            let waiting = lane.run(move |_| hashed.fetch_add(1, Ordering::SeqCst));
            // Polled once, it waits; then it is dropped.
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        drop(release);
        task.await.unwrap().unwrap();
        lane.run(|_| ()).await.unwrap();
        assert_eq!(hashed.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_refused_at_once() {
        let lane = lane(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let second = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.run(|_| ()).await }
        });
        while lane.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.run(|_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_that() {
        let lane = lane(1, 10, Duration::from_millis(20));
        let (release, task) = occupy(&lane).await;
        assert_eq!(lane.run(|_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn buffers_are_used_again_and_are_no_more_than_the_permits() {
        let lane = lane(3, 1000, Duration::from_mins(1));
        let mut work = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let lane = Arc::clone(&lane);
            work.spawn(async move { lane.run(|memory| assert_eq!(memory.len(), 8)).await });
        }
        assert!(work.join_all().await.iter().all(Result::is_ok));
        assert!((1..=3).contains(&lane.buffers.idle.lock().len()));
    }

    #[tokio::test]
    async fn work_that_panics_costs_neither_the_permit_nor_the_lane() {
        let lane = lane(1, 0, Duration::from_mins(1));
        let lost = lane.run(|_| panic!("on purpose")).await;
        assert!(matches!(lost, Err(UsersError::Unavailable(_))));
        lane.run(|_| ()).await.unwrap();
    }
}
