//! Who may act on whom: oneself, or anybody as an admin. The one place that decides it.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use session::Session;
use users::ADMIN;
use uuid::Uuid;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::caller::Caller;

/// A caller whose session acts as an admin.
pub(crate) struct Admin(pub(crate) Caller);

/// Whether a session acts as an admin: having the role is not enough.
pub(crate) fn is_admin(session: &Session) -> bool {
    session.role() == ADMIN
}

/// The user that a path names, if the caller may know of it: oneself, or anybody as an admin.
pub(crate) fn visible(caller: &Session, id: &str) -> Result<Uuid, ApiError> {
    if id == "me" {
        return Ok(caller.subject.id);
    }
    let id = Uuid::try_parse(id).map_err(|_| ApiError::NotFound)?;
    if id == caller.subject.id || is_admin(caller) { Ok(id) } else { Err(ApiError::NotFound) }
}

/// That a caller who sees a record may also do what only an admin may.
pub(crate) fn require_admin(caller: &Session) -> Result<(), ApiError> {
    if is_admin(caller) { Ok(()) } else { Err(ApiError::Forbidden("this needs the role admin")) }
}

impl<S> FromRequestParts<S> for Admin
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        require_admin(&caller.session)?;
        Ok(Self(caller))
    }
}
