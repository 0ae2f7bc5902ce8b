//! `PUT /api/v1/users/{id}/password`: a new password, which ends all of the user's other sessions.

use std::sync::Arc;

use auth_api_types::ChangePasswordRequest;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::Response;
use session::{Dead, Ending, Kind, Rotation, SessionId};
use users::{Password, User};
use uuid::Uuid;

use crate::audit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::admin::visible;
use crate::http::extract::body::Json;
use crate::http::extract::caller::Caller;
use crate::http::extract::path::Path;
use crate::http::openapi::PasswordProblems;
use crate::http::reply;
use crate::view;

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
    let asked = Change { id, current: change.current_password, new: change.new_password };
    let cookie = self::change(&app, &caller, asked).await?;
    let mut response = reply::no_content();
    reply::set_cookie(&mut response, cookie);
    Ok(response)
}

/// Whose password becomes which.
pub(crate) struct Change {
    pub(crate) id: Uuid,
    /// The present one; needed for one's own.
    pub(crate) current: Option<String>,
    pub(crate) new: String,
}

/// Changes a password, for a caller who may, and ends the user's other sessions. A browser's own
/// session goes on under another token, whose cookie comes back.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    change: Change,
) -> Result<Option<HeaderValue>, ApiError> {
    let id = change.id;
    let own = id == caller.session.subject.id;
    let new = Password::from(change.new);
    let users = app.users.for_network(caller.client.hashing_share());
    let prepared = if own {
        let current = change.current.ok_or_else(|| {
            ApiError::Invalid("the field `current_password` is missing".to_owned())
        })?;
        let verified = check_current(app, caller, Password::from(current)).await?;
        if verified.generation != caller.session.generation {
            // It is over, and only nobody has ended it yet: it must not be the one that is kept.
            return Err(Dead::Revoked.into());
        }
        users.prepare_own_password(&verified, &new, caller.session.id.uuid()).await?
    } else {
        users.prepare_password(id, &new).await?
    };
    caller.still_may(app).await?;
    let user = app.users.set_password(prepared).await?;
    let kept = own.then_some(caller.session.id);
    audit::password_changed(id, caller);
    end_others(app, id, user.generation, kept).await?;
    if own && caller.by_cookie { another_cookie(app, caller).await } else { Ok(None) }
}

/// A cookie with another token of the same session, where it can have one.
///
/// Where the token has been rotated meanwhile, somebody else did it with the same cookie: the
/// session that was to be kept is not the caller's alone, and ends.
async fn another_cookie(app: &App, caller: &Caller) -> Result<Option<HeaderValue>, ApiError> {
    if caller.session.kind != Kind::Sliding {
        return Ok(None);
    }
    match app.sessions.rotate(caller.presented, None, &caller.client.seen_at()).await {
        Ok(Rotation::Rotated(token, session)) => {
            Ok(app.cookie.set(&token, view::cookie_age(&session)))
        }
        Ok(Rotation::Dead(_)) => {
            app.sessions.end(caller.session.id).await?;
            Ok(app.cookie.clear())
        }
        Err(error) => {
            app.sessions.end(caller.session.id).await?;
            Err(error.into())
        }
    }
}

/// A wrong one counts as a failed login: a stolen session must not become a guessing machine.
async fn check_current(app: &App, caller: &Caller, current: Password) -> Result<User, ApiError> {
    let ticket = app.throttle.admit(&caller.session.subject.username, &caller.client).await?;
    let users = app.users.for_network(caller.client.hashing_share());
    match users.verify(caller.session.subject.id, &current).await {
        Ok(Some(user)) => {
            app.throttle.succeeded(ticket).await;
            Ok(user)
        }
        Ok(None) => {
            app.figures.login_failure.inc();
            audit::wrong_current_password(caller);
            Err(ApiError::Unprocessable("`current_password` is wrong".to_owned()))
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
    let ending = Ending { below_generation: Some(generation), keep };
    app.sessions.end_all(id, ending).await?;
    Ok(())
}
