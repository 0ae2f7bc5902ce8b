//! The client itself: one question within its budget, by way of the URLs that answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth_api_types::Reason;
use clock::Clock;
use reqwest::RequestBuilder;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::authenticate::Reading;
use crate::pool::Pool;
use crate::stats::Counts;
use crate::upstream::{Lease, Upstream};
use crate::wire::{Reply, Wire};
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
    pool: Pool,
    wire: Arc<Wire>,
    timeout: Duration,
    /// Who is in here at all: under way or waiting.
    admitted: Semaphore,
    /// Who is under way.
    in_flight: Semaphore,
    counts: Counts,
    reading: Reading,
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
        let upstreams = options
            .urls
            .iter()
            .map(move |url| Upstream::new(url, Arc::clone(&clock)).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let inner = Inner {
            pool: Pool::new(upstreams),
            wire: Arc::new(Wire::new(&options)?),
            timeout: options.timeout,
            admitted: Semaphore::new(options.max_in_flight.saturating_add(options.max_waiting)),
            in_flight: Semaphore::new(options.max_in_flight),
            counts: Counts::default(),
            reading: Reading::new(options),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
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
        let upstreams = self
            .inner
            .pool
            .upstreams
            .iter()
            .map(|upstream| UpstreamStats {
                name: upstream.name.clone(),
                in_flight: upstream.load(),
                left_out: !upstream.is_closed(),
            });
        Stats {
            validations: self.inner.counts.read(),
            upstreams: upstreams.collect(),
        }
    }

    /// One request about a session's value; see [`Inner::exchange`].
    pub(crate) async fn exchange_value<T>(
        &self,
        request: impl Fn(&Wire, &Upstream) -> RequestBuilder + Sync,
        judge: fn(Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let wire = &self.inner.wire;
        self.inner
            .exchange(|upstream: &Upstream| request(wire, upstream), judge)
            .await
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.inner.reading
    }
}

impl Inner {
    async fn ask(&self, question: &Question<'_>) -> Result<Answer, AuthUnavailable> {
        let body = Wire::body(question)?;
        let request = |upstream: &Upstream| {
            let url = upstream.validate.clone();
            self.wire.validation(url, question, body.clone())
        };
        self.exchange(request, Reply::verdict).await
    }

    /// One request within the budget, by way of the URLs that answer, and what its reply says;
    /// a reply that says nothing clear counts as a failure of the URL.
    async fn exchange<T>(
        &self,
        request: impl Fn(&Upstream) -> RequestBuilder + Sync,
        judge: fn(Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        self.keep_probing();
        if !self.pool.any_closed() {
            return Err(AuthUnavailable::LeftOut);
        }
        let _admitted = self
            .admitted
            .try_acquire()
            .map_err(|_| AuthUnavailable::Overloaded)?;
        let deadline = Instant::now() + self.timeout;
        let Ok(Ok(_under_way)) = timeout_at(deadline, self.in_flight.acquire()).await else {
            return Err(AuthUnavailable::Overloaded);
        };
        self.try_each(request, judge, deadline).await
    }

    /// Goes to another URL only where the one before was not reached.
    async fn try_each<T>(
        &self,
        request: impl Fn(&Upstream) -> RequestBuilder + Sync,
        judge: fn(Reply) -> Option<T>,
        deadline: Instant,
    ) -> Result<T, AuthUnavailable> {
        let mut tried = Vec::new();
        while let Some(lease) = self.pool.pick(&tried) {
            let request = request(&lease.upstream);
            match self.try_once(&lease, request, judge, deadline).await {
                Err(AuthUnavailable::Unreachable) => tried.push(Arc::clone(&lease.upstream)),
                done => return done,
            }
        }
        Err(if tried.is_empty() {
            AuthUnavailable::LeftOut
        } else {
            AuthUnavailable::Unreachable
        })
    }

    async fn try_once<T>(
        &self,
        lease: &Lease,
        request: RequestBuilder,
        judge: fn(Reply) -> Option<T>,
        deadline: Instant,
    ) -> Result<T, AuthUnavailable> {
        let asked = Wire::exchange(request, judge);
        let outcome = timeout_at(deadline, asked)
            .await
            .unwrap_or(Err(AuthUnavailable::TimedOut));
        match &outcome {
            Ok(_) => lease.upstream.succeeded(),
            Err(why) if lease.failed(why.as_str()) => self.probe(&lease.upstream),
            Err(_) => {}
        }
        outcome
    }

    /// Each URL that is left out is probed, also where a probe has ended that should not have.
    fn keep_probing(&self) {
        for upstream in &self.pool.upstreams {
            if !upstream.is_closed() {
                self.probe(upstream);
            }
        }
    }

    fn probe(&self, upstream: &Arc<Upstream>) {
        upstream.probe_with(|| {
            let (upstream, wire) = (Arc::clone(upstream), Arc::clone(&self.wire));
            tokio::spawn(probe::until_answered(upstream, wire, self.timeout))
        });
    }
}

impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
