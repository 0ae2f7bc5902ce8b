//! A session, seen from outside its store: what goes in, what is presented, what comes back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Scopes, SecretDigest, SessionId, Subject};

/// What a use does to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Gives it its full idle time again, up to its absolute end.
    Sliding,
    /// Nothing: it ends at a set moment.
    Fixed,
    /// Ends it.
    SingleUse,
}

impl Kind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sliding => "sliding",
            Self::Fixed => "fixed",
            Self::SingleUse => "single_use",
        }
    }
}

/// How the session's token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In a header.
    Bearer,
    /// In a browser's cookie.
    Cookie,
}

impl Transport {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Cookie => "cookie",
        }
    }
}

/// Where a login came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<Arc<str>>,
}

/// A session for a store to insert.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id, never used before.
    pub id: SessionId,
    /// The digest of its secret.
    pub digest: SecretDigest,
    /// What a use does to it.
    pub kind: Kind,
    /// How its token travels.
    pub transport: Transport,
    /// Whose it is.
    pub subject: Arc<Subject>,
    /// The role it acts in, as an index of the subject's roles.
    pub role: usize,
    /// The user's generation it was opened with: a higher one ends it.
    pub generation: i64,
    /// What it is narrowed to; `None` for all that its role may.
    pub scopes: Option<Scopes>,
    /// The name given to a minted token.
    pub name: Option<Arc<str>>,
    /// Idle time of a sliding session; ignored for the other kinds.
    pub ttl: Duration,
    /// How long it lives at most.
    pub max_lifetime: Duration,
    /// How long ago the password was given; not zero for a minted token.
    pub login_age: Duration,
    /// Where the login came from.
    pub origin: Origin,
    /// The token that mints it: one that is dead by then mints nothing. The intent is ignored.
    pub maker: Option<Presented>,
}

/// A live session as it stood at one moment. Dates are milliseconds since 1970 and for display;
/// what was decided, was decided on a monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What a use does to it.
    pub kind: Kind,
    /// How its token travels.
    pub transport: Transport,
    /// Whose it is.
    pub subject: Arc<Subject>,
    /// The role it acts in, as an index of the subject's roles.
    pub role: usize,
    /// The user's generation it was opened with.
    pub generation: i64,
    /// What it is narrowed to; `None` for all that its role may.
    pub scopes: Option<Scopes>,
    /// The name given to a minted token.
    pub name: Option<Arc<str>>,
    /// Where the login came from.
    pub origin: Origin,
    /// When it was issued.
    pub created_at_ms: i64,
    /// When it was last used; at first, when it was issued.
    pub last_used_at_ms: i64,
    /// When it ends unused.
    pub expires_at_ms: i64,
    /// When it ends in any case.
    pub absolute_expires_at_ms: i64,
    /// The remaining time before it ends unused.
    pub expires_in: Duration,
    /// How long ago the password was given.
    pub login_age: Duration,
    /// How often it was used.
    pub refresh_count: u64,
}

impl Session {
    /// The role that the session acts in.
    pub fn role(&self) -> &str {
        self.subject.roles.get(self.role).map_or("", AsRef::as_ref)
    }
}

/// What presenting a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is: a sliding session re-inflates, a single-use one ends.
    Use,
    /// It changes nothing.
    Look,
    /// It ends the session, also with the token from before the latest rotation.
    End,
}

/// A well-formed token, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// The session that it names.
    pub id: SessionId,
    /// The digest of the secret that it carries.
    pub digest: SecretDigest,
    /// What presenting it does.
    pub intent: Intent,
}

/// Why a token opens nothing. All of these are dead; the reason is for people and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dead {
    /// No such session, or another secret.
    Unknown,
    /// Its time was up, and it has not been swept yet.
    Expired,
    /// It was ended a moment ago.
    Revoked,
    /// The secret is the one from before the session's latest rotation. Only stores say so, of a use
    /// or a rotation: see [`SessionStore::end_reused`](crate::SessionStore::end_reused). To everybody
    /// else such a token is unknown.
    Replaced,
}

/// A store's answer to a presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The session lives; this is its state after what was done.
    Alive(Session),
    /// It does not.
    Dead(Dead),
}
