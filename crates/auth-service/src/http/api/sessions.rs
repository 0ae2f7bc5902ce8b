//! `/sessions`: the caller's live sessions: see them, end one, end all, end all others.

use std::sync::Arc;

use auth_api_types::SessionList;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use session::{Ending, SessionId};
use utoipa::IntoParams;

use crate::audit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::caller::Caller;
use crate::http::extract::path::Path;
use crate::http::openapi::{ListProblems, OneProblems, TokenProblems};
use crate::http::reply;
use crate::view;

/// Which of the caller's sessions to end.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EndQuery {
    /// The one that is kept: the caller's own.
    #[param(inline)]
    keep: Option<Keep>,
}

#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Keep {
    Current,
}

/// My sessions, newest use first.
#[utoipa::path(
    get, path = "/sessions", tag = "Sessions",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The live ones", body = SessionList), TokenProblems)
)]
pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let own = Some(caller.session.id);
    let sessions = app.sessions.list(caller.session.subject.id).await?;
    let sessions = sessions.iter().map(|session| view::session(session, own)).collect();
    reply::json(StatusCode::OK, &SessionList { sessions })
}

/// End one of my sessions.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "Sessions",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "It has ended"), OneProblems)
)]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let own = end_own(&app, &caller, &id).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && own {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

/// Ends one of the caller's sessions; whether it was the one that asks.
pub(crate) async fn end_own(app: &App, caller: &Caller, id: &str) -> Result<bool, ApiError> {
    let id = SessionId::parse(id).ok_or(ApiError::NotFound)?;
    let own = app.sessions.list(caller.session.subject.id).await?;
    if !own.iter().any(|session| session.id == id) {
        return Err(ApiError::NotFound);
    }
    app.sessions.end(id).await?;
    audit::session_ended_from_list(id, caller);
    Ok(id == caller.session.id)
}

/// End all my sessions, or all others.
#[utoipa::path(
    delete, path = "/sessions", tag = "Sessions",
    params(EndQuery),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "They have ended"), ListProblems)
)]
pub(crate) async fn end_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let EndQuery { keep } = body::query(&uri)?;
    let keep = keep.map(|Keep::Current| caller.session.id);
    end_all_own(&app, &caller, keep).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && keep.is_none() {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

/// Ends all of the caller's sessions but the one to keep.
pub(crate) async fn end_all_own(
    app: &App,
    caller: &Caller,
    keep: Option<SessionId>,
) -> Result<(), ApiError> {
    let ending = Ending { below_generation: None, keep };
    let user = caller.session.subject.id;
    let ended = app.sessions.end_all(user, ending).await?;
    audit::sessions_ended(user, &ended, caller);
    Ok(())
}
