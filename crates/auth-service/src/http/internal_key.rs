//! The key that internal routes want, where one is set: any of those in force.
//!
//! A layer and no extractor, so that a new route cannot forget it; and one that neither boxes nor
//! waits, since it stands before every validation. Only introspection also takes the key as OAuth
//! clients send theirs, of which one way is within the form: there an extractor is what reads it.

use std::sync::Arc;

use auth_http::credential::{Repeated, once, scheme};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use server_runtime::Refuse;
use zeroize::Zeroizing;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, BODY_LIMIT, Media};
use crate::internal_keys::KeyRing;

const INTERNAL_KEY: HeaderName = HeaderName::from_static("x-internal-key");

type Shown = fn(&HeaderMap) -> Result<Option<&[u8]>, Repeated>;

/// Lets through who shows the key as the request's bearer credential, or everybody where no key is
/// set.
pub(crate) fn as_bearer(
    app: &Arc<App>,
) -> Refuse<impl Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + use<>> {
    let shown: Shown = |headers| {
        let value = once(headers, &header::AUTHORIZATION)?;
        Ok(value.and_then(|value| scheme(value, "Bearer")))
    };
    required(app, shown, "Authorization: Bearer KEY")
}

/// The same, where the key has a header of its own: the bearer credential is a user's token.
pub(crate) fn beside_token(
    app: &Arc<App>,
) -> Refuse<impl Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + use<>> {
    let shown: Shown = |headers| Ok(once(headers, &INTERNAL_KEY)?.map(HeaderValue::as_bytes));
    required(app, shown, "X-Internal-Key: KEY")
}

/// Refuses requests without the key, which they are told to show in the way of `how`.
fn required(
    app: &Arc<App>,
    shown: Shown,
    how: &'static str,
) -> Refuse<impl Fn(&mut Request) -> Option<Response> + Clone + Send + Sync + use<>> {
    let app = Arc::clone(app);
    Refuse::by(move |request: &mut Request| {
        let keys = app.internal_keys.as_ref()?;
        let error = match shown(request.headers()) {
            Ok(Some(shown)) if keys.accepts(shown) => return None,
            Ok(Some(_)) => ApiError::WrongKey { basic: false },
            Ok(None) => ApiError::MissingKey(how),
            Err(error) => error.into(),
        };
        Some(error.into_response())
    })
}

/// A form from somebody who shows the key as an OAuth client shows its secret: as the password of
/// Basic with any user name, as `client_secret` in the form
/// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)), or as a bearer
/// credential. In more than one way at once it is refused, as the RFC says.
pub(crate) struct ClientForm<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for ClientForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let is_form = Media::of(&parts.headers) == Media::Form;
        let Some(keys) = &app.internal_keys else {
            // A body of another type is refused unread.
            let body = if is_form { body::read(body, BODY_LIMIT).await? } else { Bytes::new() };
            return read(is_form, &body);
        };
        let in_header = in_header(keys, &parts.headers)?;
        if !is_form {
            return in_header.ok_or(MISSING).and_then(|()| read(is_form, &Bytes::new()));
        }
        let body = body::read(body, BODY_LIMIT).await?;
        check(keys, in_header, &body)?;
        read(is_form, &body)
    }
}

const MISSING: ApiError = ApiError::MissingKey("Authorization: Bearer KEY");

fn read<T: DeserializeOwned>(is_form: bool, bytes: &Bytes) -> Result<ClientForm<T>, ApiError> {
    if is_form {
        return body::form(bytes).map(ClientForm);
    }
    Err(ApiError::MediaType { wanted: "application/x-www-form-urlencoded" })
}

/// That the key came with the header, which was looked at already, or else in the form.
fn check(keys: &KeyRing, in_header: Option<()>, form: &[u8]) -> Result<(), ApiError> {
    let mut secrets = url::form_urlencoded::parse(form)
        .filter(|(name, value)| name == "client_secret" && !value.is_empty())
        .map(|(_, value)| Zeroizing::new(value.into_owned()));
    match (in_header, secrets.next(), secrets.next()) {
        (Some(()), None, _) => Ok(()),
        (None, None, _) => Err(MISSING),
        (None, Some(secret), None) if keys.accepts(secret.as_bytes()) => Ok(()),
        (None, Some(_), None) => Err(ApiError::WrongKey { basic: false }),
        (_, Some(_), _) => Err(ApiError::Invalid("show the key in one way, and once".to_owned())),
    }
}

/// Whether the key is in `Authorization`; that another is there is an error.
fn in_header(keys: &KeyRing, headers: &HeaderMap) -> Result<Option<()>, ApiError> {
    let Some(value) = once(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let (right, basic) = match (scheme(value, "Bearer"), scheme(value, "Basic")) {
        (Some(bearer), _) => (keys.accepts(bearer), false),
        (None, Some(encoded)) => (is_password(keys, encoded), true),
        (None, None) => return Ok(None),
    };
    if right { Ok(Some(())) } else { Err(ApiError::WrongKey { basic }) }
}

/// Whether Basic credentials have the key for a password. OAuth clients encode both parts as a form
/// does, most others do not: a key with `%` or `+` in it is right in either way.
fn is_password(keys: &KeyRing, encoded: &[u8]) -> bool {
    let Ok(decoded) = STANDARD.decode(encoded).map(Zeroizing::new) else {
        return false;
    };
    let Some(colon) = decoded.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let plain = &decoded[colon + 1..];
    let spaces: Zeroizing<Vec<u8>> =
        Zeroizing::new(plain.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    let form: Zeroizing<Vec<u8>> = Zeroizing::new(percent_decode(&spaces).collect());
    // Both are compared, whichever is right.
    keys.accepts(plain) | keys.accepts(&form)
}
