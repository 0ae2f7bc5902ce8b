//! The in-flight slot of one batch after the other, and for how long each holds others up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;
use crate::batcher::Shared;
use crate::queue::{Batch, Queue, Reply};

/// A slot that was taken; it is free again once this is dropped, if not before.
pub(crate) struct Slot<Req, Resp> {
    shared: Arc<Shared<Req, Resp>>,
    age: Age,
    /// When its batch was sent, or the slot was taken for it.
    since: Instant,
    /// How long it may take until it is slow.
    slow_after: Duration,
}

/// How old the batch in a slot is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// About to be sent, or sent just now: no other starts.
    Fresh,
    /// In flight for so long that others may start beside it.
    Slow,
    /// Over, or in flight for so long that its slot is free.
    Overdue,
}

impl<Req, Resp> Slot<Req, Resp> {
    /// A slot that was taken just now.
    pub(crate) fn fresh(shared: Arc<Shared<Req, Resp>>) -> Self {
        let slow_after = shared.limits.slow_after(1);
        Self { shared, age: Age::Fresh, since: Instant::now(), slow_after }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared<Req, Resp>> {
        &self.shared
    }

    /// When it grows older, as far as it is known now; `None` where it is free.
    pub(crate) fn ages_at(&self) -> Option<Instant> {
        let overdue = self.shared.limits.overdue;
        let after = match self.age {
            // A timer that is due so soon is set only for a request that waits: each time the thread
            // sleeps meanwhile, it costs some microseconds.
            Age::Fresh if !self.shared.queue.lock().is_empty() => self.slow_after,
            Age::Fresh | Age::Slow => overdue,
            Age::Overdue => return None,
        };
        Some(self.since + after)
    }

    /// Takes the slot again once its batch is over, where another batch is to start; `false` where
    /// none is, and the slot is free.
    ///
    /// INVARIANT: the release and the look are one step, so that a request which comes after the
    /// look finds the slot free and starts a worker.
    pub(crate) fn retake(&mut self) -> bool {
        let now = Instant::now();
        let mut queue = self.shared.queue.lock();
        queue.record_slow(now - self.since >= self.slow_after);
        self.age.release(&mut queue);
        let starts = queue.take_slot(&self.shared.limits);
        if starts {
            (self.age, self.since) = (Age::Fresh, now);
        }
        starts
    }
}

impl<Req, Resp> Slot<Req, Resp>
where
    Req: Send + 'static,
    Resp: Send + 'static,
{
    /// The next batch, which is to be sent now; empty where all who waited were cancelled meanwhile.
    pub(crate) fn next_batch(&mut self) -> Batch<Req, Resp> {
        self.since = Instant::now();
        let (batch, holds_up) = {
            let mut queue = self.shared.queue.lock();
            let batch = queue.take(&self.shared.limits);
            // Those that a full batch has no room for gain nothing by it.
            (batch, queue.is_empty() && !queue.is_slow())
        };
        self.slow_after = self.shared.limits.slow_after(batch.requests.len());
        if !holds_up {
            self.grow_older();
        }
        batch
    }

    /// From fresh to slow, and from that to overdue. Starts another batch where it held one up.
    pub(crate) fn grow_older(&mut self) {
        let starts = {
            let mut queue = self.shared.queue.lock();
            if self.age == Age::Fresh {
                queue.release_fresh();
                self.age = Age::Slow;
            } else {
                self.age.release(&mut queue);
            }
            queue.take_slot(&self.shared.limits)
        };
        if starts {
            self.shared.start_worker();
        }
    }
}

impl Limits {
    /// After how long a batch of so many requests is slow.
    fn slow_after(&self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.slow.saturating_add(self.slow_each.saturating_mul(count)).min(self.overdue)
    }
}

impl Age {
    /// Frees the slot, unless it is free.
    fn release<Req, Resp>(&mut self, queue: &mut Queue<Req, Resp>) {
        if *self == Self::Fresh {
            queue.release_fresh();
        }
        if *self != Self::Overdue {
            queue.release_slot();
        }
        *self = Self::Overdue;
    }
}

impl<Req, Resp> Drop for Slot<Req, Resp> {
    fn drop(&mut self) {
        let orphans = {
            let mut queue = self.shared.queue.lock();
            self.age.release(&mut queue);
            queue.drain_orphans()
        };
        // This worker's runtime has ended. Their callers may be on others, and start workers there.
        for waiter in orphans {
            let _ = waiter.reply.send(Reply::Unsent(waiter.request));
        }
    }
}
