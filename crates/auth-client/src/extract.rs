//! The axum extractor: a handler that takes a live session as an argument.

use auth_api_types::SessionView;
use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::{AuthClient, Refusal};

/// The live session that a request belongs to. A handler that takes it is reached by no other
/// request.
///
/// Behind [`RequireSession`](crate::RequireSession) the token is not validated again: the session
/// that the layer found is taken.
///
/// INVARIANT: one request is one use of its token, however many layers and extractors it passes.
#[derive(Clone, Debug)]
pub struct Authenticated(pub SessionView<'static>);

impl<S> FromRequestParts<S> for Authenticated
where
    AuthClient: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        if let Some(session) = parts.extensions.get::<SessionView<'static>>() {
            return Ok(Self(session.clone()));
        }
        AuthClient::from_ref(state).authenticate(parts).await.map(Self)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response().map(axum::body::Body::from)
    }
}
