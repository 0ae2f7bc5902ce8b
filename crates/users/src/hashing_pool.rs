//! The hashing pool: a bounded number of passwords is hashed at once, and a bounded number waits.
//!
//! It bounds memory and leaves the cores to other work. A caller that waits here holds no other resource.

mod fair_queue;

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
use fair_queue::{FairQueue, Ticket};

pub(crate) use fair_queue::Share;

pub(crate) struct HashingPool {
    permits: Arc<Mutex<Permits>>,
    wait: Duration,
    buffers: Arc<Buffers>,
    observer: Option<HashObserver>,
    clock: Arc<dyn Clock>,
    /// Turns accounts into numbers that no client can choose.
    numbers: RandomState,
}

/// The free permits, and who waits for one.
struct Permits {
    /// How many are free; none while a caller waits.
    free: usize,
    waiting: FairQueue<oneshot::Sender<()>>,
}

/// The right to hash, which passes to the next one when it is dropped.
struct Permit {
    permits: Arc<Mutex<Permits>>,
}

/// A caller in the queue, and out of it once this is dropped.
struct Waiting {
    permits: Arc<Mutex<Permits>>,
    ticket: Ticket,
    granted: oneshot::Receiver<()>,
}

/// The Argon2 memory that is not in use. There is never more of it than permits.
struct Buffers {
    blocks: usize,
    idle: Mutex<Vec<Vec<Block>>>,
}

/// Cancels work that has not begun when its caller is cancelled.
struct AbortOnDrop<T>(JoinHandle<T>);

impl HashingPool {
    /// A pool whose buffers have `blocks` blocks of 1 KiB each.
    pub(crate) fn new(options: &HashingOptions, blocks: usize, clock: Arc<dyn Clock>) -> Self {
        let free = options.permits.clamp(1, 1024);
        let permits = Permits { free, waiting: FairQueue::new(options.waiting) };
        Self {
            permits: Arc::new(Mutex::new(permits)),
            wait: options.wait,
            buffers: Arc::new(Buffers { blocks, idle: Mutex::default() }),
            observer: options.observer.clone(),
            clock,
            numbers: RandomState::new(),
        }
    }

    /// The share that work for an account counts in, on behalf of a client of `network`.
    pub(crate) fn share(&self, network: Option<IpAddr>, account: &str) -> Share {
        Share { network, account: self.numbers.hash_one(account) }
    }

    /// Runs `work` on a blocking thread as soon as a permit is free, with that permit's buffer.
    ///
    /// # Errors
    /// `Busy` where the queue is full, or was and others had smaller shares of it, or where
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
            // INVARIANT: the permit lives as long as the work, also where the caller has
            // disconnected. One that such a caller freed would let any number of buffers be in
            // use at once.
            let _permit = permit;
            let begun = clock.now();
            let mut buffer = buffers.take();
            let outcome = work(&mut buffer);
            wipe_unused_stack();
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
            let mut permits = self.permits.lock();
            if permits.free > 0 {
                permits.free -= 1;
                return Ok(Permit { permits: Arc::clone(&self.permits) });
            }
            let (grant, granted) = oneshot::channel();
            let ticket = permits.waiting.push(share, grant).ok_or(UsersError::Busy)?;
            Waiting { permits: Arc::clone(&self.permits), ticket, granted }
        };
        match tokio::time::timeout(self.wait, &mut waiting.granted).await {
            Ok(Ok(())) => Ok(Permit { permits: Arc::clone(&self.permits) }),
            Ok(Err(_)) | Err(_) => Err(UsersError::Busy),
        }
    }
}

/// How much of a hashing thread's stack is wiped after each hash, in bytes: the deepest call of any
/// kind of hash takes less.
const WIPED_STACK: usize = 64 * 1024;

/// Overwrites what earlier calls left on this thread's stack below the caller. Hash functions copy
/// their input into a block there and leave it, and an idle thread would show it for as long as it
/// waits for work.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "the stack is what it wipes")]
fn wipe_unused_stack() {
    let mut unused = [0_u8; WIPED_STACK];
    // What nobody reads need not be written, as far as a compiler is concerned.
    std::hint::black_box(&mut unused);
}

impl Drop for Permit {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut permits = self.permits.lock();
                let Some(next) = permits.waiting.pop() else {
                    permits.free += 1;
                    return;
                };
                next
            };
            // A caller that went away meanwhile is passed over.
            if next.send(()).is_ok() {
                return;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.permits.lock().waiting.remove(self.ticket);
        self.granted.close();
        if self.granted.try_recv().is_ok() {
            // The permit came as the caller went away: it is for the next one.
            drop(Permit { permits: Arc::clone(&self.permits) });
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
#[expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use clock::ManualClock;

    use super::*;

    fn pool(permits: usize, waiting: usize, wait: Duration) -> Arc<HashingPool> {
        let options = HashingOptions { permits, waiting, wait, ..HashingOptions::default() };
        Arc::new(HashingPool::new(&options, 8, Arc::new(ManualClock::new())))
    }

    fn share(network: u8) -> Share {
        Share { network: Some([192, 0, 2, network].into()), account: u64::from(network) }
    }

    /// Begins work that goes on until the sender is dropped, and waits until it has begun.
    async fn occupy(
        pool: &Arc<HashingPool>,
    ) -> (mpsc::Sender<()>, JoinHandle<Result<(), UsersError>>) {
        let (release, released) = mpsc::channel::<()>();
        let (begun, seen) = tokio::sync::oneshot::channel();
        let pool = Arc::clone(pool);
        let task = tokio::spawn(async move {
            pool.run(share(1), move |_| {
                begun.send(()).unwrap();
                let _ = released.recv();
            })
            .await
        });
        seen.await.unwrap();
        (release, task)
    }

    #[tokio::test]
    async fn a_caller_who_leaves_does_not_free_the_permit_of_running_work() {
        let pool = pool(1, 10, Duration::from_mins(1));
        let (release, task) = occupy(&pool).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(pool.permits.lock().free, 0);
        drop(release);
        pool.run(share(1), |_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_who_leaves_while_waiting_is_not_hashed_and_leaves_room_for_another() {
        let pool = pool(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&pool).await;
        let hashed = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let hashed = Arc::clone(&hashed);
            let waiting = pool.run(share(1), move |_| hashed.fetch_add(1, Ordering::SeqCst));
            // Polled once, it waits; then it is dropped.
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        drop(release);
        task.await.unwrap().unwrap();
        pool.run(share(1), |_| ()).await.unwrap();
        assert_eq!(hashed.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_refused_at_once() {
        let pool = pool(1, 1, Duration::from_mins(1));
        let (release, task) = occupy(&pool).await;
        let second = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(share(1), |_| ()).await }
        });
        while pool.permits.lock().waiting.len() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(share(1), |_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn no_caller_waits_longer_than_the_limit() {
        let pool = pool(1, 10, Duration::from_millis(20));
        let (release, task) = occupy(&pool).await;
        assert_eq!(pool.run(share(1), |_| ()).await, Err(UsersError::Busy));
        drop(release);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn buffers_are_used_again_and_are_no_more_than_the_permits() {
        let pool = pool(3, 1000, Duration::from_mins(1));
        let mut work = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let pool = Arc::clone(&pool);
            work.spawn(
                async move { pool.run(share(1), |memory| assert_eq!(memory.len(), 8)).await },
            );
        }
        assert!(work.join_all().await.iter().all(Result::is_ok));
        assert!((1..=3).contains(&pool.buffers.idle.lock().len()));
    }

    #[tokio::test]
    async fn work_that_panics_costs_neither_the_permit_nor_the_pool() {
        let pool = pool(1, 0, Duration::from_mins(1));
        let lost = pool.run(share(1), |_| panic!("on purpose")).await;
        assert!(matches!(lost, Err(UsersError::Unavailable(_))));
        pool.run(share(1), |_| ()).await.unwrap();
    }

    const LEFT: u8 = 0xA7;

    /// Fills a part of the stack, as a hash function does, and gives back its address.
    #[inline(never)]
    fn leave_on_the_stack() -> usize {
        let mut left = [LEFT; 16 * 1024];
        std::hint::black_box(&mut left).as_ptr().addr()
    }

    /// Whether a kilobyte in the midst of what was left there is still as it was.
    fn is_left(at: usize) -> bool {
        let mut read = [0; 1024];
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut read, at as u64 + 8 * 1024).unwrap();
        read == [LEFT; 1024]
    }

    #[tokio::test]
    async fn nothing_that_work_leaves_on_its_stack_outlives_it() {
        let pool = pool(1, 0, Duration::from_mins(1));
        let within = pool.run(share(1), |_| {
            let at = leave_on_the_stack();
            (at, is_left(at))
        });
        let (at, seen) = within.await.unwrap();
        assert!(seen, "the work leaves something, and it is found");
        // The thread waits for more work; its stack is mapped.
        assert!(!is_left(at));
    }

    #[tokio::test]
    async fn a_full_queue_admits_a_caller_with_a_smaller_share_and_serves_networks_in_turn() {
        let pool = pool(1, 16, Duration::from_mins(1));
        let (release, task) = occupy(&pool).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |network| {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            async move { pool.run(share(network), move |_| order.lock().push(network)).await }
        };
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..16 {
            crowd.spawn(wait(1));
        }
        while pool.permits.lock().waiting.len() < 16 {
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
    async fn a_permit_for_a_caller_that_is_cancelled_goes_on_to_the_next() {
        let pool = pool(1, 16, Duration::from_mins(1));
        let (release, task) = occupy(&pool).await;
        let mut cancelled = Box::pin(pool.permit(share(1)));
        assert!(tokio::time::timeout(Duration::ZERO, &mut cancelled).await.is_err());
        let next = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(share(1), |_| ()).await }
        });
        while pool.permits.lock().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        drop(release);
        task.await.unwrap().unwrap();
        // It has the permit, and has not been polled since.
        assert_eq!(pool.permits.lock().waiting.len(), 1);
        drop(cancelled);
        next.await.unwrap().unwrap();
        assert_eq!(pool.permits.lock().free, 1);
    }
}
