//! The forward-auth endpoints: what a reverse proxy asks before it passes a request on.
//!
//! One decision, [`decide`], and four endpoints for it that differ only in how their proxies ask.
//! What a proxy forwards of the request only says where a browser is to come back to after its
//! login.

pub(crate) mod check;
mod decision;
mod identity_headers;
mod original_request;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi as _;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::openapi::ForwardAuthProblems;
use decision::{ReadDemand, decide};
use original_request::OriginalRequest;
use session::{Intent, Session};

/// Where nginx, which passes no redirect on from here, learns where to send a browser.
const LOGIN: HeaderName = HeaderName::from_static("x-auth-login");

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    auth_request,
    forward_auth,
    ext_authz,
    ext_authz_role,
    ext_authz_scope,
    ext_authz_external,
    check::check
))]
struct Endpoints;

/// The endpoints as they are described, for `GET`.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Endpoints::openapi()
}

/// What a proxy demands of a session; with any other parameter, nobody passes.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described: each may come several times")]
struct DemandQuery {
    /// The role that the session must act in.
    #[param(nullable = false)]
    role: Option<String>,
    /// The scope that it must have, unless it has none and may do all that its role may.
    #[param(nullable = false)]
    scope: Option<String>,
    /// `true` lets the users of backends pass too, with `Remote-External: true`.
    #[param(nullable = false)]
    external: Option<bool>,
}

#[derive(utoipa::IntoResponses)]
#[response(
    status = 200,
    description = "Let it pass, with these headers set",
    headers(
        ("Remote-User" = String), ("Remote-Name" = String), ("Remote-Email" = String),
        ("Remote-Groups" = String), ("Remote-Scopes" = String), ("Remote-External" = String),
        ("X-Auth-User-Id" = String), ("X-Auth-Session-Id" = String)
    )
)]
struct Allowed;

/// Forward auth for nginx.
///
/// For `auth_request`. Any method; never a redirect, which nginx would not pass on: a 401 to a
/// browser's navigation names the login page in `X-Auth-Login` instead.
#[utoipa::path(
    get, path = "/authz/auth-request", tag = "Forward auth",
    params(DemandQuery),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, ForwardAuthProblems)
)]
pub(crate) async fn auth_request(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let error = match decide(&app, &parts, &ReadDemand::queried(&parts), Intent::Use).await {
        Ok(session) => return allowed(&session),
        Err(error) => error,
    };
    let login = OriginalRequest::by_headers(&parts).login(&app.public_url, &error);
    let mut response = error.into_response();
    if let Some(login) = login {
        response.headers_mut().insert(LOGIN, login);
    }
    response
}

/// Forward auth for Traefik and Caddy.
///
/// For `forwardAuth` and `forward_auth`. Any method; a browser's navigation without a live session
/// is sent to the login page, with the URL of `X-Forwarded-Proto`, `-Host` and `-Uri` as `next`.
#[utoipa::path(
    get, path = "/authz/forward-auth", tag = "Forward auth",
    params(DemandQuery),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, (status = 302, description = "A browser is sent to the login page"), ForwardAuthProblems)
)]
pub(crate) async fn forward_auth(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let decision = decide(&app, &parts, &ReadDemand::queried(&parts), Intent::Use).await;
    answer(&app, decision, &OriginalRequest::by_headers(&parts))
}

/// Forward auth for Envoy.
///
/// For `ext_authz` over HTTP with this as `path_prefix`. Any method, and below it any path: that
/// of the request in question. A browser's navigation without a live session is sent to the login
/// page, with that path on the request's `Host` as `next`.
#[utoipa::path(
    get, path = "/authz/ext-authz/{path}", tag = "Forward auth",
    params(("path" = String, Path, description = "The path that was asked for")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, (status = 302, description = "A browser is sent to the login page"), ForwardAuthProblems)
)]
pub(crate) async fn ext_authz(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let decision = decide(&app, &parts, &ReadDemand::default(), Intent::Use).await;
    answer(&app, decision, &OriginalRequest::by_path(&parts, original_request::below_endpoint))
}

/// Forward auth for Envoy, for one role.
///
/// The same with the role before the path, since there the query is the client's.
#[utoipa::path(
    get, path = "/authz/ext-authz-role/{role}/{path}", tag = "Forward auth",
    params(
        ("role" = String, Path, description = "The role that the session must act in"),
        ("path" = String, Path, description = "The path that was asked for")
    ),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, (status = 302, description = "A browser is sent to the login page"), ForwardAuthProblems)
)]
pub(crate) async fn ext_authz_role(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (role, path) = original_request::named_and_path(&parts, original_request::EXT_AUTHZ_ROLE);
    let decision = decide(&app, &parts, &ReadDemand::of_role(role), Intent::Use).await;
    answer(&app, decision, &OriginalRequest::by_path(&parts, path))
}

/// Forward auth for Envoy, for one scope.
///
/// The same for a scope. A session without scopes passes.
#[utoipa::path(
    get, path = "/authz/ext-authz-scope/{scope}/{path}", tag = "Forward auth",
    params(
        ("scope" = String, Path, description = "The scope that the session must have, percent-encoded"),
        ("path" = String, Path, description = "The path that was asked for")
    ),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, (status = 302, description = "A browser is sent to the login page"), ForwardAuthProblems)
)]
pub(crate) async fn ext_authz_scope(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (scope, path) = original_request::named_and_path(&parts, original_request::EXT_AUTHZ_SCOPE);
    let decision = decide(&app, &parts, &ReadDemand::of_scope(scope), Intent::Use).await;
    answer(&app, decision, &OriginalRequest::by_path(&parts, path))
}

/// Forward auth for Envoy, also for the users of backends.
///
/// The same for every user: that of a backend comes with `Remote-External: true`.
#[utoipa::path(
    get, path = "/authz/ext-authz-external/{path}", tag = "Forward auth",
    params(("path" = String, Path, description = "The path that was asked for")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(Allowed, (status = 302, description = "A browser is sent to the login page"), ForwardAuthProblems)
)]
pub(crate) async fn ext_authz_external(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let decision = decide(&app, &parts, &ReadDemand::of_every_user(), Intent::Use).await;
    let path = original_request::below_external_endpoint;
    answer(&app, decision, &OriginalRequest::by_path(&parts, path))
}

fn answer(app: &App, decision: Result<Session, ApiError>, original: &OriginalRequest) -> Response {
    let error = match decision {
        Ok(session) => return allowed(&session),
        Err(error) => error,
    };
    match original.login(&app.public_url, &error) {
        Some(login) => {
            (StatusCode::FOUND, [(header::LOCATION, login), (header::CACHE_CONTROL, NO_STORE)])
                .into_response()
        }
        None => error.into_response(),
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn allowed(session: &Session) -> Response {
    let mut headers = identity_headers::headers(session);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    (StatusCode::OK, headers).into_response()
}
