//! The routes for people: pages for a live session, and a redirect to the login without one.

use auth_api_types::{ErrorCode, Problem};
use auth_client::{Authenticated, Refusal};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use server_runtime::RequestId;
use server_runtime::problem::wants_page;

use crate::app::AppState;
use crate::error::Error;
use crate::page::{self, Page};

/// The caller's data as a page.
#[utoipa::path(
    get, path = "/dashboard", tag = "pages", security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        (status = 400, description = "Two tokens", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Another client without a live session", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the session is alive", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_dashboard(
    State(app): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    caller: Result<Authenticated, Refusal>,
) -> Result<Page, Response> {
    let Authenticated(session) =
        caller.map_err(|refusal| respond_to_refusal(&app, refusal, &headers, &uri))?;
    app.pages.dashboard(&session).map_err(IntoResponse::into_response)
}

/// A page that only a live session may see.
#[utoipa::path(
    get, path = "/protected", tag = "pages", security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        (status = 400, description = "Two tokens", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Another client without a live session", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the session is alive", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_protected(
    State(app): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    caller: Result<Authenticated, Refusal>,
) -> Result<Page, Response> {
    let Authenticated(session) =
        caller.map_err(|refusal| respond_to_refusal(&app, refusal, &headers, &uri))?;
    app.pages.protected(&session).map_err(IntoResponse::into_response)
}

/// Redirects a browser to the login where that would help; anything else gets the problem.
pub(super) fn respond_to_refusal(
    app: &AppState,
    refusal: Refusal,
    headers: &HeaderMap,
    uri: &Uri,
) -> Response {
    let login_helps = matches!(refusal.code(), ErrorCode::MissingToken | ErrorCode::InvalidToken);
    if login_helps && wants_page(headers) {
        Redirect::to(&app.pages.login_url(uri)).into_response()
    } else {
        Error::from(refusal).into_response()
    }
}

/// The page that people most likely want.
pub(crate) async fn go_to_dashboard() -> Redirect {
    Redirect::to("/dashboard")
}

/// How long a countdown takes.
#[derive(Deserialize)]
pub(crate) struct Countdown {
    seconds: u64,
}

/// The part of the style sheet that differs from view to view.
pub(crate) async fn show_countdown(
    query: Result<Query<Countdown>, QueryRejection>,
    request: RequestId,
) -> Result<Response, Error> {
    let Query(Countdown { seconds }) = query.map_err(|_| Error::NotFound)?;
    Ok(page::countdown(seconds, &request))
}
