//! Users in SQL. The statements are the same for both databases; what differs is in `Dialect`.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use uuid::Uuid;

use super::fault::limited;
use super::row::{append_ending, by_id, by_key, by_spelling, insert, like, set_name, update, user};
use super::{NewPassword, Occasion, Page, Record, UserStore, followed, mail};
use crate::user::change;
use crate::{
    ADMIN, EndingCause, Generation, SessionEnding, Updated, User, UserChanges, UsersError,
};

const LIST: &str = "SELECT id, email, first_name, last_name, roles, disabled, demo, service, generation, \
     created_at_ms, updated_at_ms, email_verified FROM users \
     WHERE id > $1 AND search_key LIKE $2 ESCAPE '\\' ORDER BY id LIMIT $3";
const COUNT: &str = "SELECT COUNT(*) FROM users";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2 WHERE id = $1";
const REPLACE_HASH: &str =
    "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
const DELETE: &str = "DELETE FROM users WHERE id = $1";
const ANOTHER_ADMIN: &str = "SELECT id FROM users WHERE is_admin = 1 AND disabled = 0 \
     AND (demo = 0 OR $2 = 1) AND service = 0 AND id <> $1 LIMIT 1";
const PING: &str = "SELECT 1 FROM users LIMIT 1";

/// Takes the one right to write at the beginning, so that no transaction has to give it up half-way.
const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
/// With a stricter level the rows would be seen as they were before the lock was waited for.
const BEGIN_POSTGRES: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// One number for all of this product's changes, held to the end of the transaction.
const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(8245928651)";

/// Longer than a look-up ever takes, and short enough to answer in time that it did not.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than a write waits for the writer before it.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(7);
const BULK_TIMEOUT: Duration = Duration::from_mins(1);
/// Who still works with a connection by then loses it, as in a crash.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

const CHANGED_MEANWHILE: &str = "the account was changed by somebody else meanwhile: try again";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

pub(crate) struct SqlStore {
    pub(super) dialect: Dialect,
    pub(super) pool: AnyPool,
}

/// Which user is changed, when, and with which password.
pub(super) struct Rewrite<'a> {
    pub(super) id: Uuid,
    pub(super) occasion: Occasion,
    pub(super) password: Option<&'a NewPassword>,
    /// The session that goes on where the others end.
    pub(super) spared_session: Option<Uuid>,
}

impl Rewrite<'_> {
    pub(super) const fn of(id: Uuid, occasion: Occasion) -> Self {
        Self { id, occasion, password: None, spared_session: None }
    }
}

impl SqlStore {
    pub(super) fn new(dialect: Dialect, pool: AnyPool) -> Self {
        Self { dialect, pool }
    }

    /// INVARIANT: changes run one after the other, on either database. That is what makes the last
    /// admin's check hold, and what makes endings visible in the order of their numbers.
    pub(super) async fn begin(&self) -> sqlx::Result<Transaction<'static, Any>> {
        match self.dialect {
            Dialect::Sqlite => self.pool.begin_with(BEGIN_SQLITE).await,
            Dialect::Postgres => {
                let mut transaction = self.pool.begin_with(BEGIN_POSTGRES).await?;
                sqlx::query(LOCK_POSTGRES).execute(&mut *transaction).await?;
                Ok(transaction)
            }
        }
    }

    /// Reads a user, lets `decide` change it and return whether that ends the user's sessions, and
    /// writes it with all that follows from it.
    async fn rewrite(
        &self,
        rewrite: Rewrite<'_>,
        decide: impl FnOnce(&mut User) -> bool + Send,
    ) -> Result<Updated, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let rewritten = Self::rewritten(&mut transaction, rewrite, decide).await?;
            if rewritten.is_ok() {
                transaction.commit().await?;
            }
            Ok(rewritten)
        })
        .await?
    }

    /// The same within a transaction, which is not to be committed where this is an error.
    pub(super) async fn rewritten(
        transaction: &mut Transaction<'static, Any>,
        Rewrite { id, occasion, password, spared_session }: Rewrite<'_>,
        decide: impl FnOnce(&mut User) -> bool + Send,
    ) -> sqlx::Result<Result<Updated, UsersError>> {
        let Some(before) = by_id(transaction, id).await? else {
            return Ok(Err(UsersError::NotFound));
        };
        let expected = password.and_then(|new| new.only_at);
        if expected.is_some_and(|generation| generation != before.user.generation) {
            return Ok(Err(UsersError::Rule(CHANGED_MEANWHILE.to_owned())));
        }
        let mut user = before.user.clone();
        let ends_sessions = decide(&mut user);
        if ends_sessions {
            user.generation += 1;
        }
        if counts(&before.user, occasion)
            && !counts(&user, occasion)
            && !another_admin(transaction, id, occasion).await?
        {
            return Ok(Err(UsersError::LastAdmin));
        }
        if user != before.user {
            user.updated_at_ms = occasion.now_ms;
            update(transaction, &user).await?;
        }
        if user.email != before.user.email {
            match set_name(transaction, &user).await {
                Err(error) if is_taken(&error) => return Ok(Err(UsersError::NameTaken)),
                done => done?,
            }
        }
        if let Some(new) = password {
            let query = sqlx::query(SET_PASSWORD).bind(id.to_string());
            query.bind(new.hash.clone()).execute(&mut **transaction).await?;
        }
        if ends_sessions {
            let cause = cause(&before.user, &user, password.is_some(), occasion);
            append_ending(transaction, id, user.generation, spared_session, cause).await?;
            mail::end_tickets(transaction, id, occasion.now_ms).await?;
        }
        Ok(Ok(Updated { user, ends_sessions }))
    }
}

#[async_trait]
impl UserStore for SqlStore {
    async fn insert(&self, record: &Record) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut connection = self.pool.acquire().await?;
            insert(&mut connection, record).await
        })
        .await?
        .then_some(())
        .ok_or(UsersError::NameTaken)
    }

    async fn insert_many(&self, records: &[Record]) -> Result<Vec<bool>, UsersError> {
        limited(BULK_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let mut inserted = Vec::with_capacity(records.len());
            for record in records {
                inserted.push(insert(&mut transaction, record).await?);
            }
            transaction.commit().await?;
            Ok(inserted)
        })
        .await
    }

    async fn by_id(&self, id: Uuid) -> Result<Option<Record>, UsersError> {
        limited(READ_TIMEOUT, async { by_id(&mut *self.pool.acquire().await?, id).await }).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<Record>, UsersError> {
        limited(READ_TIMEOUT, async { by_key(&mut *self.pool.acquire().await?, key).await }).await
    }

    async fn by_spelling(&self, name: &str) -> Result<Option<Record>, UsersError> {
        let connection = async { by_spelling(&mut *self.pool.acquire().await?, name).await };
        limited(READ_TIMEOUT, connection).await
    }

    async fn list(&self, page: &Page<'_>) -> Result<Vec<User>, UsersError> {
        let after = page.after.map_or_else(String::new, |id| id.to_string());
        limited(READ_TIMEOUT, async {
            let query = sqlx::query(LIST).bind(after).bind(like(page.needle));
            let rows = query.bind(i64::from(page.limit)).fetch_all(&self.pool).await?;
            rows.iter().map(user).collect()
        })
        .await
    }

    async fn count(&self) -> Result<u64, UsersError> {
        limited(READ_TIMEOUT, async {
            let count: i64 = sqlx::query_scalar(COUNT).fetch_one(&self.pool).await?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
        .await
    }

    async fn change(
        &self,
        id: Uuid,
        changes: &UserChanges,
        occasion: Occasion,
    ) -> Result<Updated, UsersError> {
        self.rewrite(Rewrite::of(id, occasion), |user| change(user, changes)).await
    }

    async fn rename(
        &self,
        id: Uuid,
        name: &str,
        occasion: Occasion,
    ) -> Result<Updated, UsersError> {
        let decide = |user: &mut User| {
            let is_other = user.email != name;
            name.clone_into(&mut user.email);
            // Who runs the service says that it is the user's.
            user.email_verified |= is_other;
            is_other
        };
        self.rewrite(Rewrite::of(id, occasion), decide).await
    }

    async fn set_password(
        &self,
        id: Uuid,
        new: &NewPassword,
        occasion: Occasion,
    ) -> Result<User, UsersError> {
        let spared_session = new.spared_session;
        let rewrite = Rewrite { id, occasion, password: Some(new), spared_session };
        Ok(self.rewrite(rewrite, |_| true).await?.user)
    }

    async fn replace_hash(&self, id: Uuid, old: &str, new: &str) -> Result<bool, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let query = sqlx::query(REPLACE_HASH).bind(id.to_string()).bind(old.to_owned());
            let done = query.bind(new.to_owned()).execute(&self.pool).await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn restore_demo(
        &self,
        id: Uuid,
        hash: &str,
        roles: &[String],
        occasion: Occasion,
    ) -> Result<(), UsersError> {
        let decide = |user: &mut User| {
            user.roles = roles.to_vec();
            user.disabled = false;
            true
        };
        let password = NewPassword { hash: hash.to_owned(), spared_session: None, only_at: None };
        let rewrite = Rewrite { password: Some(&password), ..Rewrite::of(id, occasion) };
        self.rewrite(rewrite, decide).await.map(|_| ())
    }

    async fn delete(&self, id: Uuid, occasion: Occasion) -> Result<User, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let Some(record) = by_id(&mut transaction, id).await? else {
                return Ok(Err(UsersError::NotFound));
            };
            if counts(&record.user, occasion)
                && !another_admin(&mut transaction, id, occasion).await?
            {
                return Ok(Err(UsersError::LastAdmin));
            }
            let generation = record.user.generation + 1;
            sqlx::query(DELETE).bind(id.to_string()).execute(&mut *transaction).await?;
            append_ending(&mut transaction, id, generation, None, EndingCause::UserDeleted).await?;
            mail::forget_user(&mut transaction, id, occasion.now_ms).await?;
            transaction.commit().await?;
            Ok(Ok(User { generation, ..record.user }))
        })
        .await?
    }

    async fn endings(
        &self,
        since: i64,
        before: i64,
        limit: u32,
    ) -> Result<Vec<SessionEnding>, UsersError> {
        limited(READ_TIMEOUT, followed::endings(&self.pool, since, before, limit)).await
    }

    async fn generations(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Generation>, UsersError> {
        limited(READ_TIMEOUT, followed::generations(&self.pool, ids)).await
    }

    async fn identity(&self) -> Result<Uuid, UsersError> {
        limited(READ_TIMEOUT, followed::identity(&self.pool)).await
    }

    async fn ping(&self) -> Result<(), UsersError> {
        limited(READ_TIMEOUT, async {
            sqlx::query(PING).fetch_optional(&self.pool).await.map(|_| ())
        })
        .await
    }

    async fn close(&self) {
        let _too_late = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

/// Why a change ends the user's sessions.
fn cause(before: &User, after: &User, has_password: bool, occasion: Occasion) -> EndingCause {
    if has_password {
        EndingCause::PasswordChanged
    } else if after.email != before.email {
        EndingCause::EmailChanged
    } else if !after.disabled || before.disabled {
        EndingCause::RolesChanged
    } else if after.demo && !occasion.demo {
        EndingCause::DemoOff
    } else {
        EndingCause::UserDisabled
    }
}

/// Whether it is that another user has the key.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the user is one of the admins of whom one must stay: a service never logs in.
fn counts(user: &User, occasion: Occasion) -> bool {
    user.roles.iter().any(|role| role == ADMIN)
        && !user.disabled
        && !user.service
        && (!user.demo || occasion.demo)
}

async fn another_admin(
    connection: &mut AnyConnection,
    id: Uuid,
    occasion: Occasion,
) -> sqlx::Result<bool> {
    let query = sqlx::query(ANOTHER_ADMIN).bind(id.to_string()).bind(i64::from(occasion.demo));
    Ok(query.fetch_optional(connection).await?.is_some())
}
