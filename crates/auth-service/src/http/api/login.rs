//! A user name and a password for a token, as JSON or by HTTP Basic.

use auth_api_types::LoginRequest;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use session::Transport;
use users::Password;
use zeroize::Zeroizing;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::reply;
use crate::operations::Error;
use crate::operations::client::Client;
use crate::operations::login::{Credentials, log_in};

/// A login with a JSON body.
pub(crate) async fn log_in_by_json(
    app: &App,
    body: &[u8],
    client: &Client,
) -> Result<Response, ApiError> {
    let LoginRequest { username, password, role } = body::json(body)?;
    let password = Password::from(password);
    let issued = log_in(&app.domain, credentials(username, password, role), client).await?;
    reply::token(app, StatusCode::OK, &issued)
}

/// A login by the credentials of HTTP Basic
/// ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)), with UTF-8.
pub(crate) async fn log_in_by_basic(
    app: &App,
    encoded: &[u8],
    client: &Client,
) -> Result<Response, ApiError> {
    let refused = ApiError::InvalidCredentials { basic: true };
    let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| refused.clone())?;
    let text = std::str::from_utf8(&decoded).map_err(|_| refused.clone())?;
    let (username, password) = text.split_once(':').ok_or_else(|| refused.clone())?;
    let credentials = credentials(username.to_owned(), Password::from(password), None);
    match log_in(&app.domain, credentials, client).await {
        Ok(issued) => reply::token(app, StatusCode::OK, &issued),
        Err(Error::InvalidCredentials) => Err(refused),
        Err(error) => Err(error.into()),
    }
}

fn credentials(username: String, password: Password, role: Option<String>) -> Credentials {
    Credentials { username, password, role, transport: Transport::Bearer, replaces: Vec::new() }
}
