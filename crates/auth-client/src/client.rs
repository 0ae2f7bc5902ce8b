//! The client itself: one question within its budget, at whichever URL answers.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use auth_api_types::Reason;
use clock::Clock;
use reqwest::RequestBuilder;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::admission::Admission;
use crate::authenticate::RequestReader;
use crate::balancer::Balancer;
use crate::breaker::Epoch;
use crate::dispatch::Dispatch;
use crate::session_locks::SessionLocks;
use crate::stats::Counts;
use crate::transport::{KeyPlacement, Reply, Transport};
use crate::upstream::{Lease, Upstream};
use crate::{
    Answer, AuthClientOptions, AuthUnavailable, InternalKey, Question, SetupError, Stats,
    UpstreamStats, probe,
};

/// Longer ones count as malformed and are not sent. A token has 64 characters.
const MAX_TOKEN: usize = 4096;

/// Validates tokens at the auth service. Clones are cheap and share everything.
#[derive(Clone)]
pub struct AuthClient {
    inner: Arc<Inner>,
}

struct Inner {
    balancer: Balancer,
    dispatch: Arc<Dispatch>,
    /// Questions that the client holds: in flight or waiting.
    admission: Admission,
    /// Questions in flight.
    in_flight: Semaphore,
    counts: Counts,
    reader: RequestReader,
    /// Serialises the changes of one session's values.
    session_locks: SessionLocks,
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
            admission: Admission::new(options.max_in_flight.saturating_add(options.max_waiting)),
            in_flight: Semaphore::new(options.max_in_flight),
            counts: Counts::default(),
            reader: RequestReader::new(options),
            session_locks: SessionLocks::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Validates the token; a use of it, unless the question says otherwise.
    ///
    /// The question is sent a second time only where the first try cannot have reached a service.
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
            self.inner.validate(&question).await
        };
        self.inner.counts.count(&outcome);
        outcome
    }

    /// Whether an auth service answers at the moment: one question is sent to find out.
    pub async fn ready(&self) -> bool {
        self.inner.validate(&probe::question()).await.is_ok()
    }

    /// Shows these keys from now on. A request that was sent with another and is refused for it is
    /// sent again with one of these.
    pub fn replace_keys(&self, keys: Vec<InternalKey>) {
        self.inner.dispatch.keys.replace(keys);
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
            batches: self.inner.dispatch.batch_counts.read(),
            upstreams: upstreams.collect(),
        }
    }

    /// One request that shows the internal key, within the budget, at whichever URL answers.
    pub(crate) async fn exchange_keyed<T>(
        &self,
        placement: KeyPlacement,
        request: impl Fn(&Transport, &Upstream) -> RequestBuilder + Sync,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let (dispatch, request) = (&self.inner.dispatch, &request);
        let exchange = |upstream: Arc<Upstream>, epoch| async move {
            dispatch.exchange_keyed(&upstream, epoch, placement, request, judge).await
        };
        self.inner.within_budget(exchange).await
    }

    /// The same, within this time, for what waits at the auth service. It takes no room from
    /// questions, counts nowhere as load, and says nothing to a breaker: a service that has no answer
    /// to this may well have one to them.
    pub(crate) async fn exchange_patiently<T>(
        &self,
        timeout: Duration,
        request: impl Fn(&Transport, &Upstream) -> RequestBuilder + Sync,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let (deadline, placement) = (Instant::now() + timeout, KeyPlacement::Authorization);
        let (mut tried, mut why) = (Vec::new(), AuthUnavailable::BreakerOpen);
        loop {
            let lease = self.inner.balancer.pick(&tried).ok_or(why)?;
            let upstream = Arc::clone(&lease.upstream);
            drop(lease);
            let transport = self.inner.dispatch.transport();
            let exchange = transport.exchange_keyed(&upstream, placement, &request, judge);
            match timeout_at(deadline, exchange).await {
                Err(_) => return Err(AuthUnavailable::TimedOut),
                Ok(Err(AuthUnavailable::Unreachable)) => why = AuthUnavailable::Unreachable,
                Ok(done) => return done,
            }
            tried.push(upstream);
        }
    }

    pub(crate) fn session_locks(&self) -> &SessionLocks {
        &self.inner.session_locks
    }

    /// The whole budget of one request to the auth service, or of one change of a value.
    pub(crate) fn budget(&self) -> Duration {
        self.inner.dispatch.budget
    }

    pub(crate) fn reader(&self) -> &RequestReader {
        &self.inner.reader
    }
}

impl Inner {
    async fn validate(&self, question: &Question<'_>) -> Result<Answer, AuthUnavailable> {
        let attempt = |upstream: Arc<Upstream>, epoch| async move {
            self.dispatch.validate(&upstream, epoch, question).await
        };
        self.within_budget(attempt).await
    }

    /// Admits the attempt, waits for a slot if it must, and makes it within the budget.
    async fn within_budget<T, F>(
        &self,
        attempt: impl Fn(Arc<Upstream>, Epoch) -> F,
    ) -> Result<T, AuthUnavailable>
    where
        F: Future<Output = Result<T, AuthUnavailable>>,
    {
        let mut lease = self.balancer.pick(&[]).ok_or(AuthUnavailable::BreakerOpen)?;
        let _admitted = self.admission.admit().ok_or(AuthUnavailable::Overloaded)?;
        let deadline = Instant::now() + self.dispatch.budget;
        let _in_flight = if let Ok(permit) = self.in_flight.try_acquire() {
            permit
        } else {
            let permit = self.acquire_until(deadline).await.ok_or(AuthUnavailable::Overloaded)?;
            // The breaker may have opened meanwhile.
            lease = self.balancer.pick(&[]).ok_or(AuthUnavailable::BreakerOpen)?;
            permit
        };
        self.with_failover(attempt, lease, deadline).await
    }

    /// A permit for a question in flight, once another question has ended.
    async fn acquire_until(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        timeout_at(deadline, self.in_flight.acquire()).await.ok()?.ok()
    }

    /// Tries another URL only where the one before cannot have received anything.
    async fn with_failover<T, F>(
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
            // It stays where it is made, since it is large.
            let attempt = pin!(attempt(Arc::clone(&lease.upstream), lease.epoch));
            let why = match self.before_deadline(&lease, attempt, deadline).await {
                Err(why @ (AuthUnavailable::Unreachable | AuthUnavailable::BreakerOpen)) => why,
                done => return done,
            };
            tried.push(Arc::clone(&lease.upstream));
            drop(lease);
            lease = self.balancer.pick(&tried).ok_or(why)?;
        }
    }

    async fn before_deadline<T>(
        &self,
        lease: &Lease,
        attempt: impl Future<Output = Result<T, AuthUnavailable>>,
        deadline: Instant,
    ) -> Result<T, AuthUnavailable> {
        let Ok(outcome) = timeout_at(deadline, attempt).await else {
            let why = AuthUnavailable::TimedOut;
            // A caller that timed out shows that the service hangs, unless it answered others.
            if !lease.has_answered_others() {
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
