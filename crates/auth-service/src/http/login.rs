//! `POST /login`: tells a program's login, as JSON or by HTTP Basic, from that of the page's form.

use std::sync::Arc;

use auth_api_types::{LoginRequest, TokenResponse};
use auth_http::credential::{once, scheme};
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;

use super::app::App;
use super::error::ApiError;
use super::extract::body::{self, LOGIN_LIMIT, Media};
use super::openapi::LoginProblems;
use super::pages::login::LoginForm;
use super::{api, pages};
use crate::operations::client::Client;

/// Log in.
///
/// With a JSON body, or with HTTP Basic and no body; other sessions of the user live on. With a
/// form, as the login page sends it, the token goes into the session cookie.
#[utoipa::path(
    post, path = "/login", tag = "Login",
    request_body(content((LoginRequest = "application/json"), (LoginForm = "application/x-www-form-urlencoded"))),
    security((), ("basic" = [])),
    responses(
        (status = 200, description = "The token, shown this once", body = TokenResponse),
        (status = 303, description = "To a form: to `next`, with the session cookie", headers(("Set-Cookie" = String))),
        LoginProblems
    )
)]
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    client: Client,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let media = Media::of(&parts.headers);
    if media == Media::Other && !body.is_end_stream() {
        return Err(match basic(&parts)? {
            Some(_) => ambiguous(),
            None => ApiError::MediaType { wanted: "application/json" },
        });
    }
    let body = body::read(body, LOGIN_LIMIT).await?;
    // Browsers add a site's Basic to everything, forms included: what was typed decides.
    if media == Media::Form && !body.is_empty() {
        return pages::login::log_in_by_form(&app, &parts, &body, &client).await;
    }
    match (basic(&parts)?, body.is_empty(), media) {
        (Some(basic), true, _) => api::login::log_in_by_basic(&app, basic, &client).await,
        (Some(_), false, _) => Err(ambiguous()),
        (None, _, Media::Json) => api::login::log_in_by_json(&app, &body, &client).await,
        (None, _, Media::Form) => pages::login::log_in_by_form(&app, &parts, &body, &client).await,
        (None, true, Media::None) => Err(ApiError::Invalid(
            "send `username` and `password` as JSON, or by HTTP Basic".to_owned(),
        )),
        (None, ..) => Err(ApiError::MediaType { wanted: "application/json" }),
    }
}

/// The credentials of HTTP Basic, where the header has that scheme.
fn basic(parts: &Parts) -> Result<Option<&[u8]>, ApiError> {
    let authorization = once(&parts.headers, &header::AUTHORIZATION)?;
    Ok(authorization.and_then(|value| scheme(value, "Basic")))
}

fn ambiguous() -> ApiError {
    ApiError::Invalid("send either HTTP Basic or a body, not both".to_owned())
}
