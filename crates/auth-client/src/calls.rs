//! How calls are made: each question in its own, or those that come while a call is under way
//! together in the next one.

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::sync::oneshot;

use crate::breaker::Epoch;
use crate::lane::{self, Lane};
use crate::message::{Call, Message};
use crate::place;
use crate::queue::{Outcome, Waiting};
use crate::stats::Sizes;
use crate::upstream::Upstream;
use crate::wire::{Answers, Reply, Wire};
use crate::{Answer, AuthClientOptions, AuthUnavailable, Question, SetupError, probe};

/// How calls are made, to any URL.
pub(crate) struct Calls {
    /// One for each lane.
    wires: Box<[Arc<Wire>]>,
    pub(crate) budget: Duration,
    /// The places of each URL; none where each question has a call of its own.
    places: usize,
    pub(crate) sizes: Sizes,
}

impl Calls {
    pub(crate) fn new(options: &AuthClientOptions) -> Result<Self, SetupError> {
        let places = options.calls_under_way.max(1);
        Ok(Self {
            wires: (0..options.lanes.max(1))
                .map(|_| Wire::new(options).map(Arc::new))
                .collect::<Result<_, _>>()?,
            budget: options.timeout,
            places: if options.batching { places } else { 0 },
            sizes: Sizes::default(),
        })
    }

    /// The connections of the lane that this thread asks by.
    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wires[lane::of_this_thread(self.wires.len())]
    }

    /// Asks this URL once.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unreachable`] and [`AuthUnavailable::LeftOut`] where the question cannot
    /// have been received.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have been received. It affects no other.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        question: &Question<'_>,
    ) -> Outcome {
        let message = Message::new(question)?;
        if self.places > 0 {
            return self.ask_with_others(upstream, message).await;
        }
        self.sizes.count(1);
        let sent = self.wire().send(upstream, Call::alone(message));
        let answers = self.heard(upstream, epoch, sent.await)?;
        let answer = answers.into_iter().next().flatten();
        answer.ok_or(AuthUnavailable::Unclear)
    }

    /// Sends a request about a value once.
    pub(crate) async fn exchange_value<T>(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        request: RequestBuilder,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let outcome = Wire::exchange_value(request, judge).await;
        self.noted(upstream, epoch, outcome)
    }

    async fn ask_with_others(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        message: Message,
    ) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let lane = upstream.lane();
        lane.queue.lock().push(Waiting { message, reply });
        self.staff(upstream, lane);
        lane.arrived.notify_one();
        let mut ticket = Ticket { lane, answer };
        let outcome = (&mut ticket.answer).await;
        // Unsent by whoever had it, which then has died: nobody knows whether it was received.
        outcome.unwrap_or(Err(AuthUnavailable::Broken))
    }

    /// Sees to it that the lane's places are taken, also where one was left that should not be.
    pub(crate) fn staff(self: &Arc<Self>, upstream: &Arc<Upstream>, lane: &Arc<Lane>) {
        lane.staff(self.places, |place| place::work(Arc::clone(upstream), Arc::clone(self), place));
    }

    /// Takes note of how a call ended, and of a service that goes away.
    pub(crate) fn heard(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        outcome: Result<Answers, AuthUnavailable>,
    ) -> Result<Vec<Option<Answer>>, AuthUnavailable> {
        let answers = self.noted(upstream, epoch, outcome)?;
        if upstream.begins_to_leave(answers.last) {
            for wire in &self.wires {
                wire.renew();
            }
        }
        Ok(answers.each)
    }

    /// Takes note of how a call ended.
    pub(crate) fn noted<T>(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        outcome: Result<T, AuthUnavailable>,
    ) -> Result<T, AuthUnavailable> {
        match &outcome {
            Ok(_) => upstream.succeeded(),
            Err(why) => self.failed(upstream, epoch, *why),
        }
        outcome
    }

    /// Takes note of a failure. If it was one too many, those who wait may go elsewhere.
    pub(crate) fn failed(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        why: AuthUnavailable,
    ) {
        if upstream.failed(epoch, why.as_str()) {
            upstream.turn_all_away();
            self.probe(upstream);
        }
    }

    /// Probes the URL if it is left out, unless that is being done.
    pub(crate) fn probe(self: &Arc<Self>, upstream: &Arc<Upstream>) {
        upstream.probe_with(|| {
            let (upstream, wire) = (Arc::clone(upstream), Arc::clone(self.wire()));
            tokio::spawn(probe::until_answered(upstream, wire, self.budget))
        });
    }
}

/// What a caller holds while it waits. Given up before the answer, it says so, so that neither a
/// place in the queue nor a call is kept for nobody.
struct Ticket<'a> {
    lane: &'a Lane,
    answer: oneshot::Receiver<Outcome>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            self.answer.close();
            self.lane.queue.lock().left();
            self.lane.gone.notify_waiters();
        }
    }
}
