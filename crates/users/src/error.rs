//! What can go wrong, in the words of the caller. No variant holds SQL, a password or a hash.

use crate::DatabaseUrl;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// The database did not answer, or not in time. Whether a write happened is unknown.
    #[error("the user database is unavailable: {0}")]
    Unavailable(String),
    /// Too many passwords wait to be hashed, or this one waited too long. Nothing happened.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// Another user has that name.
    #[error("the user name is taken")]
    NameTaken,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// The ticket of a mail is used, over or replaced.
    #[error("the ticket is used, over or replaced")]
    TicketSpent,
    /// It would have left no user with the role `admin` who can log in.
    #[error("the last admin must stay one: make somebody else admin first")]
    LastAdmin,
    /// An address, a password, a name or a role breaks the rule that the text names.
    #[error("{0}")]
    Rule(String),
}

/// Why a directory could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL, or an option, is not one that is understood.
    #[error("{0}")]
    Setting(String),
    /// There are no users' tables in that database, and none were to be made.
    #[error("there is no user database at {0}")]
    Missing(String),
    /// The database is out of reach, or its file cannot be made.
    #[error("the user database cannot be opened: {0}")]
    Unreachable(String),
    /// The database holds what this version does not understand.
    #[error("the user database cannot be brought up to date: {0}")]
    Migration(String),
    /// Accounts count as one name, two by two, which an earlier version distinguished.
    #[error(
        "the user database cannot be brought up to date: {0} count as the same user name from this \
         version on: give one of them another with `auth-service users rename OLD NEW`"
    )]
    SameName(String),
}

impl OpenError {
    /// The same, saying which database it was; a password within the URL is masked.
    pub(crate) fn of(self, database: &DatabaseUrl) -> Self {
        match self {
            Self::Setting(_) | Self::Missing(_) => self,
            Self::Unreachable(reason) => Self::Unreachable(format!("{database}: {reason}")),
            Self::SameName(names) => Self::SameName(format!("{database}: {names}")),
            Self::Migration(reason) => Self::Migration(format!("{database}: {reason}")),
        }
    }
}
