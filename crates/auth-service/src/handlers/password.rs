//! `PUT /api/v1/users/{id}/password`: a new password, which ends all of the user's other sessions.

use std::sync::Arc;

use auth_api_types::ChangePasswordRequest;
use axum::extract::{Path, State};
use axum::response::Response;
use session::{Ending, SessionId};
use users::Password;
use uuid::Uuid;

use crate::admin::visible;
use crate::app::App;
use crate::body::Json;
use crate::client_address::Client;
use crate::credential::Caller;
use crate::error::ApiError;
use crate::openapi::PasswordProblems;
use crate::reply;

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
    client: Client,
    Path(id): Path<String>,
    Json(change): Json<ChangePasswordRequest>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let own = id == caller.session.subject.id;
    if own {
        let current = change.current_password.ok_or_else(|| {
            ApiError::Invalid("the field `current_password` is missing".to_owned())
        })?;
        check_current(&app, &caller, &client, Password::from(current)).await?;
    }
    let kept = own.then_some(caller.session.id);
    let new = Password::from(change.new_password);
    let user = app
        .users
        .change_password(id, &new, kept.map(SessionId::uuid))
        .await?;
    tracing::info!(target: "audit", event = "password_changed", user_id = %id,
        by = %caller.session.subject.id, ip = ?client.ip);
    end_others(&app, id, user.generation, kept).await?;
    Ok(reply::no_content())
}

/// A wrong one counts as a failed login: a stolen session must not become a guessing machine.
async fn check_current(
    app: &App,
    caller: &Caller,
    client: &Client,
    current: Password,
) -> Result<(), ApiError> {
    let ticket = app
        .throttle
        .admit(&caller.session.subject.username, client)
        .await?;
    match app.users.verify(caller.session.subject.id, &current).await {
        Ok(true) => {
            app.throttle.succeeded(ticket).await;
            Ok(())
        }
        Ok(false) => {
            app.figures.login_failure.inc();
            tracing::info!(target: "audit", event = "wrong_current_password",
                user_id = %caller.session.subject.id, ip = ?client.ip);
            Err(ApiError::Unprocessable(
                "`current_password` is wrong".to_owned(),
            ))
        }
        Err(error) => {
            app.throttle.undecided(ticket).await;
            Err(error.into())
        }
    }
}

async fn end_others(
    app: &App,
    id: Uuid,
    generation: i64,
    keep: Option<SessionId>,
) -> Result<(), ApiError> {
    let ending = Ending {
        below_generation: Some(generation),
        keep,
    };
    app.sessions.end_all(id, ending).await?;
    Ok(())
}
