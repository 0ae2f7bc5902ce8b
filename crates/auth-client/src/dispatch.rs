//! How questions are sent: each in a request of its own, or batched, so that those that arrive while
//! a request is in flight share the next one, or to a validator in this process; and what an outcome
//! means for the breaker.

use std::sync::{Arc, Weak};
use std::time::Duration;

use auth_api_types::MAX_TOKENS;
use batching::{Batcher, Limits};
use reqwest::RequestBuilder;

use crate::breaker::Epoch;
use crate::key_ring::KeyRing;
use crate::message::{MAX_WEIGHT, Message, ValidateRequest};
use crate::stats::BatchCounts;
use crate::transport::{KeyPlacement, Reply, Transport, Verdicts};
use crate::upstream::Upstream;
use crate::{
    Answer, AuthClientOptions, AuthUnavailable, Question, SetupError, Validator, probe, shard,
};

/// What one caller gets.
pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

/// While batches take less than this, and so much more for each question, one at a time is in flight:
/// few large ones cost less than many small ones, and next to the auth service they end sooner. Where
/// a round trip alone takes longer, those who come would wait for the batch in flight about as long
/// as for their own.
const SLOW: Duration = Duration::from_micros(250);
const SLOW_EACH: Duration = Duration::from_micros(10);
/// A batch in flight for longer than this part of the budget frees its slot: one that hangs must
/// not keep those who come later from being answered in time.
const OVERDUE: u32 = 10;

/// Sends to every URL.
pub(crate) struct Dispatch {
    /// One for each shard.
    transports: Box<[Arc<Transport>]>,
    /// What answers the questions in place of the URLs.
    validator: Option<Arc<dyn Validator>>,
    pub(crate) budget: Duration,
    /// Batches in flight to each URL from each shard, at most; none where each question is sent alone.
    batches_in_flight: usize,
    pub(crate) batch_counts: BatchCounts,
    pub(crate) keys: KeyRing,
}

impl Dispatch {
    pub(crate) fn new(options: &AuthClientOptions) -> Result<Self, SetupError> {
        let is_batching = options.batching && options.validator.is_none();
        let keys = KeyRing::new(options.keys.clone());
        Ok(Self {
            transports: (0..options.shards.max(1))
                .map(|_| Transport::new(options, &keys).map(Arc::new))
                .collect::<Result<_, _>>()?,
            validator: options.validator.clone(),
            budget: options.timeout,
            batches_in_flight: if is_batching { options.batches_in_flight.max(1) } else { 0 },
            batch_counts: BatchCounts::default(),
            keys,
        })
    }

    /// The connections of this thread's shard.
    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transports[shard::of_this_thread(self.transports.len())]
    }

    /// One batcher a shard, for the questions to this URL; none where each question is sent alone.
    pub(crate) fn batchers(
        self: &Arc<Self>,
        upstream: &Weak<Upstream>,
    ) -> Box<[Batcher<Message, Outcome>]> {
        let limits = Limits {
            in_flight: self.batches_in_flight,
            slow: SLOW,
            slow_each: SLOW_EACH,
            count: MAX_TOKENS,
            weight: MAX_WEIGHT,
            overdue: self.budget / OVERDUE,
        };
        let batcher = |_| {
            let (dispatch, upstream) = (Arc::clone(self), Weak::clone(upstream));
            Batcher::new(limits, move |batch| {
                let (dispatch, upstream) = (Arc::clone(&dispatch), upstream.upgrade());
                async move {
                    match upstream {
                        Some(upstream) => dispatch.send_batch(&upstream, batch).await,
                        // The client was dropped, so no caller waits.
                        None => Vec::new(),
                    }
                }
            })
        };
        let shards = if self.batches_in_flight > 0 { self.transports.len() } else { 0 };
        (0..shards).map(batcher).collect()
    }

    /// Sends one question to this URL, or to the validator, once.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unreachable`] and [`AuthUnavailable::BreakerOpen`] where the question
    /// cannot have been received.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have been received. It affects no other.
    pub(crate) async fn validate(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        question: &Question<'_>,
    ) -> Outcome {
        if let Some(validator) = &self.validator {
            self.batch_counts.count(1);
            // Without an answer nothing is recorded: the service may well have one to others.
            let answer = validator.validate(question).await.ok_or(AuthUnavailable::Unclear)?;
            upstream.record_success();
            return Ok(answer);
        }
        let message = Message::new(question)?;
        let Some(batcher) = upstream.batcher() else {
            // Boxed, since a batched question would be moved about with room for all of this.
            let sent = Box::pin(self.send(upstream, epoch, ValidateRequest::single(message)));
            let sent = sent.await?;
            return sent.into_iter().next().flatten().ok_or(AuthUnavailable::Unclear);
        };
        let weight = message.weight();
        // The worker ended before it replied: the question may or may not have been received.
        batcher.request(message, weight).await.unwrap_or(Err(AuthUnavailable::Broken))
    }

    /// Sends a question to this URL, or to the validator, once, and records nothing. Returns whether
    /// the reply is the last one on its connection.
    ///
    /// # Errors
    ///
    /// Where no clear answer came.
    pub(crate) async fn probe(
        &self,
        upstream: &Upstream,
        question: &Question<'_>,
    ) -> Result<bool, AuthUnavailable> {
        if let Some(validator) = &self.validator {
            let answer = validator.validate(question).await;
            return answer.map(|_| false).ok_or(AuthUnavailable::Unclear);
        }
        let request = ValidateRequest::single(Message::new(question)?);
        Ok(self.transport().send(upstream, &request).await?.closes)
    }

    /// Sends a request with the key once.
    pub(crate) async fn exchange_keyed<T>(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        placement: KeyPlacement,
        request: impl Fn(&Transport, &Upstream) -> RequestBuilder + Sync,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let outcome = self.transport().exchange_keyed(upstream, placement, request, judge).await;
        self.record_outcome(upstream, epoch, outcome)
    }

    /// Sends a batch: an outcome for each of its questions, in order.
    async fn send_batch(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        batch: Vec<Message>,
    ) -> Vec<Outcome> {
        let questions = batch.len();
        // The breaker may have opened while they waited.
        let outcome = match upstream.admit() {
            Some(epoch) => self.send(upstream, epoch, ValidateRequest::from_messages(batch)).await,
            None => Err(AuthUnavailable::BreakerOpen),
        };
        match outcome {
            Ok(answers) => {
                let clear = |answer: Option<_>| answer.ok_or(AuthUnavailable::Unclear);
                answers.into_iter().map(clear).collect()
            }
            Err(why) => vec![Err(why); questions],
        }
    }

    async fn send(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        request: ValidateRequest,
    ) -> Result<Vec<Option<Answer>>, AuthUnavailable> {
        self.batch_counts.count(request.questions);
        let outcome = self.transport().send(upstream, &request).await;
        let Verdicts { verdicts, closes } = self.record_outcome(upstream, epoch, outcome)?;
        if upstream.set_draining(closes) {
            for transport in &self.transports {
                transport.renew();
            }
            self.start_probe(upstream);
        }
        Ok(verdicts)
    }

    /// Records how a request ended.
    fn record_outcome<T>(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        outcome: Result<T, AuthUnavailable>,
    ) -> Result<T, AuthUnavailable> {
        match &outcome {
            Ok(_) => upstream.record_success(),
            Err(why) => self.record_failure(upstream, epoch, *why),
        }
        outcome
    }

    /// Records a failure. If it opened the breaker, waiting questions fail over to other URLs.
    pub(crate) fn record_failure(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        epoch: Epoch,
        why: AuthUnavailable,
    ) {
        if upstream.record_failure(epoch, why.as_str()) {
            upstream.fail_waiting();
            self.start_probe(upstream);
        }
    }

    /// Starts the probe of a URL that needs one, unless it is running.
    #[expect(
        clippy::disallowed_methods,
        reason = "the upstream holds the handle, and aborts the task"
    )]
    pub(crate) fn start_probe(self: &Arc<Self>, upstream: &Arc<Upstream>) {
        upstream.probe_with(|running| {
            tokio::spawn(probe::run(Arc::clone(upstream), Arc::clone(self), running))
        });
    }
}
