//! `/sessions`: the caller's live sessions: see them, end one, end all, end all others.

use std::sync::Arc;

use auth_api_types::SessionList;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::caller::AnyUser;
use crate::http::extract::path::Path;
use crate::http::openapi::{ListProblems, OneProblems, TokenProblems};
use crate::http::reply;
use crate::operations::sessions;
use crate::view;

/// Which of the caller's sessions to end.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EndQuery {
    /// The session that lives on: the caller's own.
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
    AnyUser(caller): AnyUser,
) -> Result<Response, ApiError> {
    let own = Some(caller.session.id);
    let sessions = sessions::list_own(&app.domain, &caller).await?;
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
    AnyUser(caller): AnyUser,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let own = sessions::end_own(&app.domain, &caller, &id).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && own {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
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
    AnyUser(caller): AnyUser,
    uri: Uri,
) -> Result<Response, ApiError> {
    let EndQuery { keep } = body::query(&uri)?;
    let keep = keep.map(|Keep::Current| caller.session.id);
    sessions::end_all_own(&app.domain, &caller, keep).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && keep.is_none() {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}
