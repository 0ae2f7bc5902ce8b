//! What the directory needs of a database. Each call is one transaction, or one statement.
//!
//! Rules about single values were checked before; what needs the other rows (is the name free, is
//! this the last admin) is decided here, within the transaction.

#[cfg(test)]
mod conformance;
mod fault;
mod followed;
pub(crate) mod mail;
pub(crate) mod notices;
mod open;
mod rekey;
mod row;
mod sql;

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{DEMO_EMAIL, Generation, SessionEnding, Updated, User, UserChanges, UsersError, email};

pub(crate) use open::{open, open_existing, open_with_old_keys};

/// How many endings are stored. A node that follows them is not that far behind.
pub const MAX_STORED_ENDINGS: i64 = 10_000;

/// A user with what is stored beside.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) user: User,
    pub(crate) password_hash: String,
}

/// A part of the list, as the store sees it.
pub(crate) struct Page<'a> {
    /// What the search key must contain, folded.
    pub(crate) needle: &'a str,
    pub(crate) after: Option<Uuid>,
    pub(crate) limit: u32,
}

/// Another password for a user.
#[derive(Clone)]
pub(crate) struct NewPassword {
    pub(crate) hash: String,
    /// The session that goes on.
    pub(crate) spared_session: Option<Uuid>,
    /// The generation that the user must still have, where that matters.
    pub(crate) only_at: Option<Generation>,
}

/// When something changes, and who counts as an admin then.
#[derive(Clone, Copy)]
pub(crate) struct Occasion {
    pub(crate) now_ms: i64,
    /// Whether the demo user can log in, and so counts as an admin.
    pub(crate) demo: bool,
}

/// Where users are stored.
#[async_trait]
pub(crate) trait UserStore:
    mail::MailStore + notices::NoticeStore + Send + Sync + 'static
{
    /// Adds one, or returns `NameTaken`. Of any number at once with one name, one succeeds.
    async fn insert(&self, record: &Record) -> Result<(), UsersError>;

    /// Adds those whose names are free, all in one transaction, and returns for each whether it was.
    async fn insert_many(&self, records: &[Record]) -> Result<Vec<bool>, UsersError>;

    async fn by_id(&self, id: Uuid) -> Result<Option<Record>, UsersError>;

    async fn by_key(&self, key: &str) -> Result<Option<Record>, UsersError>;

    /// The one whose name is stored in just this spelling.
    async fn by_spelling(&self, name: &str) -> Result<Option<Record>, UsersError>;

    async fn list(&self, page: &Page<'_>) -> Result<Vec<User>, UsersError>;

    async fn count(&self) -> Result<u64, UsersError>;

    /// Changes what is to be changed. Raises the generation where that ends sessions.
    async fn change(
        &self,
        id: Uuid,
        changes: &UserChanges,
        occasion: Occasion,
    ) -> Result<Updated, UsersError>;

    /// Gives one another name, raising the generation, or returns `NameTaken`.
    async fn rename(&self, id: Uuid, name: &str, occasion: Occasion)
    -> Result<Updated, UsersError>;

    /// Stores the hash of a new password and raises the generation.
    async fn set_password(
        &self,
        id: Uuid,
        new: &NewPassword,
        occasion: Occasion,
    ) -> Result<User, UsersError>;

    /// Stores another hash of the same password, if the old one is still there. Ends nothing.
    async fn replace_hash(&self, id: Uuid, old: &str, new: &str) -> Result<bool, UsersError>;

    /// Makes a demo user what it should be, raising the generation.
    async fn restore_demo(
        &self,
        id: Uuid,
        hash: &str,
        roles: &[String],
        occasion: Occasion,
    ) -> Result<(), UsersError>;

    /// Removes one. The generation is the one that would have been next.
    async fn delete(&self, id: Uuid, occasion: Occasion) -> Result<User, UsersError>;

    /// The endings from `since` on and before `before`, the newest first, so many at most.
    async fn endings(
        &self,
        since: i64,
        before: i64,
        limit: u32,
    ) -> Result<Vec<SessionEnding>, UsersError>;

    /// The generations of those of the users that there are.
    async fn generations(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Generation>, UsersError>;

    /// The id of this database.
    async fn identity(&self) -> Result<Uuid, UsersError>;

    async fn ping(&self) -> Result<(), UsersError>;

    /// Lets go of the database. Nothing is answered afterwards.
    async fn close(&self);
}

/// What names are compared by.
pub(crate) fn key_of(user: &User) -> String {
    email::fold_name(&user.email)
}

pub(crate) fn demo_key() -> String {
    email::key(DEMO_EMAIL).unwrap_or_default()
}
