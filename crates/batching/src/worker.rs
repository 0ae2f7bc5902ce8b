//! One worker: takes what waits, sends it as one batch, hands out the responses, and again.
//!
//! It is a task of its own, which lives while anything waits: a caller that is cancelled cancels only
//! its own request.

use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::queue::{Batch, Reply, ReplySender};
use crate::slot::Slot;

/// Works until no further batch is to start in its slot, or the task is aborted.
pub(crate) async fn run<Req, Resp>(mut slot: Slot<Req, Resp>)
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    loop {
        // Yield, so that every ready task can enqueue before the queue is drained: also those who
        // have just got their responses and have a next request.
        yield_now().await;
        let batch = slot.next_batch();
        if !batch.requests.is_empty() {
            send(batch, &mut slot).await;
        }
        if !slot.retake() {
            return;
        }
    }
}

/// Sends one batch and hands each caller its own response. It ends early where every caller was
/// cancelled; one that takes long makes way for others.
async fn send<Req, Resp>(batch: Batch<Req, Resp>, slot: &mut Slot<Req, Resp>)
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    let shared = Arc::clone(slot.shared());
    let Batch { requests, replies } = batch;
    let mut sent = pin!((shared.send)(requests));
    let mut aged = pin!(sleep(shared.limits.overdue));
    let mut first_waiting = 0;
    let responses = loop {
        // Created before the looks, so that no change after them is missed.
        let changed = shared.changed.notified();
        if all_cancelled(&replies, &mut first_waiting) {
            return;
        }
        let ages_at = slot.ages_at();
        if let Some(ages_at) = ages_at {
            aged.as_mut().reset(ages_at);
        }
        select! {
            biased;
            responses = &mut sent => break responses,
            () = changed => {}
            () = &mut aged, if ages_at.is_some() => slot.grow_older(),
        }
    };
    for (reply, response) in replies.into_iter().zip(responses) {
        let _ = reply.send(Reply::Response(response));
    }
}

/// Continues at the first one that was seen waiting.
fn all_cancelled<Req, Resp>(replies: &[ReplySender<Req, Resp>], first_waiting: &mut usize) -> bool {
    let cancelled = replies[*first_waiting..].iter().take_while(|reply| reply.is_closed()).count();
    *first_waiting += cancelled;
    *first_waiting == replies.len()
}
