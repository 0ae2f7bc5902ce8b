//! A backend that has shown the internal key.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use crate::http::app::App;
use crate::http::error::ApiError;

/// A backend that has shown the internal key. The layer before every internal route has compared it;
/// where none is set, nobody has shown one, and what opens and ends sessions is closed.
pub(crate) struct KeyedBackend;

impl<S> FromRequestParts<S> for KeyedBackend
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Arc::<App>::from_ref(state).internal_keys {
            Some(_) => Ok(Self),
            None => Err(ApiError::Forbidden(
                "AUTH_INTERNAL_KEY is not set: nobody may open or end sessions here",
            )),
        }
    }
}
