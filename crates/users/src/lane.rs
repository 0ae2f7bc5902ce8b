//! The hashing lane: so many passwords at once, so many waiting, and not one more.
//!
//! It bounds memory and keeps the cores for others: what waits here waits for nothing else.

mod room;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use argon2::Block;
use clock::Clock;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{HashObserver, HashingOptions, UsersError};
use room::{Room, Ticket};

pub(crate) use room::Share;

pub(crate) struct Lane {
    queue: Arc<Mutex<Queue>>,
    wait: Duration,
    buffers: Arc<Buffers>,
    observer: Option<HashObserver>,
    clock: Arc<dyn Clock>,
    /// Turns accounts into numbers that nobody can choose.
    numbers: RandomState,
}

/// Who hashes, and who waits for that.
struct Queue {
    /// How many more may hash; none while somebody waits.
    free: usize,
    room: Room<oneshot::Sender<()>>,
}

/// The right to hash, which passes to the next one when it is dropped.
struct Permit {
    queue: Arc<Mutex<Queue>>,
}

/// Somebody in the waiting room, and out of it once this is dropped.
struct Waiting {
    queue: Arc<Mutex<Queue>>,
    ticket: Ticket,
    call: oneshot::Receiver<()>,
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
        let queue =
            Queue { free: options.permits.clamp(1, 1024), room: Room::new(options.waiting) };
        Self {
            queue: Arc::new(Mutex::new(queue)),
            wait: options.wait,
            buffers: Arc::new(Buffers { blocks, idle: Mutex::default() }),
            observer: options.observer.clone(),
            clock,
            numbers: RandomState::new(),
        }
    }

    /// The share that work for an account counts in, on behalf of somebody of `network`.
    pub(crate) fn share(&self, network: Option<IpAddr>, account: &str) -> Share {
        Share { network, account: self.numbers.hash_one(account) }
    }

    /// Runs `work` on a blocking thread as soon as a permit is free, with that permit's buffer.
    ///
    /// # Errors
    /// `Busy` where the waiting room is full, or was and others had smaller shares of it, or where
    /// the wait was too long: `work` has not run and will not.
    ///
    /// # Cancel safety
    /// Dropped while waiting, `work` never runs. Dropped later, it runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        share: Share,
        work: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T, UsersError> {
        let permit = self.permit(share).await?;
        let (buffers, observer) = (Arc::clone(&self.buffers), self.observer.clone());
        let clock = Arc::clone(&self.clock);
        let mut task = AbortOnDrop(tokio::task::spawn_blocking(move || {
            // INVARIANT: it lives as long as the work, whoever has left meanwhile. A permit that a
            // disconnected caller frees lets any number of buffers be in use at once.
            let _held = permit;
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

    async fn permit(&self, share: Share) -> Result<Permit, UsersError> {
        let mut waiting = {
            let mut queue = self.queue.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Ok(Permit { queue: Arc::clone(&self.queue) });
            }
            let (sender, call) = oneshot::channel();
            let ticket = queue.room.enter(share, sender).ok_or(UsersError::Busy)?;
            Waiting { queue: Arc::clone(&self.queue), ticket, call }
        };
        match tokio::time::timeout(self.wait, &mut waiting.call).await {
            Ok(Ok(())) => Ok(Permit { queue: Arc::clone(&self.queue) }),
            Ok(Err(_)) | Err(_) => Err(UsersError::Busy),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut queue = self.queue.lock();
                let Some(next) = queue.room.next() else {
                    queue.free += 1;
                    return;
                };
                next
            };
            // Who has gone meanwhile is passed over.
            if next.send(()).is_ok() {
                return;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.lock().room.leave(self.ticket);
        self.call.close();
        if self.call.try_recv().is_ok() {
            // Called in the very moment of going: the permit is the next one's.
            drop(Permit { queue: Arc::clone(&self.queue) });
        }
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

    fn share(network: u8) -> Share {
        Share { network: Some([192, 0, 2, network].into()), account: u64::from(network) }
    }

    /// Begins work that goes on until the sender is dropped, and waits until it has begun.
    async fn occupy(lane: &Arc<Lane>) -> (mpsc::Sender<()>, JoinHandle<Result<(), UsersError>>) {
        let (release, held) = mpsc::channel::<()>();
        let (begun, seen) = tokio::sync::oneshot::channel();
        let lane = Arc::clone(lane);
        let task = tokio::spawn(async move {
            lane.run(share(1), move |_| {
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
        assert_eq!(lane.queue.lock().free, 0);
        drop(release);
        lane.run(share(1), |_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_is_not_hashed_and_leaves_the_place_free() {
        let lane = lane(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let hashed = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let hashed = Arc::clone(&hashed);
            let waiting = lane.run(share(1), move |_| hashed.fetch_add(1, Ordering::SeqCst));
            // Polled once, it waits; then it is dropped.
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        drop(release);
        task.await.unwrap().unwrap();
        lane.run(share(1), |_| ()).await.unwrap();
        assert_eq!(hashed.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_refused_at_once() {
        let lane = lane(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let second = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.run(share(1), |_| ()).await }
        });
        while lane.queue.lock().room.len() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.run(share(1), |_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_that() {
        let lane = lane(1, 10, Duration::from_millis(20));
        let (release, task) = occupy(&lane).await;
        assert_eq!(lane.run(share(1), |_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn buffers_are_used_again_and_are_no_more_than_the_permits() {
        let lane = lane(3, 1000, Duration::from_mins(1));
        let mut work = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let lane = Arc::clone(&lane);
            work.spawn(
                async move { lane.run(share(1), |memory| assert_eq!(memory.len(), 8)).await },
            );
        }
        assert!(work.join_all().await.iter().all(Result::is_ok));
        assert!((1..=3).contains(&lane.buffers.idle.lock().len()));
    }

    #[tokio::test]
    async fn work_that_panics_costs_neither_the_permit_nor_the_lane() {
        let lane = lane(1, 0, Duration::from_mins(1));
        let lost = lane.run(share(1), |_| panic!("on purpose")).await;
        assert!(matches!(lost, Err(UsersError::Unavailable(_))));
        lane.run(share(1), |_| ()).await.unwrap();
    }
    #[tokio::test]
    async fn a_full_lane_lets_in_who_has_a_smaller_share_and_serves_networks_in_turn() {
        let lane = lane(1, 16, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |network| {
            let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
            async move { lane.run(share(network), move |_| order.lock().push(network)).await }
        };
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..16 {
            crowd.spawn(wait(1));
        }
        while lane.queue.lock().room.len() < 16 {
            tokio::task::yield_now().await;
        }
        assert_eq!(wait(1).await, Err(UsersError::Busy));
        let other = tokio::spawn(wait(2));
        assert_eq!(crowd.join_next().await.unwrap().unwrap(), Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
        assert!(crowd.join_all().await.iter().all(Result::is_ok));
        assert_eq!(order.lock()[..3], [1, 2, 1]);
        assert_eq!(order.lock().len(), 16);
    }

    #[tokio::test]
    async fn a_permit_that_comes_to_who_is_just_leaving_goes_on_to_the_next() {
        let lane = lane(1, 16, Duration::from_mins(1));
        let (release, task) = occupy(&lane).await;
        let mut leaving = Box::pin(lane.permit(share(1)));
        assert!(tokio::time::timeout(Duration::ZERO, &mut leaving).await.is_err());
        let next = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.run(share(1), |_| ()).await }
        });
        while lane.queue.lock().room.len() < 2 {
            tokio::task::yield_now().await;
        }
        drop(release);
        task.await.unwrap().unwrap();
        // It has been called, and has not heard of it.
        assert_eq!(lane.queue.lock().room.len(), 1);
        drop(leaving);
        next.await.unwrap().unwrap();
        assert_eq!(lane.queue.lock().free, 1);
    }
}
