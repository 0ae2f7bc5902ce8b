//! `POST /sessions`, `DELETE /sessions/{id}` and `/subjects/{id}/sessions` of the internal listener:
//! sessions for users that a backend has authenticated, and whom nobody here knows.

use std::sync::Arc;

use auth_api_types::{
    Client, Ended, IssueSessionRequest, Kind, SessionList, TokenResponse, Transport,
};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use session::{Issued, Origin, SessionId};
use utoipa::IntoParams;

use super::validate_token::seen_at;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, Json};
use crate::http::extract::keyed_backend::KeyedBackend;
use crate::http::extract::path::Path;
use crate::http::openapi::{GrantProblems, SubjectProblems};
use crate::http::reply;
use crate::operations::grants::{self, Wanted};
use crate::operations::{Fault, Field};
use crate::view;

/// Which of a user's sessions to end.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndQuery {
    /// The one that is kept.
    #[param(format = Uuid)]
    keep: Option<String>,
}

/// Open a session for a user that lives elsewhere.
///
/// The backend has authenticated somebody, and says who it is. Only where an internal key is set. Each
/// request opens a session, also one that is repeated. For a cookie the answer has `set_cookie`, the
/// header's value to pass on, and no `token`.
#[utoipa::path(
    post, path = "/sessions", tag = "Internal", operation_id = "issue_session",
    request_body = IssueSessionRequest<Value>,
    security(("internal_key" = [])),
    responses((status = 201, description = "The session, and its token, shown this once", body = TokenResponse), GrantProblems)
)]
pub(crate) async fn issue_session(
    State(app): State<Arc<App>>,
    backend: KeyedBackend,
    Json(request): Json<IssueSessionRequest<Box<RawValue>>>,
) -> Result<Response, ApiError> {
    let issued = grants::issue(&app.domain, wanted(request, backend.request_id)?).await?;
    reply::json(StatusCode::CREATED, &answer(&app, &issued)?)
}

/// The sessions of a user that lives elsewhere, newest use first.
#[utoipa::path(
    get, path = "/subjects/{id}/sessions", tag = "Internal",
    params(("id" = String, Path, description = "What the backend calls the user, percent-encoded")),
    security(("internal_key" = [])),
    responses((status = 200, description = "The live ones", body = SessionList), SubjectProblems)
)]
pub(crate) async fn list_subject_sessions(
    State(app): State<Arc<App>>,
    _backend: KeyedBackend,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let sessions = grants::list(&app.domain, &id).await?;
    let sessions = sessions.iter().map(|session| view::session(session, None)).collect();
    reply::json(StatusCode::OK, &SessionList { sessions })
}

/// End all sessions of a user that lives elsewhere, or all but one.
#[utoipa::path(
    delete, path = "/subjects/{id}/sessions", tag = "Internal",
    params(("id" = String, Path, description = "What the backend calls the user, percent-encoded"), EndQuery),
    security(("internal_key" = [])),
    responses((status = 200, description = "So many ended", body = Ended), SubjectProblems)
)]
pub(crate) async fn end_subject_sessions(
    State(app): State<Arc<App>>,
    backend: KeyedBackend,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let EndQuery { keep } = body::query(&uri)?;
    // One that cannot be read must not end what was to be kept.
    let keep = keep.map(|keep| {
        let unreadable = Field::new("keep", Fault::Unreadable("is no id of a session"));
        SessionId::parse(&keep).ok_or(ApiError::Parameter(unreadable))
    });
    let (keep, request_id) = (keep.transpose()?, backend.request_id);
    let ended = grants::end_all(&app.domain, &id, keep, request_id).await?;
    reply::json(StatusCode::OK, &Ended { ended })
}

/// End one session, whoever's it is.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "Internal", operation_id = "end_session_by_backend",
    params(("id" = String, Path, description = "The session's id", format = Uuid)),
    security(("internal_key" = [])),
    responses((status = 200, description = "1, or 0 where there was none", body = Ended), SubjectProblems)
)]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    backend: KeyedBackend,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let ended = grants::end(&app.domain, &id, backend.request_id).await?;
    reply::json(StatusCode::OK, &Ended { ended })
}

fn wanted(
    request: IssueSessionRequest<Box<RawValue>>,
    request_id: Option<Arc<str>>,
) -> Result<Wanted, ApiError> {
    let IssueSessionRequest { user, role, transport, kind, ttl, max_lifetime, client, values } =
        request;
    Ok(Wanted {
        id: user.id,
        username: user.username,
        name: user.name,
        roles: user.roles,
        role,
        transport: view::transport_read(transport.unwrap_or(Transport::Bearer)),
        kind: view::kind_read(kind.unwrap_or(Kind::Sliding)),
        ttl,
        max_lifetime,
        origin: origin(client.as_ref())?,
        values: (values.unwrap_or_default().into_iter())
            .map(|(key, value)| Ok((key, raw_json(&value)?)))
            .collect::<Result<_, ApiError>>()?,
        request_id,
    })
}

fn origin(client: Option<&Client>) -> Result<Origin, ApiError> {
    let seen = seen_at(client)?;
    Ok(Origin { ip: seen.ip, user_agent: seen.user_agent.filter(|agent| !agent.is_empty()) })
}

/// The text of a value, as it was written. Read for its nesting too, so that whoever gets it can read it.
fn raw_json(value: &RawValue) -> Result<Box<str>, ApiError> {
    let _: Value = body::any_json(value.get().as_bytes())?;
    Ok(value.get().into())
}

fn answer<'a>(app: &App, issued: &'a Issued) -> Result<TokenResponse<'a>, ApiError> {
    if issued.session.transport == session::Transport::Bearer {
        return Ok(view::token(Some(&issued.token), &issued.session));
    }
    let cookie = app.cookie.set(&issued.token, view::cookie_age(&issued.session));
    let cookie = cookie.as_ref().and_then(|cookie| cookie.to_str().ok());
    let set_cookie = Some(cookie.ok_or(ApiError::Internal)?.to_owned().into());
    Ok(TokenResponse { set_cookie, ..view::token(None, &issued.session) })
}
