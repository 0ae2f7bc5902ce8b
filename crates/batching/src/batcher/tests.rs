//! Which requests share a batch, and that every one gets its response.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::*;

/// A batch in flight for longer than this is overdue, in the tests that are about that.
const OVERDUE: Duration = Duration::from_millis(20);
/// How long a test waits for what must come.
const TIMEOUT: Duration = Duration::from_secs(20);

fn limits(in_flight: usize, overdue: Duration) -> Limits {
    Limits { in_flight, count: 9, weight: 99, overdue }
}

/// A batcher that responds to each request with the size of its batch, as often as `may_send`
/// lets one go.
fn batcher(limits: Limits, may_send: &Arc<Semaphore>) -> Arc<Batcher<(), usize>> {
    let may_send = Arc::clone(may_send);
    Arc::new(Batcher::new(limits, move |batch: Vec<()>| {
        let may_send = Arc::clone(&may_send);
        async move {
            may_send.acquire().await.unwrap().forget();
            vec![batch.len(); batch.len()]
        }
    }))
}

/// Starts so many requests, and lets them come as far as they can.
async fn start(batcher: &Arc<Batcher<(), usize>>, count: usize) -> JoinSet<usize> {
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let batcher = Arc::clone(batcher);
        requests.spawn(async move { batcher.request((), 1).await.unwrap() });
    }
    for _ in 0..9 {
        yield_now().await;
    }
    requests
}

async fn responses(requests: JoinSet<usize>) -> Vec<usize> {
    timeout(TIMEOUT, requests.join_all()).await.unwrap()
}

#[tokio::test]
async fn one_leaves_alone_and_those_who_come_meanwhile_leave_together() {
    let may_send = Arc::new(Semaphore::new(0));
    let batcher = batcher(limits(1, TIMEOUT), &may_send);
    let first = start(&batcher, 1).await;
    let others = start(&batcher, 5).await;
    may_send.add_permits(2);
    assert_eq!(responses(first).await, [1]);
    assert_eq!(responses(others).await, [5; 5]);
}

#[tokio::test]
async fn an_overdue_batch_leaves_its_slot_to_those_who_wait() {
    let may_send = Arc::new(Semaphore::new(0));
    let batcher = batcher(limits(1, OVERDUE), &may_send);
    let first = start(&batcher, 1).await;
    let waiting = start(&batcher, 2).await;
    let is_sent = async {
        while !batcher.shared.queue.lock().is_empty() {
            yield_now().await;
        }
    };
    timeout(TIMEOUT, is_sent).await.unwrap();
    may_send.add_permits(2);
    assert_eq!(responses(first).await, [1]);
    assert_eq!(responses(waiting).await, [2; 2]);
}

#[tokio::test]
async fn a_runtime_that_ends_takes_its_batch_along_and_no_slot() {
    let may_send = Arc::new(Semaphore::new(0));
    let batcher = batcher(limits(1, TIMEOUT), &may_send);
    let other = Arc::clone(&batcher);
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        drop(runtime.block_on(start(&other, 1)));
    })
    .join()
    .unwrap();
    may_send.add_permits(1);
    assert_eq!(responses(start(&batcher, 1).await).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_is_left_behind_when_workers_end_as_others_come() {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&in_flight);
    let batcher = Arc::new(Batcher::new(limits(2, TIMEOUT), move |batch: Vec<usize>| {
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
            for round in 0..5_000 {
                let number = caller * 5_000 + round;
                assert_eq!(batcher.request(number, 1).await, Ok(number));
            }
        });
    }
    timeout(TIMEOUT, callers.join_all()).await.unwrap();
}
