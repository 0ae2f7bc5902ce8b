//! `POST /logout`: ends the session that the token opens.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use session::Intent;

use crate::app::App;
use crate::credential::Carried;
use crate::error::ApiError;
use crate::openapi::LogoutProblems;
use crate::reply;

/// Log out.
///
/// Once this has answered, the token is dead at every door.
#[utoipa::path(
    post, path = "/logout", tag = "Login",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "The token is dead, whatever it was"), LogoutProblems)
)]
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let carried = Carried::find(&headers, &app.cookie.name)?.ok_or(ApiError::MissingToken)?;
    if let Ok(presented) = carried.read(Intent::Look)
        && let Some(session) = app.sessions.log_out(presented).await?
    {
        tracing::info!(target: "audit", event = "logout", user_id = %session.subject.id,
            session_id = %session.id);
    }
    let mut response = reply::no_content();
    if carried.by_cookie {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}
