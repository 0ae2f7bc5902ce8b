//! A backend that has shown the internal key.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use server_runtime::RequestId;

use crate::http::app::App;
use crate::http::error::ApiError;

/// A backend that has shown the internal key. The layer before every internal route has compared it;
/// where none is set, nobody has shown one, and what opens and ends sessions is closed.
pub(crate) struct KeyedBackend {
    /// The id of its request.
    pub(crate) request_id: Option<Arc<str>>,
}

impl<S> FromRequestParts<S> for KeyedBackend
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let request_id = RequestId::of(&parts.extensions).map(Into::into);
        match Arc::<App>::from_ref(state).internal_keys {
            Some(_) => Ok(Self { request_id }),
            None => Err(ApiError::Forbidden(
                "AUTH_INTERNAL_KEY is not set: nobody may open or end sessions here",
            )),
        }
    }
}
