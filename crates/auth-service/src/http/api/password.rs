//! `PUT /api/v1/users/{id}/password`: a new password, which ends all of the user's other sessions.

use std::sync::Arc;

use auth_api_types::ChangePasswordRequest;
use axum::extract::State;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::extract::path::Path;
use crate::http::openapi::PasswordProblems;
use crate::http::reply;
use crate::operations::access::visible;
use crate::operations::caller::Caller;
use crate::operations::passwords::{self, Change};

/// Change a password.
///
/// One's own needs the present one, which is throttled like a login; an admin needs none for
/// another user.
#[utoipa::path(
    put, path = "/api/v1/users/{id}/password", tag = "Users", request_body = ChangePasswordRequest,
    params(("id" = String, Path, description = "The user's id, or `me`")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "Changed, and the user's other sessions have ended"), PasswordProblems)
)]
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(change): Json<ChangePasswordRequest>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let change = Change { user: id, current: change.current_password, new: change.new_password };
    let own = passwords::change(&app.domain, &caller, change).await?;
    let mut response = reply::no_content();
    reply::set_cookie_of(&mut response, &app, &own);
    Ok(response)
}
