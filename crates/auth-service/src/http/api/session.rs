//! `GET /session`: the caller's own session.

use auth_api_types::SessionView;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::error::ApiError;
use crate::http::extract::caller::AnySession;
use crate::http::openapi::TokenProblems;
use crate::http::reply;
use crate::view;

/// My session.
///
/// Asking is a use of the token: a sliding one is re-inflated by it.
#[utoipa::path(
    get, path = "/session", tag = "Sessions",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The session, after this use", body = SessionView), TokenProblems)
)]
pub(crate) async fn get_session(AnySession(caller): AnySession) -> Result<Response, ApiError> {
    reply::json(StatusCode::OK, &view::session(&caller.session, None))
}
