//! The client itself: one question within its budget, by way of the URLs that answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth_api_types::Reason;
use clock::Clock;
use reqwest::RequestBuilder;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::authenticate::Reading;
use crate::balancer::Balancer;
use crate::breaker::Epoch;
use crate::dispatch::Dispatch;
use crate::stats::Counts;
use crate::transport::{Reply, Transport};
use crate::turns::Turns;
use crate::upstream::{Lease, Upstream};
use crate::{
    Answer, AuthClientOptions, AuthUnavailable, Question, SetupError, Stats, UpstreamStats, probe,
};

/// Longer ones are told to be malformed without being sent anywhere. A token has 64 characters.
const MAX_TOKEN: usize = 4096;

/// Asks the auth service. Clones are cheap and share everything.
#[derive(Clone)]
pub struct AuthClient {
    inner: Arc<Inner>,
}

struct Inner {
    balancer: Balancer,
    dispatch: Arc<Dispatch>,
    /// Questions in here at all: in flight or waiting.
    admitted: Semaphore,
    /// Questions in flight.
    in_flight: Semaphore,
    counts: Counts,
    reading: Reading,
    /// Of the changes of sessions' values.
    turns: Turns,
}

impl AuthClient {
    /// A client for these options. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If a URL cannot be one of an auth service, or the system's root certificates are needed
    /// for one and cannot be read.
    pub fn new(options: AuthClientOptions, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        if options.urls.is_empty() {
            return Err(SetupError::NoUrl);
        }
        let (dispatch, alone) = (Arc::new(Dispatch::new(&options)?), options.urls.len() == 1);
        let shared = &dispatch;
        let upstreams = options
            .urls
            .iter()
            .map(move |url| Upstream::new(url, alone, Arc::clone(&clock), shared))
            .collect::<Result<_, _>>()?;
        let inner = Inner {
            balancer: Balancer::new(upstreams, Arc::clone(&dispatch)),
            dispatch,
            admitted: Semaphore::new(options.max_in_flight.saturating_add(options.max_waiting)),
            in_flight: Semaphore::new(options.max_in_flight),
            counts: Counts::default(),
            reading: Reading::new(options),
            turns: Turns::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks whether the token is alive; a use of it, unless the question says otherwise.
    ///
    /// The question is asked a second time only where the first try cannot have reached a service.
    ///
    /// # Errors
    ///
    /// Within the budget, where no clear answer came back; at once, where none is to be expected.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have been a use of the token. It affects no other call.
    pub async fn validate(&self, question: Question<'_>) -> Result<Answer, AuthUnavailable> {
        let outcome = if question.token.len() > MAX_TOKEN {
            Ok(Answer::Dead(Reason::Malformed))
        } else {
            self.inner.ask(&question).await
        };
        self.inner.counts.count(&outcome);
        outcome
    }

    /// Whether an auth service answers questions at the moment: it is asked one.
    pub async fn ready(&self) -> bool {
        self.inner.ask(&probe::question()).await.is_ok()
    }

    /// What the client has seen so far.
    pub fn stats(&self) -> Stats {
        let upstreams = self.inner.balancer.upstreams.iter().map(|upstream| UpstreamStats {
            name: upstream.name.clone(),
            in_flight: upstream.load(),
            breaker_open: upstream.admit().is_none(),
        });
        Stats {
            validations: self.inner.counts.read(),
            batches: self.inner.dispatch.sizes.read(),
            upstreams: upstreams.collect(),
        }
    }

    /// One request about a session's value, within the budget, by way of the URLs that answer.
    pub(crate) async fn exchange_value<T>(
        &self,
        request: impl Fn(&Transport, &Upstream) -> RequestBuilder + Sync,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let dispatch = &self.inner.dispatch;
        let exchange = |upstream: Arc<Upstream>, epoch| {
            let request = request(dispatch.transport(), &upstream);
            async move { dispatch.exchange_value(&upstream, epoch, request, judge).await }
        };
        self.inner.by_any(exchange).await
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    /// The whole budget of one request to the auth service, or of one change of a value.
    pub(crate) fn budget(&self) -> Duration {
        self.inner.dispatch.budget
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.inner.reading
    }
}

impl Inner {
    async fn ask(&self, question: &Question<'_>) -> Result<Answer, AuthUnavailable> {
        let ask = |upstream: Arc<Upstream>, epoch| async move {
            self.dispatch.ask(&upstream, epoch, question).await
        };
        self.by_any(ask).await
    }

    /// Has it done within the budget, by way of the URLs that answer.
    async fn by_any<T, F>(
        &self,
        attempt: impl Fn(Arc<Upstream>, Epoch) -> F,
    ) -> Result<T, AuthUnavailable>
    where
        F: Future<Output = Result<T, AuthUnavailable>>,
    {
        let mut lease = self.balancer.pick(&[]).ok_or(AuthUnavailable::BreakerOpen)?;
        let _admitted = self.admitted.try_acquire().map_err(|_| AuthUnavailable::Overloaded)?;
        let deadline = Instant::now() + self.dispatch.budget;
        let _in_flight = if let Ok(permit) = self.in_flight.try_acquire() {
            permit
        } else {
            let permit = self.permit_by(deadline).await.ok_or(AuthUnavailable::Overloaded)?;
            // The breaker may have opened meanwhile.
            lease = self.balancer.pick(&[]).ok_or(AuthUnavailable::BreakerOpen)?;
            permit
        };
        self.by_each(attempt, lease, deadline).await
    }

    /// A permit for a question in flight, once another question has ended.
    async fn permit_by(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        timeout_at(deadline, self.in_flight.acquire()).await.ok()?.ok()
    }

    /// Goes to another URL only where the one before cannot have received anything.
    async fn by_each<T, F>(
        &self,
        attempt: impl Fn(Arc<Upstream>, Epoch) -> F,
        mut lease: Lease,
        deadline: Instant,
    ) -> Result<T, AuthUnavailable>
    where
        F: Future<Output = Result<T, AuthUnavailable>>,
    {
        let mut tried = Vec::new();
        loop {
            let attempt = attempt(Arc::clone(&lease.upstream), lease.epoch);
            let why = match self.in_time(&lease, attempt, deadline).await {
                Err(why @ (AuthUnavailable::Unreachable | AuthUnavailable::BreakerOpen)) => why,
                done => return done,
            };
            tried.push(Arc::clone(&lease.upstream));
            drop(lease);
            lease = self.balancer.pick(&tried).ok_or(why)?;
        }
    }

    async fn in_time<T>(
        &self,
        lease: &Lease,
        attempt: impl Future<Output = Result<T, AuthUnavailable>>,
        deadline: Instant,
    ) -> Result<T, AuthUnavailable> {
        let Ok(outcome) = timeout_at(deadline, attempt).await else {
            let why = AuthUnavailable::TimedOut;
            // A caller that waited in vain shows that a service hangs, unless it answers others.
            if !lease.others_were_answered() {
                self.dispatch.record_failure(&lease.upstream, lease.epoch, why);
            }
            return Err(why);
        };
        outcome
    }
}

impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
