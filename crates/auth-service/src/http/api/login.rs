//! `POST /login`: a user name and a password for a token, as JSON or by HTTP Basic; the form of
//! the login page, for a cookie, goes on to that page's file.

use std::sync::Arc;

use auth_api_types::{LoginRequest, TokenResponse};
use auth_http::credential::{once, scheme};
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use session::Transport;
use users::Password;
use zeroize::Zeroizing;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, LOGIN_LIMIT, Media};
use crate::http::extract::client::Client;
use crate::http::openapi::LoginProblems;
use crate::http::pages::login::{LoginForm, log_in_by_form};
use crate::http::reply;
use crate::operations::login::{Credentials, log_in};

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
        return log_in_by_form(&app, &parts, &body, &client).await;
    }
    let credentials = match (basic(&parts)?, body.is_empty(), media) {
        (Some(basic), true, _) => from_basic(basic)?,
        (Some(_), false, _) => return Err(ambiguous()),
        (None, _, Media::Json) => from_json(&body)?,
        (None, _, Media::Form) => return log_in_by_form(&app, &parts, &body, &client).await,
        (None, true, Media::None) => {
            return Err(ApiError::Invalid(
                "send `username` and `password` as JSON, or by HTTP Basic".to_owned(),
            ));
        }
        (None, ..) => {
            return Err(ApiError::MediaType { wanted: "application/json" });
        }
    };
    let issued = log_in(&app, credentials, &client).await?;
    reply::token(&app, StatusCode::OK, &issued)
}

/// What stands behind the scheme of HTTP Basic, where that is what came.
fn basic(parts: &Parts) -> Result<Option<&[u8]>, ApiError> {
    let authorization = once(&parts.headers, &header::AUTHORIZATION)?;
    Ok(authorization.and_then(|value| scheme(value, "Basic")))
}

fn ambiguous() -> ApiError {
    ApiError::Invalid("send either HTTP Basic or a body, not both".to_owned())
}

fn from_json(body: &[u8]) -> Result<Credentials, ApiError> {
    let LoginRequest { username, password, role } = body::json(body)?;
    let password = Password::from(password);
    Ok(Credentials {
        username,
        password,
        role,
        basic: false,
        transport: Transport::Bearer,
        replaces: Vec::new(),
    })
}

/// [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617), with UTF-8.
fn from_basic(encoded: &[u8]) -> Result<Credentials, ApiError> {
    let refused = ApiError::InvalidCredentials { basic: true };
    let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| refused.clone())?;
    let text = std::str::from_utf8(&decoded).map_err(|_| refused.clone())?;
    let (username, password) = text.split_once(':').ok_or(refused)?;
    Ok(Credentials {
        username: username.to_owned(),
        password: Password::from(password),
        role: None,
        basic: true,
        transport: Transport::Bearer,
        replaces: Vec::new(),
    })
}
