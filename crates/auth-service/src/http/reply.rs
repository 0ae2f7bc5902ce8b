//! Answers that are no errors.

use std::fmt::Write as _;

use auth_api_types::MailRequested;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use server_runtime::private_json;
use session::Issued;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::operations::passwords::OwnSession;
use crate::view;

/// JSON that depends on a session, and so must not be cached.
pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response, ApiError> {
    private_json(status, body).ok_or(ApiError::Internal)
}

/// Done, and nothing to say.
pub(crate) fn no_content() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

/// A new token: in the body, or in the cookie of a browser's session.
pub(crate) fn token(app: &App, status: StatusCode, issued: &Issued) -> Result<Response, ApiError> {
    if issued.session.transport == session::Transport::Bearer {
        return json(status, &view::token(Some(&issued.token), &issued.session));
    }
    let mut response = json(status, &view::token(None, &issued.session))?;
    let cookie = app.cookie.set(&issued.token, view::cookie_age(&issued.session));
    set_cookie(&mut response, cookie);
    Ok(response)
}

/// Tells a browser what became of its session when the password was changed.
pub(crate) fn set_cookie_of(response: &mut Response, app: &App, own: &OwnSession) {
    match own {
        OwnSession::Unchanged => {}
        OwnSession::Rotated(token, session) => {
            set_cookie(response, app.cookie.set(token, view::cookie_age(session)));
        }
        OwnSession::Ended => set_cookie(response, app.cookie.clear()),
    }
}

/// What is answered to whoever asks for a new password by mail, the same whoever it is.
pub(crate) const FORGOT: &str =
    "If there is such an account, a mail is on its way to it. It says what to do next.";
/// The same for whoever signs up.
pub(crate) const SIGNED_UP: &str = "A mail is on its way to this address. It says what to do next.";
/// The same for whoever wants another address.
pub(crate) const ADDRESS_REQUESTED: &str =
    "A mail is on its way to the new address. It counts once the button of that mail is pressed.";

/// That a mail was asked for.
pub(crate) fn mail_requested(message: &str) -> Result<Response, ApiError> {
    json(StatusCode::ACCEPTED, &MailRequested { message: message.to_owned() })
}

/// Adds a `Set-Cookie`.
pub(crate) fn set_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// A version as a strong entity tag ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)).
pub(crate) fn etag(version: u64) -> HeaderValue {
    let mut tag = String::with_capacity(22);
    // Writing to a String does not fail.
    let _ = write!(tag, "\"{version}\"");
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""))
}
