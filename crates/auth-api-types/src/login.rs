//! Getting a token: by a login, by a rotation, by minting.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Kind, SessionView};

/// A login by user name and password.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginRequest {
    /// The user's e-mail address; `email` is accepted for it.
    #[serde(alias = "email")]
    #[cfg_attr(feature = "openapi", schema(example = "jsf.fusco@gmail.com"))]
    pub username: String,
    /// The password, as it was chosen: nothing is cut or trimmed.
    #[cfg_attr(feature = "openapi", schema(format = Password, example = "postman"))]
    pub password: String,
    /// The role to act in; by default the first of the user's.
    pub role: Option<String>,
}

/// A new token for the same session.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotateRequest {
    /// The role to act in from now on; by default the present one.
    pub role: Option<String>,
}

/// A token for a program, minted by a fresh session. A field that is not known may be a misspelt
/// `scopes`, and is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MintTokenRequest {
    /// By default `fixed`.
    pub kind: Option<Kind>,
    /// How long it lives, for example `1h`.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]{1,5}(ms|s|m|h|d)$", example = "1h"))]
    pub ttl: Option<String>,
    /// What to call it in lists.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "ci")
    )]
    pub name: Option<String>,
    /// What it is narrowed to: at the public listener it may then only be looked at and ended. By
    /// default all that the role may.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32, example = json!(["reports:read"])))]
    pub scopes: Option<Vec<String>>,
}

/// A token, shown this once, and the session that it is a handle on.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse<'a> {
    /// The token, 64 characters; absent where it went into a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub token: Option<Cow<'a, str>>,
    /// Always `Bearer`.
    #[cfg_attr(feature = "openapi", schema(example = "Bearer"))]
    pub token_type: Cow<'a, str>,
    /// Whole seconds until it ends unused, rounded up.
    pub expires_in: u64,
    /// The session.
    pub session: SessionView<'a>,
    /// For a backend that asked for a cookie: the value of the `Set-Cookie` to pass on, with the token
    /// in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub set_cookie: Option<Cow<'a, str>>,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("username", &self.username).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse").field("session", &self.session).finish_non_exhaustive()
    }
}
