//! The key that internal routes want, where one is set.
//!
//! A layer and no extractor, so that a new route cannot forget it; and one that neither boxes nor
//! waits, since it stands before every validation.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use crate::app::App;
use crate::credential::{once, scheme};
use crate::error::ApiError;

const INTERNAL_KEY: HeaderName = HeaderName::from_static("x-internal-key");

type Shown = fn(&HeaderMap) -> Result<Option<&[u8]>, ApiError>;

/// Lets through who shows the key, or everybody where none is set.
#[derive(Clone)]
pub(crate) struct RequireKey {
    app: Arc<App>,
    shown: Shown,
    /// How it is to be shown.
    how: &'static str,
}

impl RequireKey {
    /// The key is the request's bearer credential.
    pub(crate) fn as_bearer(app: &Arc<App>) -> Self {
        let shown: Shown = |headers| {
            let value = once(headers, &header::AUTHORIZATION)?;
            Ok(value.and_then(|value| scheme(value, "Bearer")))
        };
        Self { app: Arc::clone(app), shown, how: "Authorization: Bearer KEY" }
    }

    /// The key has a header of its own: the bearer credential is a user's token.
    pub(crate) fn beside_token(app: &Arc<App>) -> Self {
        let shown: Shown = |headers| Ok(once(headers, &INTERNAL_KEY)?.map(HeaderValue::as_bytes));
        Self { app: Arc::clone(app), shown, how: "X-Internal-Key: KEY" }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let shown = (self.shown)(headers)?;
        match (&self.app.internal_key, shown) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(ApiError::MissingKey(self.how)),
            (Some(key), Some(shown)) if key.matches(shown) => Ok(()),
            (Some(_), Some(_)) => Err(ApiError::WrongKey),
        }
    }
}

impl<S> Layer<S> for RequireKey {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, key: self.clone() }
    }
}

/// What is behind the key.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    key: RequireKey,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.key.check(request.headers()) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(error) => Either::Left(ready(Ok(error.into_response()))),
        }
    }
}
