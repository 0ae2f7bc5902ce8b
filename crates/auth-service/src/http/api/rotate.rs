//! `POST /session/rotate`: another token, perhaps another role, for the same session.

use std::sync::Arc;

use auth_api_types::{RotateRequest, TokenResponse};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::OptionalJson;
use crate::http::extract::caller::present;
use crate::http::openapi::RotateProblems;
use crate::http::reply;
use crate::operations::access::Admission;
use crate::operations::rotation;
use session::Intent;

/// Rotate my token.
///
/// The session keeps its id, its values and its absolute end; the old token opens nothing from then
/// on. Until the next rotation it still ends the session at `/logout` and `/revoke`, and any other use
/// of it more than 10 s later, or from another network or user agent, is taken for theft and ends it.
#[utoipa::path(
    post, path = "/session/rotate", tag = "Sessions",
    request_body(content = Option<RotateRequest>, content_type = "application/json"),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The new token; in the cookie for a cookie session", body = TokenResponse),
        RotateProblems
    )
)]
pub(crate) async fn rotate_session(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    // The rotation itself is the use: until it is known to be allowed, the token is only looked at.
    let caller = present(&app, &parts, Intent::Look, Admission::AllUsers).await?;
    let request = Request::from_parts(parts, body);
    let OptionalJson(RotateRequest { role }) = OptionalJson::from_request(request, &()).await?;
    let issued = rotation::rotate(&app.domain, &caller, role.as_deref()).await?;
    reply::token(&app, StatusCode::OK, &issued)
}
