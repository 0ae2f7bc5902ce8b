//! What a session is issued from, what comes of it, and why it may not be.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    Dead, Kind, Origin, Scopes, Session, SessionId, StoreError, Subject, Token, Transport,
};

/// How long sessions live, and how many a user has.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Idle time and longest life of a sliding bearer token.
    pub token: (Duration, Duration),
    /// Idle time and longest life of a cookie session.
    pub cookie: (Duration, Duration),
    /// The longest life of a fixed token that may be requested.
    pub fixed_max: Duration,
    /// The longest life of a single-use token that may be requested.
    pub single_use_max: Duration,
    /// How long after its login a session may mint tokens.
    pub fresh_for: Duration,
    /// Live sessions of one user; 0 for no limit.
    pub max_per_subject: usize,
}

/// A login to open a session for.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who logged in.
    pub subject: Arc<Subject>,
    /// The role to act in, as an index of the subject's roles.
    pub role: usize,
    /// The user's generation when the password was checked.
    pub generation: i64,
    /// How the token will travel.
    pub transport: Transport,
    /// Where the login came from.
    pub origin: Origin,
    /// The id of the request, for events.
    pub request_id: Option<Arc<str>>,
}

/// A token to mint.
#[derive(Clone, Debug)]
pub struct Mint {
    /// What a use of it does.
    pub kind: Kind,
    /// How long it lives (idle time for a sliding one); `None` for the kind's default time.
    pub ttl: Option<Duration>,
    /// What to call it.
    pub name: Option<Arc<str>>,
    /// What it is narrowed to; `None` for all that its role may.
    pub scopes: Option<Scopes>,
    /// Where the request came from.
    pub origin: Origin,
    /// The id of the request, for events.
    pub request_id: Option<Arc<str>>,
}

/// For whom a token is minted, where that is not its maker.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Whose session the token will be.
    pub subject: Arc<Subject>,
    /// The role to act in, as an index of the subject's roles.
    pub role: usize,
    /// The holder's generation when it was looked up.
    pub generation: i64,
}

/// A session for somebody whom a backend has authenticated.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whom.
    pub subject: Arc<Subject>,
    /// The role to act in, as an index of the subject's roles.
    pub role: usize,
    /// What a use does to it.
    pub kind: Kind,
    /// How the token will travel.
    pub transport: Transport,
    /// Idle time of a sliding session, life of another; `None` for the kind's default time.
    pub ttl: Option<Duration>,
    /// How long it lives at most; `None` for the kind's default.
    pub max_lifetime: Option<Duration>,
    /// Where the login came from.
    pub origin: Origin,
    /// The id of the request, for events.
    pub request_id: Option<Arc<str>>,
}

/// A session that was issued, with its token, which is not to be had again.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// The session.
    pub session: Session,
    /// Sessions of the same user that had to end for it.
    pub ended: Vec<SessionId>,
}

/// What became of a rotation.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, and soon moved out"
)]
pub enum Rotation {
    /// The session has this token now, and the old one is dead.
    Rotated(Token, Session),
    /// The presented token opens nothing.
    Dead(Dead),
}

/// Why no session was issued.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system's randomness failed or repeats itself.
    #[error("no randomness to be had: {0}")]
    Randomness(String),
    /// The token that requests it opens nothing any more.
    #[error("the session has ended")]
    Dead(Dead),
    /// Only a sliding session may do this.
    #[error("only a sliding session may do this")]
    WrongKind,
    /// A session that is narrowed to scopes may not do this.
    #[error("a session with scopes may not do this")]
    Narrowed,
    /// The login is too long ago.
    #[error("the login is too long ago")]
    Stale {
        /// How long ago it may be.
        max_age: Duration,
    },
    /// The requested time is zero or past this maximum.
    #[error("the time is not above zero, or past the maximum")]
    Ttl(Duration),
    /// The requested longest life is zero or past this maximum.
    #[error("the longest life is not above zero, or past the maximum")]
    MaxLifetime(Duration),
}
