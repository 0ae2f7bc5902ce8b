//! From hyper's requests to the router's, and back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, EXPECT, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use tower::Service;

use super::activity::{Activity, Phase};
use super::body::{After, Drain, Rest, Timed};
use crate::shutdown::Lifecycle;

type Routed = <axum::Router as Service<Request<Body>>>::Future;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// One connection's way to the router.
pub(super) struct ToRouter {
    pub(super) router: axum::Router,
    pub(super) activity: Arc<Activity>,
    pub(super) lifecycle: Lifecycle,
    pub(super) peer: SocketAddr,
    pub(super) body_timeout: Duration,
}

impl hyper::service::Service<Request<Incoming>> for ToRouter {
    type Response = Response;
    type Error = Infallible;
    type Future = Reply;

    fn call(&self, request: Request<Incoming>) -> Reply {
        self.activity.enter(Phase::Busy);
        if self.activity.forgiven() || !one_host(&request) {
            return self.reply(State::Refused(StatusCode::BAD_REQUEST));
        }
        let (mut request, rest) = self.with_deadline(request);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let routed = self.router.clone().call(request);
        self.reply(State::Routed { routed, rest })
    }
}

impl ToRouter {
    fn reply(&self, state: State) -> Reply {
        let (activity, lifecycle) = (self.activity.clone(), self.lifecycle.clone());
        Reply { state, activity, lifecycle }
    }

    /// The request with a body that has a deadline, and what will be left of it.
    fn with_deadline(&self, request: Request<Incoming>) -> (Request<Body>, Option<Arc<Rest>>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let rest = Arc::new(Rest::new(request.headers().contains_key(EXPECT)));
        let timed =
            |incoming| Timed::new(incoming, self.body_timeout, rest.clone(), self.activity.clone());
        let request = request.map(|incoming| Body::new(timed(incoming)));
        (request, Some(rest))
    }
}

/// HTTP/1.1 wants exactly one `Host` ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
fn one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let first = hosts.next().is_some() || request.version() < Version::HTTP_11;
    first && hosts.next().is_none()
}

/// The answer to one request, in the making.
pub(super) struct Reply {
    state: State,
    activity: Arc<Activity>,
    lifecycle: Lifecycle,
}

enum State {
    Refused(StatusCode),
    Routed { routed: Routed, rest: Option<Arc<Rest>> },
    Draining { response: Option<Response>, rest: Arc<Rest>, drain: Drain },
}

impl Future for Reply {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Refused(status) => {
                    let response = (*status, [(X_CONTENT_TYPE_OPTIONS, "nosniff")]).into_response();
                    return this.done(response, After::Close);
                }
                State::Routed { routed, rest } => {
                    let Ok(response) = ready!(Pin::new(routed).poll(cx));
                    let Some(rest) = rest.take() else {
                        return this.done(response, After::Keep);
                    };
                    if rest.is_refused(response.status()) {
                        return this.done(response, After::Close);
                    }
                    let drain = Drain::default();
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

impl Reply {
    fn done(&self, mut response: Response, after: After) -> Poll<Result<Response, Infallible>> {
        let unwanted = self.lifecycle.draining() || self.activity.yielding();
        if after == After::Close || unwanted {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        self.activity.enter(Phase::Idle);
        Poll::Ready(Ok(response))
    }
}
