//! What every request gets: an id, a line in the log, a count in the metrics.
//!
//! One layer instead of five, since it stands in the way of every request. A panic ends here, as
//! one answer.

mod answer;
mod current;
mod id;
mod span;
mod trace;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth_http::{ErrorCode, Problem};
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::Response;
use http::{Request, StatusCode};
use http_server::RequestInfo;
use opentelemetry_sdk::trace::SdkTracer;
use tower::{Layer, Service};

use crate::metrics::{CachedMetric, Metrics};
use crate::problem::{self, Link, wants_page};
use crate::traces;
use answer::Pending;
use current::Working;
use id::Ids;
use span::RequestSpan;

pub(crate) use current::current;

pub use id::RequestId;
pub use trace::TraceParent;

/// The one layer that every router gets, around all its routes and its fallbacks:
/// `router.layer(RequestLayer::new(&metrics, clock))`, last.
#[derive(Clone)]
pub struct RequestLayer {
    shared: Arc<Shared>,
}

/// Who may send requests, which decides whether what they say of sampling is followed.
#[derive(Clone, Copy, Debug)]
enum Callers {
    Anyone,
    /// Services of ours and proxies in front of them.
    Ours,
}

pub(crate) struct Shared {
    callers: Callers,
    metrics: Metrics,
    clock: Arc<dyn clock::Clock>,
    ids: Ids,
    /// `None` where traces are not collected.
    tracer: Option<SdkTracer>,
    link: fn(StatusCode) -> Option<Link>,
}

impl RequestLayer {
    /// A layer that measures with `clock` and counts in `metrics`, for a listener that anybody may
    /// reach.
    pub fn new(metrics: &Metrics, clock: Arc<dyn clock::Clock>) -> Self {
        Self::with(Callers::Anyone, metrics, clock, |_| None)
    }

    /// The same for an internal listener: a caller's `traceparent` says whether it is recorded.
    pub fn internal(metrics: &Metrics, clock: Arc<dyn clock::Clock>) -> Self {
        Self::with(Callers::Ours, metrics, clock, |_| None)
    }

    /// Like [`new`](Self::new), where the page of an error with a status leads on to `link` of it.
    pub fn leading_on(
        metrics: &Metrics,
        clock: Arc<dyn clock::Clock>,
        link: fn(StatusCode) -> Option<Link>,
    ) -> Self {
        Self::with(Callers::Anyone, metrics, clock, link)
    }

    fn with(
        callers: Callers,
        metrics: &Metrics,
        clock: Arc<dyn clock::Clock>,
        link: fn(StatusCode) -> Option<Link>,
    ) -> Self {
        let (metrics, ids) = (metrics.clone(), Ids::default());
        let shared = Shared { callers, metrics, clock, ids, tracer: traces::tracer(), link };
        Self { shared: Arc::new(shared) }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        let (shared, metric) = (self.shared.clone(), CachedMetric::default());
        RequestService { inner, route: Arc::new(LayeredRoute { shared, metric }) }
    }
}

/// What all requests to one route share: a router has one service for each of its routes.
pub(crate) struct LayeredRoute {
    shared: Arc<Shared>,
    metric: CachedMetric,
}

/// A service within [`RequestLayer`].
#[derive(Clone)]
pub struct RequestService<S> {
    inner: S,
    route: Arc<LayeredRoute>,
}

impl<S> Service<Request<Body>> for RequestService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = &self.route.shared;
        let id = RequestId::given(request.headers())
            .unwrap_or_else(|| shared.ids.make(shared.clock.unix_ms()));
        let route = request.extensions().get::<MatchedPath>().cloned();
        let mut trace = TraceParent::given(request.headers());
        let span = shared.tracer.as_ref().and_then(|tracer| {
            let caller = (shared.callers, trace.as_ref());
            RequestSpan::begin(tracer, request.method(), route.as_ref(), &id, caller)
        });
        if let Some(span) = &span {
            trace = span.traceparent();
        }
        let pending = Pending {
            began: shared.clock.now(),
            method: request.method().clone(),
            route,
            span: span.map(Box::new),
            page: wants_page(request.headers()),
            id: id.clone(),
            layered: self.route.clone(),
        };
        let extensions = request.extensions_mut();
        if let Some(info) = extensions.get_mut::<RequestInfo>() {
            info.id = Some(id.header().clone());
        } else {
            extensions.insert(RequestInfo { peer: None, id: Some(id.header().clone()) });
        }
        if let Some(trace) = trace {
            request.extensions_mut().insert(trace);
        }
        let mut id = Some(id);
        let working = Working::on(&mut id);
        let inner = self.inner.call(request);
        drop(working);
        Answering { inner, id, pending: Some(pending) }
    }
}

/// The answer to a request, in the making.
pub struct Answering<F> {
    inner: F,
    id: Option<RequestId>,
    /// Gone once the request is answered.
    pending: Option<Pending>,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _working = Working::on(&mut this.id);
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll(cx)));
        let response = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            Err(_) => panicked(),
        };
        Poll::Ready(Ok(match this.pending.take() {
            Some(pending) => pending.finish(response),
            None => response,
        }))
    }
}

impl<F> Drop for Answering<F> {
    fn drop(&mut self) {
        if self.pending.is_some() {
            let _working = Working::on(&mut self.id);
            tracing::debug!("the client went before the answer");
        }
    }
}

/// The answer to a request whose handler panicked; the panic itself was logged where it happened.
fn panicked() -> Response {
    let detail = "This is a defect of the service; its log tells more under the request's id.";
    problem::answer(Problem::new(ErrorCode::Internal, detail))
}

#[cfg(test)]
mod tests;
