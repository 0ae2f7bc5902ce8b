//! Which requests share a batch, and that every one gets its response.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::*;

/// A batch in flight for longer than this is slow, in the tests that are about that.
const SLOW: Duration = Duration::from_millis(1);
/// The same for overdue.
const OVERDUE: Duration = Duration::from_millis(20);
/// How long a test waits for what must come.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Nothing takes so long in a test.
const LONG: Duration = Duration::from_mins(1);

fn limits(in_flight: usize, slow: Duration, overdue: Duration) -> Limits {
    Limits { in_flight, slow, slow_each: Duration::ZERO, count: 9, weight: 99, overdue }
}

/// A batcher, and what the test knows of its batches.
struct Fixture {
    batcher: Arc<Batcher<(), usize>>,
    /// How many were sent.
    sent: Arc<AtomicUsize>,
    /// How many more may end.
    may_end: Arc<Semaphore>,
}

/// A batcher that responds to each request with the size of its batch.
fn fixture(limits: Limits) -> Fixture {
    let (sent, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counted, permits) = (Arc::clone(&sent), Arc::clone(&may_end));
    let batcher = Batcher::new(limits, move |batch: Vec<()>| {
        counted.fetch_add(1, Ordering::Relaxed);
        let permits = Arc::clone(&permits);
        async move {
            permits.acquire().await.unwrap().forget();
            vec![batch.len(); batch.len()]
        }
    });
    Fixture { batcher: Arc::new(batcher), sent, may_end }
}

impl Fixture {
    /// Starts so many requests, and lets them come as far as they can.
    async fn start(&self, count: usize) -> JoinSet<usize> {
        let mut requests = JoinSet::new();
        for _ in 0..count {
            let batcher = Arc::clone(&self.batcher);
            requests.spawn(async move { batcher.request((), 1).await.unwrap() });
        }
        for _ in 0..9 {
            yield_now().await;
        }
        requests
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    async fn until_sent(&self, batches: usize) {
        let sent = async {
            while self.sent() != batches {
                yield_now().await;
            }
        };
        timeout(TIMEOUT, sent).await.unwrap();
    }
}

/// Goes on with other tasks until so much time is over.
async fn last(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        yield_now().await;
    }
}

async fn responses(requests: JoinSet<usize>) -> Vec<usize> {
    timeout(TIMEOUT, requests.join_all()).await.unwrap()
}

#[tokio::test]
async fn one_leaves_alone_and_those_who_come_meanwhile_leave_together() {
    for in_flight in [1, 2, 9] {
        let fixture = fixture(limits(in_flight, LONG, LONG));
        let first = fixture.start(1).await;
        let others = fixture.start(5).await;
        assert_eq!(fixture.sent(), 1, "however many may be in flight");
        fixture.may_end.add_permits(2);
        assert_eq!(responses(first).await, [1]);
        assert_eq!(responses(others).await, [5; 5]);
    }
}

#[tokio::test]
async fn those_who_wait_for_a_slow_batch_leave_beside_it_and_those_who_come_later_do_not() {
    let fixture = fixture(limits(3, SLOW, LONG));
    let started = Instant::now();
    let first = fixture.start(1).await;
    let second = fixture.start(3).await;
    fixture.until_sent(2).await;
    assert!(started.elapsed() >= SLOW, "{:?}", started.elapsed());
    // The youngest is the second now.
    let third = fixture.start(2).await;
    fixture.until_sent(3).await;
    assert!(started.elapsed() >= 2 * SLOW, "{:?}", started.elapsed());
    fixture.may_end.add_permits(3);
    assert_eq!(responses(first).await, [1]);
    assert_eq!(responses(second).await, [3; 3]);
    assert_eq!(responses(third).await, [2; 2]);
}

#[tokio::test]
async fn one_that_comes_when_the_batch_in_flight_is_slow_leaves_beside_it() {
    let fixture = fixture(limits(2, SLOW, LONG));
    let first = fixture.start(1).await;
    last(SLOW).await;
    let second = fixture.start(1).await;
    fixture.until_sent(2).await;
    fixture.may_end.add_permits(2);
    assert_eq!(responses(first).await, [1]);
    assert_eq!(responses(second).await, [1]);
}

#[tokio::test]
async fn after_a_slow_batch_the_next_ones_hold_nobody_up_until_one_ends_soon() {
    let fixture = fixture(limits(2, OVERDUE, LONG));
    let slow = fixture.start(1).await;
    last(OVERDUE).await;
    fixture.may_end.add_permits(1);
    responses(slow).await;
    let (first, second) = (fixture.start(1).await, fixture.start(1).await);
    assert_eq!(fixture.sent(), 3);
    fixture.may_end.add_permits(2);
    responses(first).await;
    responses(second).await;
}

#[tokio::test]
async fn a_large_batch_may_take_longer_than_a_small_one() {
    let limits = Limits { slow_each: LONG, ..limits(2, SLOW, LONG) };
    let started = Instant::now();
    let fixture = fixture(limits);
    // However long it takes, it is not slow.
    let large = fixture.start(5).await;
    last(SLOW).await;
    let waits = fixture.start(1).await;
    last(OVERDUE).await;
    assert_eq!(fixture.sent(), 1, "after {:?}", started.elapsed());
    fixture.may_end.add_permits(2);
    assert_eq!(responses(large).await, [5; 5]);
    assert_eq!(responses(waits).await, [1]);
}

#[tokio::test]
async fn those_whom_a_full_batch_has_no_room_for_leave_at_once() {
    let fixture = fixture(limits(2, LONG, LONG));
    let requests = fixture.start(30).await;
    assert_eq!(fixture.sent(), 2, "as many as may be in flight");
    fixture.may_end.add_permits(4);
    let sizes = responses(requests).await;
    let alike = |size| sizes.iter().filter(|other| **other == size).count();
    assert_eq!((alike(9), alike(3)), (27, 3));
}

#[tokio::test]
async fn those_who_come_again_with_their_responses_share_the_next_batch_with_those_who_wait() {
    let fixture = fixture(limits(2, LONG, LONG));
    let first = fixture.start(1).await;
    let mut again = JoinSet::new();
    for _ in 0..3 {
        let batcher = Arc::clone(&fixture.batcher);
        again.spawn(async move {
            batcher.request((), 1).await.unwrap();
            batcher.request((), 1).await.unwrap()
        });
    }
    yield_now().await;
    fixture.may_end.add_permits(1);
    responses(first).await;
    fixture.until_sent(2).await;
    let waiting = fixture.start(2).await;
    fixture.may_end.add_permits(2);
    assert_eq!(responses(again).await, [5; 3]);
    assert_eq!(responses(waiting).await, [5; 2]);
}

#[tokio::test]
async fn an_overdue_batch_leaves_its_slot_to_those_who_wait() {
    for slow in [SLOW, LONG] {
        let fixture = fixture(limits(1, slow, OVERDUE));
        let first = fixture.start(1).await;
        let waiting = fixture.start(2).await;
        fixture.until_sent(2).await;
        fixture.may_end.add_permits(2);
        assert_eq!(responses(first).await, [1]);
        assert_eq!(responses(waiting).await, [2; 2]);
    }
}

#[tokio::test]
async fn batches_that_hang_keep_nobody_from_being_sent() {
    let fixture = fixture(limits(2, SLOW, OVERDUE));
    let mut hanging = Vec::new();
    for nth in 1..=5 {
        hanging.push(fixture.start(nth).await);
        fixture.until_sent(nth).await;
    }
    fixture.may_end.add_permits(5);
    for (requests, size) in hanging.into_iter().zip(1..) {
        assert_eq!(responses(requests).await, vec![size; size]);
    }
}

#[tokio::test]
async fn a_runtime_that_ends_takes_its_batch_along_and_no_slot() {
    let fixture = Arc::new(fixture(limits(1, LONG, LONG)));
    let other = Arc::clone(&fixture);
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        drop(runtime.block_on(other.start(1)));
    })
    .join()
    .unwrap();
    fixture.may_end.add_permits(1);
    assert_eq!(responses(fixture.start(1).await).await, [1]);
}

#[tokio::test]
async fn those_who_wait_for_a_worker_whose_runtime_ends_are_sent_by_another() {
    let fixture = Arc::new(fixture(limits(1, LONG, LONG)));
    let other = Arc::clone(&fixture);
    let (end, ended) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let lost = runtime.block_on(async {
            let lost = other.start(1).await;
            ended.await.unwrap();
            lost
        });
        drop(runtime);
        drop(lost);
    });
    fixture.until_sent(1).await;
    let waiting = fixture.start(3).await;
    assert_eq!(fixture.sent(), 1);
    end.send(()).unwrap();
    // They come back one by one, and the first may leave before the last is there.
    fixture.may_end.add_permits(3);
    assert_eq!(responses(waiting).await.len(), 3);
    thread.join().unwrap();
}

#[tokio::test]
async fn whoever_waits_when_all_workers_are_stopped_gets_no_response() {
    let fixture = fixture(limits(1, LONG, LONG));
    let requests = [fixture.batcher.request((), 1), fixture.batcher.request((), 1)];
    let [mut first, mut second] = requests.map(Box::pin);
    for request in [&mut first, &mut second] {
        assert!(timeout(Duration::ZERO, request).await.is_err(), "it waits");
    }
    fixture.batcher.stop();
    let both = async { (first.await, second.await) };
    let ended = timeout(TIMEOUT, both).await.unwrap();
    assert_eq!(ended, (Err(Abandoned), Err(Abandoned)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_is_left_behind_when_workers_end_as_others_come() {
    for slow in [Duration::ZERO, Duration::from_micros(50), SLOW, LONG] {
        let in_flight = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&in_flight);
        let limits = limits(2, slow, LONG);
        let batcher = Arc::new(Batcher::new(limits, move |batch: Vec<usize>| {
            let count = Arc::clone(&count);
            async move {
                assert!(count.fetch_add(1, Ordering::SeqCst) < 2, "three batches in flight");
                yield_now().await;
                count.fetch_sub(1, Ordering::SeqCst);
                batch
            }
        }));
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let batcher = Arc::clone(&batcher);
            callers.spawn(async move {
                for round in 0..3_000 {
                    let number = caller * 3_000 + round;
                    assert_eq!(batcher.request(number, 1).await, Ok(number));
                }
            });
        }
        timeout(TIMEOUT, callers.join_all()).await.unwrap();
    }
}
