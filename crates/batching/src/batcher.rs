//! The handle: requests go in, each waits for its own response.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::queue::{Queue, Waiter};
use crate::worker;

/// How large batches are, and how many are in flight.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Batches in flight at once; at least one.
    pub in_flight: usize,
    /// Requests in a batch at most.
    pub count: usize,
    /// The sum of the weights in a batch at most; one request alone may weigh more.
    pub weight: usize,
    /// A batch that is in flight for longer frees its slot for another, so that one that hangs does
    /// not hold up those who come later. It is still waited for.
    pub overdue: Duration,
}

/// Sends one batch: a response for each request, in order.
pub(crate) type SendBatch<Req, Resp> =
    Box<dyn Fn(Vec<Req>) -> Pin<Box<dyn Future<Output = Vec<Resp>> + Send>> + Send + Sync>;

/// Nobody responds to this request any more: the task that sent it has ended, or there was no
/// response for it. It may or may not have been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

/// Requests that travel in batches.
///
/// Batches are sent by tasks on the runtime of whoever asks while there are too few of them; a
/// runtime that ends takes its batches along, and the next request starts others. All tasks end
/// when this is dropped.
pub struct Batcher<Req, Resp> {
    shared: Arc<Shared<Req, Resp>>,
}

/// What callers and workers share.
pub(crate) struct Shared<Req, Resp> {
    pub(crate) limits: Limits,
    pub(crate) send: SendBatch<Req, Resp>,
    pub(crate) queue: Mutex<Queue<Req, Resp>>,
    /// Tells a worker that a request waits.
    pub(crate) arrived: Notify,
    /// Tells the batches in flight that a caller has gone away.
    pub(crate) cancelled: Notify,
    slots_taken: AtomicUsize,
    /// The workers; none once the batcher is gone.
    workers: Mutex<Option<JoinSet<()>>>,
}

impl<Req, Resp> Batcher<Req, Resp>
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    /// A batcher that sends by `send`. Nothing is sent yet.
    pub fn new<F, Fut>(limits: Limits, send: F) -> Self
    where
        F: Fn(Vec<Req>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<Resp>> + Send + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                limits: Limits { in_flight: limits.in_flight.max(1), ..limits },
                send: Box::new(move |batch| Box::pin(send(batch))),
                queue: Mutex::default(),
                arrived: Notify::new(),
                cancelled: Notify::new(),
                slots_taken: AtomicUsize::new(0),
                workers: Mutex::new(Some(JoinSet::new())),
            }),
        }
    }

    /// Sends a request in the next batch that has room for its weight, and waits for its response.
    ///
    /// # Errors
    ///
    /// [`Abandoned`] where there will be no response.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have been sent. It affects no other, and a batch that nobody
    /// waits for any more ends.
    pub async fn request(&self, request: Req, weight: usize) -> Result<Resp, Abandoned> {
        let (reply, response) = oneshot::channel();
        self.shared.queue.lock().push(Waiter { request, weight, reply });
        self.shared.ensure_workers();
        self.shared.arrived.notify_one();
        let mut pending = Pending { shared: &self.shared, response };
        (&mut pending.response).await.map_err(|_| Abandoned)
    }

    /// Responds to everybody whose request has not left: none of these will leave.
    pub fn respond_to_waiting(&self, response: impl Fn() -> Resp) {
        let waiting = self.shared.queue.lock().drain();
        for waiter in waiting {
            let _ = waiter.reply.send(response());
        }
    }
}

impl<Req, Resp> Batcher<Req, Resp> {
    /// Ends all tasks, for when nobody will ask again.
    pub fn stop(&self) {
        drop(self.shared.workers.lock().take());
    }
}

impl<Req, Resp> Drop for Batcher<Req, Resp> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<Req, Resp> Shared<Req, Resp>
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    /// Starts a worker if an in-flight slot is free, also where one was left by a worker that
    /// should not have ended.
    pub(crate) fn ensure_workers(self: &Arc<Self>) {
        let free = |taken| (taken < self.limits.in_flight).then_some(taken + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.slots_taken.fetch_update(set, fetch, free).is_err() {
            return;
        }
        let slot = Slot(Arc::clone(self));
        if let Some(workers) = self.workers.lock().as_mut() {
            while workers.try_join_next().is_some() {}
            workers.spawn(worker::run(slot));
        }
    }
}

/// An in-flight slot, taken until this is dropped.
pub(crate) struct Slot<Req, Resp>(Arc<Shared<Req, Resp>>);

impl<Req, Resp> Slot<Req, Resp> {
    pub(crate) fn shared(&self) -> &Arc<Shared<Req, Resp>> {
        &self.0
    }
}

impl<Req, Resp> Drop for Slot<Req, Resp> {
    fn drop(&mut self) {
        self.0.slots_taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a caller holds while it waits. Dropped before the response, it says so, so that neither
/// the queue nor a batch is kept for nobody.
struct Pending<'a, Req, Resp> {
    shared: &'a Shared<Req, Resp>,
    response: oneshot::Receiver<Resp>,
}

impl<Req, Resp> Drop for Pending<'_, Req, Resp> {
    fn drop(&mut self) {
        if !self.response.is_terminated() {
            self.response.close();
            self.shared.queue.lock().record_cancellation();
            self.shared.cancelled.notify_waiters();
        }
    }
}
