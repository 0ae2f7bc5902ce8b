//! The service that hyper calls: from its requests to the router's, and back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, CONNECTION, EXPECT, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use tower::Service;

use crate::activity::{Activity, Phase};
use crate::body::{BodyDrain, Reuse, TimedBody, UnreadBody};
use crate::lifecycle::Lifecycle;
use crate::request_info::RequestInfo;

type Routed = <axum::Router as Service<Request<Body>>>::Future;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The service of one connection.
pub(crate) struct RouterService {
    pub(crate) router: axum::Router,
    pub(crate) activity: Arc<Activity>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) peer: SocketAddr,
    pub(crate) body_timeout: Duration,
}

impl hyper::service::Service<Request<Incoming>> for RouterService {
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<Incoming>) -> ResponseFuture {
        self.activity.enter(Phase::Busy);
        if wiping_alloc::spares_freed() && carries_password(&request) {
            wiping_alloc::wipe_freed();
        }
        if self.activity.begin_request() || !one_host(&request) {
            return self.respond(State::Refused(StatusCode::BAD_REQUEST));
        }
        let (mut request, rest) = self.with_deadline(request);
        request.extensions_mut().insert(RequestInfo { peer: Some(self.peer), id: None });
        let routed = self.router.clone().call(request);
        self.respond(State::Routed { routed, rest })
    }
}

impl RouterService {
    fn respond(&self, state: State) -> ResponseFuture {
        let (activity, lifecycle) = (self.activity.clone(), self.lifecycle.clone());
        ResponseFuture { state, activity, lifecycle }
    }

    /// The request with a body that has a deadline, and where the rest of the body is left.
    fn with_deadline(
        &self,
        request: Request<Incoming>,
    ) -> (Request<Body>, Option<Arc<UnreadBody>>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let rest = Arc::new(UnreadBody::new(request.headers().contains_key(EXPECT)));
        let timed = |incoming| {
            TimedBody::new(incoming, self.body_timeout, rest.clone(), self.activity.clone())
        };
        let request = request.map(|incoming| Body::new(timed(incoming)));
        (request, Some(rest))
    }
}

/// Browsers send a site's Basic credentials to whatever is behind it, and proxies pass them on.
fn carries_password(request: &Request<Incoming>) -> bool {
    let is_basic = |value: &HeaderValue| {
        value.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic"))
    };
    request.headers().get_all(AUTHORIZATION).iter().any(is_basic)
}

/// HTTP/1.1 wants exactly one `Host` ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
fn one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let first = hosts.next().is_some() || request.version() < Version::HTTP_11;
    first && hosts.next().is_none()
}

/// The future of a response: the router's, then the rest of the request's body.
pub(crate) struct ResponseFuture {
    state: State,
    activity: Arc<Activity>,
    lifecycle: Lifecycle,
}

enum State {
    Refused(StatusCode),
    Routed { routed: Routed, rest: Option<Arc<UnreadBody>> },
    Draining { response: Option<Response>, rest: Arc<UnreadBody>, drain: BodyDrain },
}

impl Future for ResponseFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Refused(status) => {
                    let response = (*status, [(X_CONTENT_TYPE_OPTIONS, "nosniff")]).into_response();
                    return this.done(response, Reuse::Close);
                }
                State::Routed { routed, rest } => {
                    let Ok(response) = ready!(Pin::new(routed).poll(cx));
                    let Some(rest) = rest.take() else {
                        return this.done(response, Reuse::Keep);
                    };
                    if rest.is_refused(response.status()) {
                        return this.done(response, Reuse::Close);
                    }
                    let drain = BodyDrain::default();
                    this.state = State::Draining { response: Some(response), rest, drain };
                }
                State::Draining { response, rest, drain } => {
                    let after = ready!(drain.poll(rest, cx));
                    let response = response.take().unwrap_or_default();
                    return this.done(response, after);
                }
            }
        }
    }
}

impl ResponseFuture {
    fn done(&self, mut response: Response, after: Reuse) -> Poll<Result<Response, Infallible>> {
        let is_last = self.lifecycle.draining() || self.activity.eviction_requested();
        if after == Reuse::Close || is_last {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        self.activity.enter(Phase::Idle);
        Poll::Ready(Ok(response))
    }
}
