//! The requests that wait for the next batch, and the in-flight slots: pure steps under a lock, nothing of time or I/O.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::Limits;

/// So many requests of cancelled callers may stay queued before they are removed.
const MAX_CANCELLED: usize = 64;

/// A request, and where its reply goes.
pub(crate) struct Waiter<Req, Resp> {
    pub(crate) request: Req,
    pub(crate) weight: usize,
    pub(crate) reply: ReplySender<Req, Resp>,
}

/// What becomes of a request.
pub(crate) enum Reply<Req, Resp> {
    Response(Resp),
    /// It was not sent, and no worker is left that could.
    Unsent(Req),
}

pub(crate) type ReplySender<Req, Resp> = oneshot::Sender<Reply<Req, Resp>>;

/// Requests that leave together, and where the reply to each of them goes, in the same order.
pub(crate) struct Batch<Req, Resp> {
    pub(crate) requests: Vec<Req>,
    pub(crate) replies: Vec<ReplySender<Req, Resp>>,
}

/// First come, first served.
pub(crate) struct Queue<Req, Resp> {
    waiting: VecDeque<Waiter<Req, Resp>>,
    /// Callers that were cancelled since the last removal; the requests of some may have been sent.
    cancelled: usize,
    slots_taken: usize,
    /// Whether one of these is fresh: its batch holds up those who come.
    has_fresh: bool,
    /// Whether the batch that ended last was slow.
    is_slow: bool,
}

impl<Req, Resp> Default for Queue<Req, Resp> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            cancelled: 0,
            slots_taken: 0,
            has_fresh: false,
            is_slow: false,
        }
    }
}

impl<Req, Resp> Queue<Req, Resp> {
    pub(crate) fn push(&mut self, waiter: Waiter<Req, Resp>) {
        self.waiting.push_back(waiter);
    }

    /// Takes an in-flight slot for another batch, where one is to start; the slot is fresh.
    ///
    /// INVARIANT: this alone decides that a batch starts, be it the first or one beside others.
    pub(crate) fn take_slot(&mut self, limits: &Limits) -> bool {
        let held_up = self.has_fresh && !limits.slow.is_zero();
        let starts = !self.is_empty() && !held_up && self.slots_taken < limits.in_flight;
        if starts {
            self.slots_taken += 1;
            self.has_fresh = true;
        }
        starts
    }

    /// The fresh slot is fresh no longer: its batch holds no other up.
    pub(crate) fn release_fresh(&mut self) {
        self.has_fresh = false;
    }

    /// Gives an in-flight slot back that is not fresh.
    pub(crate) fn release_slot(&mut self) {
        self.slots_taken -= 1;
    }

    /// Records whether a batch that has just ended was slow.
    pub(crate) fn record_slow(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
    }

    /// Whether the next batch is expected to be slow, since the last one was.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the request that was pushed last is the first that the fresh batch holds up.
    pub(crate) fn is_first_held_up(&self) -> bool {
        self.has_fresh && self.waiting.len() == 1
    }

    /// The next batch: as many as the limits allow, without those of cancelled callers.
    ///
    /// INVARIANT: what has been taken is complete. A request that is pushed later is part of a later
    /// batch, and so its response rests on what the other end knows later.
    pub(crate) fn take(&mut self, limits: &Limits) -> Batch<Req, Resp> {
        let (mut weight, room) = (0_usize, self.waiting.len().min(limits.count));
        let (mut requests, mut replies) = (Vec::with_capacity(room), Vec::with_capacity(room));
        while let Some(next) = self.waiting.pop_front() {
            if next.reply.is_closed() {
                continue;
            }
            let total = weight.saturating_add(next.weight);
            let fits = requests.len() < limits.count && total <= limits.weight;
            if !fits && !requests.is_empty() {
                self.waiting.push_front(next);
                break;
            }
            weight = total;
            requests.push(next.request);
            replies.push(next.reply);
        }
        Batch { requests, replies }
    }

    /// Every request, where no worker is left to send it.
    pub(crate) fn drain_orphans(&mut self) -> VecDeque<Waiter<Req, Resp>> {
        if self.slots_taken == 0 { self.drain() } else { VecDeque::new() }
    }

    /// Every request, for when none of them is to be sent.
    pub(crate) fn drain(&mut self) -> VecDeque<Waiter<Req, Resp>> {
        self.cancelled = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Records that a caller was cancelled. The queued requests of such callers are bounded by those
    /// of the others.
    pub(crate) fn record_cancellation(&mut self) {
        self.cancelled += 1;
        if self.cancelled > MAX_CANCELLED.max(self.waiting.len() / 2) {
            self.waiting.retain(|waiter| !waiter.reply.is_closed());
            self.cancelled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(count: usize, weight: usize) -> Limits {
        let second = Duration::from_secs(1);
        let slow_each = Duration::ZERO;
        Limits { in_flight: 1, slow: second, slow_each, count, weight, overdue: second }
    }

    fn push(queue: &mut Queue<usize, ()>, weight: usize) -> oneshot::Receiver<Reply<usize, ()>> {
        let (reply, response) = oneshot::channel();
        queue.push(Waiter { request: weight, weight, reply });
        response
    }

    fn take(queue: &mut Queue<usize, ()>, limits: &Limits) -> Vec<usize> {
        queue.take(limits).requests
    }

    #[test]
    fn a_batch_that_is_about_to_be_sent_holds_others_up_unless_nothing_may() {
        for (slow, second_starts) in [(Duration::from_secs(1), false), (Duration::ZERO, true)] {
            let limits = Limits { in_flight: 2, slow, ..limits(9, 9) };
            let mut queue = Queue::default();
            let _waiting = [push(&mut queue, 1), push(&mut queue, 1)];
            assert!(queue.take_slot(&limits));
            assert_eq!(queue.take_slot(&limits), second_starts, "{slow:?}");
            assert!(!queue.take_slot(&limits), "there are two slots");
        }
    }

    #[test]
    fn what_nobody_waits_for_is_not_taken() {
        let mut queue = Queue::default();
        let stays = push(&mut queue, 1);
        drop(push(&mut queue, 2));
        let also_stays = push(&mut queue, 3);
        assert_eq!(take(&mut queue, &limits(9, 99)), [1, 3]);
        assert!(queue.is_empty());
        drop((stays, also_stays));
    }

    #[test]
    fn what_has_no_room_is_taken_next_in_its_order() {
        let mut queue = Queue::default();
        let responses: Vec<_> = (0..2_500).map(|_| push(&mut queue, 1)).collect();
        let sizes: Vec<usize> =
            (0..4).map(|_| take(&mut queue, &limits(1_024, 99_999)).len()).collect();
        assert_eq!(sizes, [1_024, 1_024, 452, 0]);
        drop(responses);
    }

    #[test]
    fn weights_bound_a_batch_and_one_that_is_too_heavy_leaves_alone() {
        let mut queue = Queue::default();
        let responses = [3, 4, 3, 99, 1, usize::MAX, 9].map(|weight| push(&mut queue, weight));
        let mut batch = || take(&mut queue, &limits(9, 10));
        assert_eq!(batch(), [3, 4, 3]);
        assert_eq!(batch(), [99]);
        assert_eq!(batch(), [1]);
        assert_eq!(batch(), [usize::MAX]);
        assert_eq!(batch(), [9]);
        drop(responses);
    }

    #[test]
    fn callers_that_go_away_leave_nothing_that_grows() {
        let mut queue = Queue::default();
        let stays = push(&mut queue, 1);
        for _ in 0..100_000 {
            drop(push(&mut queue, 1));
            queue.record_cancellation();
            assert!(queue.waiting.len() <= 2 * MAX_CANCELLED + 2);
        }
        drop(stays);
    }
}
