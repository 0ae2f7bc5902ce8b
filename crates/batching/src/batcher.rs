//! The handle: requests go in, each waits for its own response.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::queue::{Queue, Reply, Waiter};
use crate::slot::Slot;
use crate::worker;

/// How large batches are, and how many are in flight.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Batches in flight at once, at most; at least one.
    pub in_flight: usize,
    /// A batch in flight for less than this holds up those who come, unless it is full: they share
    /// the next one. Once it takes longer, or where the batch that ended last took longer, another
    /// starts beside it: to be held up for so long costs more than large batches save.
    ///
    /// How long a batch took is measured. That one takes longer than those before is found out by a
    /// timer, which is set once a request waits: tokio's count whole milliseconds and round up, so
    /// that 1 ms or less comes to between 1 and 3.
    pub slow: Duration,
    /// So much longer it may take for each request in it.
    pub slow_each: Duration,
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

/// There will be no response to this request: the worker that sent it has ended, or the batch had
/// no response for it. It may or may not have been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

/// Sends requests in batches.
///
/// A request that finds nothing in flight, or nothing but slow batches and a free slot, starts a
/// worker on its own runtime, so that no other thread is woken for it; the worker ends once nothing
/// waits. A runtime that ends takes its batches along; those who still wait for its worker start
/// another. All workers end when this is dropped.
pub struct Batcher<Req, Resp> {
    shared: Arc<Shared<Req, Resp>>,
}

/// What callers and workers share.
pub(crate) struct Shared<Req, Resp> {
    pub(crate) limits: Limits,
    pub(crate) send: SendBatch<Req, Resp>,
    pub(crate) queue: Mutex<Queue<Req, Resp>>,
    /// Notifies the batches in flight that a caller was cancelled, or that requests wait again.
    pub(crate) changed: Notify,
    /// The workers; `None` once the batcher is stopped.
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
                changed: Notify::new(),
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
    /// A request whose future is dropped may or may not have been sent. It affects no other, and a
    /// batch without waiting callers ends.
    pub async fn request(&self, request: Req, weight: usize) -> Result<Resp, Abandoned> {
        let mut request = request;
        // Again where the worker that it waited for has ended before it was sent: at most once, since
        // there may be no runtime left, or all workers may have been stopped.
        for _ in 0..2 {
            match self.queue(request, weight).await? {
                Reply::Response(response) => return Ok(response),
                Reply::Unsent(unsent) => request = unsent,
            }
        }
        Err(Abandoned)
    }

    /// Queues a request, and waits for what becomes of it.
    async fn queue(&self, request: Req, weight: usize) -> Result<Reply<Req, Resp>, Abandoned> {
        let (reply, response) = oneshot::channel();
        let (starts, is_held_up) = {
            let mut queue = self.shared.queue.lock();
            queue.push(Waiter { request, weight, reply });
            (queue.take_slot(&self.shared.limits), queue.is_first_held_up())
        };
        if starts {
            self.shared.start_worker();
        } else if is_held_up {
            self.shared.changed.notify_waiters();
        }
        let mut pending = Pending { shared: &self.shared, response };
        (&mut pending.response).await.map_err(|_| Abandoned)
    }

    /// Responds to every request that is queued and not sent yet: none of these will be sent.
    pub fn respond_to_waiting(&self, response: impl Fn() -> Resp) {
        let waiting = self.shared.queue.lock().drain();
        for waiter in waiting {
            let _ = waiter.reply.send(Reply::Response(response()));
        }
    }
}

impl<Req, Resp> Batcher<Req, Resp> {
    /// Ends all workers, for when no further request will come.
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
    /// Starts a worker for a slot that was taken.
    pub(crate) fn start_worker(self: &Arc<Self>) {
        let slot = Slot::fresh(Arc::clone(self));
        if let Some(workers) = self.workers.lock().as_mut() {
            while workers.try_join_next().is_some() {}
            workers.spawn(worker::run(slot));
        }
    }
}

/// What a caller holds while it waits. Dropped before the response, it records the cancellation, so
/// that neither the queue nor a batch in flight is kept without a caller.
struct Pending<'a, Req, Resp> {
    shared: &'a Shared<Req, Resp>,
    response: oneshot::Receiver<Reply<Req, Resp>>,
}

impl<Req, Resp> Drop for Pending<'_, Req, Resp> {
    fn drop(&mut self) {
        if !self.response.is_terminated() {
            self.response.close();
            self.shared.queue.lock().record_cancellation();
            self.shared.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
