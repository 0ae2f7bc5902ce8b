//! One worker: takes what waits, sends it as one batch, hands out the responses, and again.
//!
//! It is a task of its own, which lives as long as the batcher: a caller that goes away takes
//! nothing with it but its own request.

use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::batcher::{Shared, Slot};
use crate::queue::Waiter;

/// Works until its slot is given up, or the task is aborted.
pub(crate) async fn run<Req, Resp>(slot: Slot<Req, Resp>)
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    let shared = Arc::clone(slot.shared());
    let mut slot = Some(slot);
    while slot.is_some() {
        let (batch, more) = take(&shared);
        if batch.is_empty() {
            shared.arrived.notified().await;
            // Yield once, so that every ready task can enqueue before the queue is drained.
            yield_now().await;
            continue;
        }
        if more {
            shared.arrived.notify_one();
        }
        send(&shared, batch, &mut slot).await;
    }
}

/// The next batch, and whether other requests stay behind.
fn take<Req, Resp>(shared: &Shared<Req, Resp>) -> (Vec<Waiter<Req, Resp>>, bool) {
    let mut queue = shared.queue.lock();
    let batch = queue.take(&shared.limits);
    (batch, !queue.is_empty())
}

/// Sends one batch and hands each caller its own response. It ends early where nobody waits for it
/// any more; one that is overdue gives its slot up.
async fn send<Req, Resp>(
    shared: &Arc<Shared<Req, Resp>>,
    batch: Vec<Waiter<Req, Resp>>,
    slot: &mut Option<Slot<Req, Resp>>,
) where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    let (requests, replies) = batch
        .into_iter()
        .map(|waiter| (waiter.request, waiter.reply))
        .unzip::<_, _, Vec<_>, Vec<_>>();
    let mut sent = pin!((shared.send)(requests));
    let mut overdue = pin!(sleep(shared.limits.overdue));
    let mut first_waiting = 0;
    let responses = loop {
        // Created before the look, so that no cancellation after it is missed.
        let cancelled = shared.cancelled.notified();
        if nobody_waits(&replies, &mut first_waiting) {
            return;
        }
        select! {
            biased;
            responses = &mut sent => break responses,
            () = cancelled => {}
            () = &mut overdue, if slot.is_some() => {
                *slot = None;
                shared.ensure_workers();
            }
        }
    };
    for (reply, response) in replies.into_iter().zip(responses) {
        let _ = reply.send(response);
    }
}

/// Looks on from the last one that was seen to wait.
fn nobody_waits<Resp>(replies: &[oneshot::Sender<Resp>], first_waiting: &mut usize) -> bool {
    let gone = replies[*first_waiting..].iter().take_while(|reply| reply.is_closed()).count();
    *first_waiting += gone;
    *first_waiting == replies.len()
}
