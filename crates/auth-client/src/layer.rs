//! The tower layer: whole services that only a live session reaches.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth_api_types::SessionView;
use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::{AuthClient, Refusal};

/// Lets only requests with a live session through, each with its
/// [`SessionView`](auth_api_types::SessionView) as an extension.
#[derive(Clone, Debug)]
pub struct RequireSession {
    client: AuthClient,
    role: Option<Arc<str>>,
    scopes: Vec<Arc<str>>,
    own_users_only: bool,
}

impl RequireSession {
    /// Lets any live session through.
    pub const fn new(client: AuthClient) -> Self {
        Self { client, role: None, scopes: Vec::new(), own_users_only: false }
    }

    /// Lets only live sessions through that act in `role`.
    #[must_use]
    pub fn with_role(mut self, role: &str) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Lets only live sessions through that have this scope, or none at all and may do all that their
    /// role may. Of several, all are needed.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Lets only users of the auth service's own accounts through, and none whom only a backend knows.
    #[must_use]
    pub const fn own_users_only(mut self) -> Self {
        self.own_users_only = true;
        self
    }
}

impl<S> Layer<S> for RequireSession {
    type Service = RequireSessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireSessionService { inner, gate: self.clone() }
    }
}

/// The service that [`RequireSession`] makes.
#[derive(Clone, Debug)]
pub struct RequireSessionService<S> {
    inner: S,
    gate: RequireSession,
}

impl<S, B, R> Service<Request<B>> for RequireSessionService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was polled ready is the one to call; its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match gate.admit(&parts).await {
                Ok(session) => {
                    parts.extensions.insert(session);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(refusal) => Ok(refusal.response().map(R::from)),
            }
        })
    }
}

impl RequireSession {
    async fn admit(&self, parts: &http::request::Parts) -> Result<SessionView<'static>, Refusal> {
        let session = match parts.extensions.get::<SessionView<'static>>() {
            // An outer layer has validated the token already.
            Some(session) => session.clone(),
            None => self.client.authenticate(parts).await?,
        };
        if self.own_users_only && session.user.is_external() {
            return Err(Refusal::ExternalUser);
        }
        if self.role.as_ref().is_some_and(|role| **role != session.role) {
            return Err(Refusal::WrongRole);
        }
        if !self.scopes.iter().all(|scope| session.has_scope(scope)) {
            return Err(Refusal::MissingScope);
        }
        Ok(session)
    }
}
