//! A session as it is shown, wherever one is shown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Ended, SessionUser, Timestamp};

/// How long a token lives and what a use does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Each use gives it its full idle time again, up to its absolute end.
    Sliding,
    /// Ends at a set moment.
    Fixed,
    /// Ends with its first use, or at a set moment.
    SingleUse,
}

/// How the session's token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// In a header, put there by a program.
    Bearer,
    /// In a cookie, kept by a browser.
    Cookie,
}

/// One session. Never its token, never a digest of it.
///
/// It borrows where it is written, and owns what it has read: `SessionView<'static>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView<'a> {
    /// The session's id, a UUIDv7; no secret.
    pub id: Uuid,
    /// What a use does to it.
    pub kind: Kind,
    /// How its token travels.
    pub transport: Transport,
    /// Whose it is.
    pub user: SessionUser<'a>,
    /// The one role that it acts in.
    pub role: Cow<'a, str>,
    /// What it is narrowed to; `null` for all that its role may.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub scopes: Option<Vec<Cow<'a, str>>>,
    /// The name given to a minted token.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Cow<'a, str>>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last used; at first, when it was issued.
    pub last_used_at: Timestamp,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
    /// Whole seconds until `expires_at`, rounded up.
    pub expires_in: u64,
    /// When it ends however busy it is.
    pub absolute_expires_at: Timestamp,
    /// How often it was used.
    pub refresh_count: u64,
    /// The client's address at the login.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// The client's user agent at the login, 256 characters at most.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_agent: Option<Cow<'a, str>>,
    /// Whether it is the caller's own, where that may be among others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub current: Option<bool>,
}

impl SessionView<'_> {
    /// The same, without borrowing.
    pub fn into_owned(self) -> SessionView<'static> {
        let Self { id, kind, transport, user, role, scopes, name, .. } = self;
        SessionView {
            id,
            kind,
            transport,
            user: user.into_owned(),
            role: owned(&role),
            scopes: scopes.as_deref().map(all_owned),
            name: name.as_deref().map(owned),
            user_agent: self.user_agent.as_deref().map(owned),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            expires_in: self.expires_in,
            absolute_expires_at: self.absolute_expires_at,
            refresh_count: self.refresh_count,
            ip: self.ip,
            current: self.current,
        }
    }

    /// Whether the session may do what this scope is for: it is one of its scopes, or the session has
    /// none and may do all that its role may.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope))
    }
}

/// The text, which is not copied where it is one of the roles that nearly everybody has.
pub(crate) fn owned(text: &str) -> Cow<'static, str> {
    Cow::Borrowed(match text {
        "user" => "user",
        "admin" => "admin",
        other => return Cow::Owned(other.to_owned()),
    })
}

pub(crate) fn all_owned(texts: &[Cow<'_, str>]) -> Vec<Cow<'static, str>> {
    texts.iter().map(|text| owned(text)).collect()
}

/// The live sessions of one user, newest use first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList<'a> {
    /// The sessions.
    pub sessions: Vec<SessionView<'a>>,
}

/// One page of the sessions of all users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionPage<'a> {
    /// The sessions.
    pub sessions: Vec<SessionView<'a>>,
    /// What to pass as `after` for the next page; `null` on the last one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next: Option<String>,
}

/// What became of the selected sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SelectionEnd {
    /// They ended.
    Ended(Ended),
    /// They live on: nothing was to end.
    WouldEnd(WouldEnd),
}

/// How many sessions would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WouldEnd {
    /// So many live now.
    pub would_end: u64,
}

/// Everything that backends keep in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionValues<V> {
    /// Any JSON under keys of 1 to 64 of `A-Za-z0-9._-`, 16 KiB in all.
    pub data: BTreeMap<String, V>,
}
