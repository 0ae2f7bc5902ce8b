//! Refusing requests by their heads, before anything of their bodies is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth_http::cross_site::{CrossSiteRule, FromNamedOrigin, Sender};
use auth_http::hosts::AllowedHosts;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use crate::page::STYLE_SHEET;

/// The paths that are served whatever host the request names: the probes, which the operator's tools
/// send by an internal name, and the style sheet of the refusal's page.
const ALWAYS: [&str; 3] = ["/livez", "/readyz", STYLE_SHEET];

/// What refuses a request: its answer, or none. It may add extensions to what it lets through.
pub trait Rule: Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + 'static {}

impl<F: Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + 'static> Rule for F {}

/// A layer that answers by itself what its rule refuses. It neither boxes nor waits, since it
/// stands before every request.
#[derive(Clone, Copy, Debug)]
pub struct Refuse<F> {
    rule: F,
}

impl<F: Fn(&mut Request) -> Option<Response>> Refuse<F> {
    /// Refuses what `rule` has an answer to; it may add extensions to the others.
    pub const fn by(rule: F) -> Self {
        Self { rule }
    }
}

/// Refuses requests for other hosts than these; the probes and the style sheet have any. Without
/// hosts it lets all through.
pub fn other_hosts(hosts: Option<AllowedHosts>, refuse: fn() -> Response) -> Refuse<impl Rule> {
    let hosts = hosts.map(Arc::new);
    Refuse::by(move |request: &mut Request| {
        let is_allowed = hosts.as_ref().is_none_or(|hosts| hosts.allow(request))
            || ALWAYS.contains(&request.uri().path());
        (!is_allowed).then(refuse)
    })
}

/// Refuses requests with an unsafe method that pages of other origins sent; those of named ones
/// carry [`FromNamedOrigin`].
pub fn cross_site(rule: CrossSiteRule, refuse: fn() -> Response) -> Refuse<impl Rule> {
    let rule = Arc::new(rule);
    Refuse::by(move |request: &mut Request| match rule.sender(request) {
        Sender::Own => None,
        Sender::Named => {
            request.extensions_mut().insert(FromNamedOrigin);
            None
        }
        Sender::Foreign => Some(refuse()),
    })
}

impl<S, F: Clone> Layer<S> for Refuse<F> {
    type Service = Refusing<S, F>;

    fn layer(&self, inner: S) -> Refusing<S, F> {
        Refusing { inner, rule: self.rule.clone() }
    }
}

/// A service within [`Refuse`].
#[derive(Clone, Copy, Debug)]
pub struct Refusing<S, F> {
    inner: S,
    rule: F,
}

impl<S, F> Service<Request> for Refusing<S, F>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    F: Fn(&mut Request) -> Option<Response>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match (self.rule)(&mut request) {
            Some(refusal) => Either::Left(ready(Ok(refusal))),
            None => Either::Right(self.inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::routing::any;
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;

    fn refusal() -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    }

    /// The status of the answer, and how often the handler was called for it.
    async fn send<F>(layer: Refuse<F>, request: http::request::Builder) -> (StatusCode, usize)
    where
        F: Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + 'static,
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let handler = async move |request: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            match request.extensions().get::<FromNamedOrigin>() {
                Some(_) => StatusCode::ACCEPTED,
                None => StatusCode::OK,
            }
        };
        let router = Router::new().fallback(any(handler)).layer(layer);
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status(), calls.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn another_host_reaches_nothing_but_the_probes_and_the_style_sheet() {
        for (host, path, answer) in [
            ("localhost", "/", (StatusCode::OK, 1)),
            ("evil.example", "/", (StatusCode::IM_A_TEAPOT, 0)),
            ("evil.example", "/livez", (StatusCode::OK, 1)),
            ("evil.example", "/readyz", (StatusCode::OK, 1)),
            ("evil.example", STYLE_SHEET, (StatusCode::OK, 1)),
            ("evil.example", "/livez/", (StatusCode::IM_A_TEAPOT, 0)),
        ] {
            let request = || Request::get(path).header("host", host);
            let layer = other_hosts(Some(AllowedHosts::default()), refusal);
            assert_eq!(send(layer, request()).await, answer, "{host} {path}");
            assert_eq!(send(other_hosts(None, refusal), request()).await, (StatusCode::OK, 1));
        }
    }

    #[tokio::test]
    async fn another_origin_reaches_nothing_and_a_named_one_is_marked() {
        for (origin, answer) in [
            ("https://auth.example", (StatusCode::OK, 1)),
            ("https://app.example", (StatusCode::ACCEPTED, 1)),
            ("https://evil.example", (StatusCode::IM_A_TEAPOT, 0)),
        ] {
            let rule = CrossSiteRule::new("https://auth.example");
            let rule = rule.with_named(vec!["https://app.example".to_owned()]);
            let request = Request::post("/").header("origin", origin);
            assert_eq!(send(cross_site(rule, refusal), request).await, answer, "{origin}");
        }
    }
}
