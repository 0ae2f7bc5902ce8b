//! An admin's view of one user's sessions.

use std::sync::Arc;

use auth_api_types::SessionList;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::path::Path;
use crate::http::openapi::OneProblems;
use crate::http::reply;
use crate::operations::access::visible;
use crate::operations::caller::Caller;
use crate::operations::sessions;
use crate::view;

/// A user's sessions.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/sessions", tag = "Users",
    params(("id" = String, Path, description = "The user's id")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The live ones", body = SessionList), OneProblems)
)]
pub(crate) async fn list_user_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let sessions = sessions::list_of(&app.domain, &caller, id).await?;
    let own = Some(caller.session.id);
    let sessions = sessions.iter().map(|session| view::session(session, own)).collect();
    reply::json(StatusCode::OK, &SessionList { sessions })
}

/// End all of a user's sessions.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/sessions", tag = "Users",
    params(("id" = String, Path, description = "The user's id")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "They have ended"), OneProblems)
)]
pub(crate) async fn end_user_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    sessions::end_all_of(&app.domain, &caller, id).await?;
    Ok(reply::no_content())
}
