//! `/api/v1/sessions`, and `/sessions` of the internal listener: the sessions of all users, of which a
//! filter says which are listed, counted or ended.

use std::sync::Arc;

use auth_api_types::{Ended, SelectionEnd, SessionPage, WouldEnd};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use session::SeenAt;
use utoipa::IntoParams;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::caller::Admin;
use crate::http::extract::keyed_backend::KeyedBackend;
use crate::http::extract::session_filter::{FilterParams, PageParams, Parameters};
use crate::http::openapi::{AdminProblems, SelectionProblems};
use crate::http::reply;
use crate::operations::client::Client;
use crate::operations::selection::{self, Requester};
use crate::operations::sessions;
use crate::view;

const LISTED: &str = "is no parameter here: user, role, kind, ip, user_agent, opened_before and \
                      unused_for are, and limit and after";
const ENDED: &str = "is no parameter here: user, role, kind, ip, user_agent, opened_before and \
                     unused_for are, and dry_run";
const ENDED_BY_BACKEND: &str = "is no parameter here: user, role, kind, ip, user_agent, \
                                opened_before and unused_for are, and dry_run and all";

/// Whether it is only asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is described; it is read by name")]
pub(crate) struct DryRunParam {
    /// `true`: only how many would end.
    dry_run: Option<bool>,
}

/// That it is about all sessions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is described; it is read by name")]
pub(crate) struct AllParam {
    /// `true` in place of a condition: every session.
    all: Option<bool>,
}

/// Find sessions of all users.
///
/// Those of which all that is given holds, in no set order. What lives all the while is shown over all
/// pages, whatever comes and goes between them.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "Users", params(FilterParams, PageParams),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "One page", body = SessionPage), AdminProblems)
)]
pub(crate) async fn find_sessions(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    uri: Uri,
) -> Result<Response, ApiError> {
    answer_page(&app, &Requester::Admin(&caller), &uri).await
}

/// End sessions of all users, but never my own.
///
/// Those of which all that is given holds; without any condition every session but my own, with 204.
/// What is no condition, or cannot be read, is 400, and nothing ends. Sessions that are opened while
/// it goes on end, too, where all holds of them.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "Users", params(FilterParams, DryRunParam),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "So many ended, or would end", body = SelectionEnd),
        (status = 204, description = "All others have ended"),
        AdminProblems
    )
)]
pub(crate) async fn end_selected_sessions(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    uri: Uri,
    content: Body,
) -> Result<Response, ApiError> {
    body::refuse_any(content).await?;
    let mut parameters = Parameters::of_query(&uri, ENDED)?;
    let dry_run = parameters.take_flag("dry_run")?;
    let params = parameters.take_filter()?;
    if params.is_empty() && !dry_run {
        sessions::end_everybodys(&app.domain, &caller).await?;
        return Ok(reply::no_content());
    }
    answer_end(&app, &Requester::Admin(&caller), &params, dry_run).await
}

/// Find sessions of all users, by `user`, `role`, `kind`, `ip`, `user_agent`, `opened_before` and
/// `unused_for`.
///
/// A page of `limit` sessions, with `next` to pass as `after`, as at `/api/v1/sessions`.
#[utoipa::path(
    get, path = "/sessions", tag = "Internal", operation_id = "find_sessions_by_backend",
    params(FilterParams, PageParams), security(("internal_key" = [])),
    responses((status = 200, description = "One page", body = SessionPage), SelectionProblems)
)]
pub(crate) async fn find_sessions_by_backend(
    State(app): State<Arc<App>>,
    _backend: KeyedBackend,
    uri: Uri,
) -> Result<Response, ApiError> {
    answer_page(&app, &Requester::Backend(SeenAt::default()), &uri).await
}

/// End sessions of all users, by `user`, `role`, `kind`, `ip`, `user_agent`, `opened_before` and
/// `unused_for`, or every one by `all=true`.
///
/// With `dry_run=true` it only says how many would end. Without a condition, and without `all=true`, it
/// is 400.
#[utoipa::path(
    delete, path = "/sessions", tag = "Internal", operation_id = "end_sessions_by_backend",
    params(FilterParams, DryRunParam, AllParam), security(("internal_key" = [])),
    responses(
        (status = 200, description = "So many ended, or would end", body = SelectionEnd),
        SelectionProblems
    )
)]
pub(crate) async fn end_sessions_by_backend(
    State(app): State<Arc<App>>,
    _backend: KeyedBackend,
    client: Client,
    uri: Uri,
    content: Body,
) -> Result<Response, ApiError> {
    body::refuse_any(content).await?;
    let mut parameters = Parameters::of_query(&uri, ENDED_BY_BACKEND)?;
    let (dry_run, all) = (parameters.take_flag("dry_run")?, parameters.take_flag("all")?);
    let params = parameters.take_filter()?;
    if all != params.is_empty() {
        return Err(ApiError::Invalid(
            "say which sessions end: by user, role, kind, ip, user_agent, opened_before or \
             unused_for, or every one by all=true alone"
                .to_owned(),
        ));
    }
    let seen = SeenAt { request_id: client.request_id, ..SeenAt::default() };
    answer_end(&app, &Requester::Backend(seen), &params, dry_run).await
}

async fn answer_page(
    app: &App,
    requester: &Requester<'_>,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::of_query(uri, LISTED)?;
    let (limit, after) = parameters.take_page()?;
    let filter = parameters.take_filter()?.read(app.clock.unix_ms())?;
    let page = selection::list(&app.domain, requester, &filter, after, limit).await?;
    let own = requester.own();
    let sessions = page.sessions.iter().map(|session| view::session(session, own)).collect();
    let next = page.next.map(|next| next.to_string());
    reply::json(StatusCode::OK, &SessionPage { sessions, next })
}

async fn answer_end(
    app: &App,
    requester: &Requester<'_>,
    params: &FilterParams,
    dry_run: bool,
) -> Result<Response, ApiError> {
    let filter = params.read(app.clock.unix_ms())?;
    if dry_run {
        let would_end = selection::count(&app.domain, requester, &filter).await?;
        return reply::json(StatusCode::OK, &SelectionEnd::WouldEnd(WouldEnd { would_end }));
    }
    let ended = selection::end(&app.domain, requester, &filter).await?;
    reply::json(StatusCode::OK, &SelectionEnd::Ended(Ended { ended }))
}
