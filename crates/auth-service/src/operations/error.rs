//! Why something was not done. Statuses and texts of replies are decided in `http`.

use std::borrow::Cow;
use std::time::Duration;

use session::{Dead, SessionError, StoreError};
use users::UsersError;

/// Why an operation was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// Something is wrong with one field.
    Field(Field),
    /// No user has this name and this password, or the account is disabled.
    InvalidCredentials,
    /// The token opens nothing.
    Dead(Dead),
    /// The session lives, and may not do this; the text says what it lacks.
    Forbidden(&'static str),
    /// The login is longer ago than this.
    Stale { max_age: Duration },
    /// A page of another origin may not do this.
    ForeignOrigin,
    /// There is nothing that the caller may know of.
    NotFound,
    /// It was there, and is over.
    Gone,
    /// It is taken, or the last of its kind.
    Conflict(&'static str),
    /// It breaks a rule, which the text tells.
    Rule(String),
    /// The value is not as the caller requires it.
    ConditionFailed,
    /// It would make something longer than this many bytes.
    TooLarge { limit: usize },
    /// There were too many tries: again after this time.
    TooMany { retry_after: Duration },
    /// A defect of ours, which is logged.
    Internal,
    /// This does not answer; which is logged.
    Unavailable(&'static str),
}

/// A field of what a caller sent, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The field's name on the wire.
    pub(crate) name: Cow<'static, str>,
    pub(crate) problem: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not there, and must be.
    Missing,
    /// It is there twice.
    Repeated,
    /// It cannot be read as what it should be.
    WrongType,
    /// It cannot be read; the text says what it must be.
    Unreadable(&'static str),
    /// It is not the one that it should be.
    Wrong,
    /// It breaks a rule, which the text tells.
    Rule(String),
}

impl Field {
    pub(crate) const fn new(name: &'static str, problem: Fault) -> Self {
        Self { name: Cow::Borrowed(name), problem }
    }
}

impl From<Field> for Error {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

impl From<Dead> for Error {
    fn from(dead: Dead) -> Self {
        Self::Dead(dead)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the session store failed");
        Self::Unavailable("the session store does not answer")
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Randomness(error) => {
                tracing::error!(%error, "no session can be issued");
                Self::Internal
            }
            SessionError::Dead(dead) => dead.into(),
            SessionError::WrongKind => Self::Forbidden("only a sliding session may do this"),
            SessionError::Narrowed => Self::Forbidden("a token with scopes may not do this"),
            SessionError::Stale { max_age } => Self::Stale { max_age },
            SessionError::Ttl(longest) => past("ttl", longest),
            SessionError::MaxLifetime(longest) => past("max_lifetime", longest),
        }
    }
}

fn past(field: &'static str, longest: Duration) -> Error {
    let seconds = longest.as_secs();
    let rule = format!("must be above zero and at most {seconds} s for this kind");
    Field::new(field, Fault::Rule(rule)).into()
}

impl From<UsersError> for Error {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Unavailable(_) => {
                tracing::error!(%error, "the user database failed");
                Self::Unavailable("the user database does not answer")
            }
            UsersError::Busy => Self::Unavailable("too many passwords wait to be checked"),
            UsersError::NameTaken => Self::Conflict("this address is taken"),
            UsersError::NotFound => Self::NotFound,
            UsersError::TicketSpent => Self::Gone,
            UsersError::LastAdmin => Self::Conflict("the last admin must stay one"),
            UsersError::Rule(rule) => Self::Rule(rule),
        }
    }
}
