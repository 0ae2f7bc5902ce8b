//! Makes the keys of all user names anew, where a version before this one made them: in Rust, since
//! databases fold differently, and within the transaction that brings the tables up to date.

use std::collections::{HashMap, HashSet};

use sqlx::AnyConnection;
use sqlx::Row;

use super::key_of;
use super::row::{append_ending, search_key, user};
use crate::rules::trimmed;
use crate::{EndingCause, User};

/// What keys and search keys are made by; 1 was trimmed and lower-cased. INVARIANT: raised with
/// every change of what [`fold_name`](crate::fold_name) makes of a name, a new version of Unicode
/// included.
const KEY_VERSION: i64 = 2;

/// How many pairs of accounts are named that count as one name.
const NAMED: usize = 10;

const VERSION: &str = "SELECT version FROM username_keys";
const SET_VERSION: &str = "UPDATE username_keys SET version = $1";
const PAGE: &str = "SELECT id, email, email_key, search_key, first_name, last_name, roles, \
     disabled, demo, service, generation, created_at_ms, updated_at_ms, email_verified FROM users WHERE id > $1 \
     ORDER BY id LIMIT 1000";
const BY_KEY: &str = "SELECT id, email FROM users WHERE email_key = $1";
const SET_KEY: &str = "UPDATE users SET email_key = $2 WHERE id = $1";
const SET_NAMES: &str = "UPDATE users SET email = $2, email_key = $3, search_key = $4, \
     first_name = $5, last_name = $6, generation = $7 WHERE id = $1";

/// A user whose row will be another one.
struct Change {
    /// The user name as it is stored.
    name: String,
    user: User,
}

/// Why keys were not made anew.
pub(super) enum RekeyError {
    /// A version after this one has made them.
    Newer,
    /// These accounts, two by two, count as one name from now on.
    SameName(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for RekeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Makes all keys anew if that is due, and trims the names they are made of.
pub(super) async fn rekey(connection: &mut AnyConnection) -> Result<(), RekeyError> {
    let version: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *connection).await?;
    if version > KEY_VERSION {
        return Err(RekeyError::Newer);
    }
    if version == KEY_VERSION {
        return Ok(());
    }
    let changes = changes(connection).await?;
    refuse_same_names(connection, &changes).await?;
    // First out of the way: a new key may be the old one of another user who changes too.
    for Change { user, .. } in &changes {
        let query = sqlx::query(SET_KEY).bind(user.id.to_string());
        query.bind(format!("\n{}", user.id)).execute(&mut *connection).await?;
    }
    for change in &changes {
        write(connection, change).await?;
    }
    sqlx::query(SET_VERSION).bind(KEY_VERSION).execute(connection).await?;
    Ok(())
}

/// The users whose row will be another one. Sessions carry the user name, so that a trimmed one
/// ends them.
async fn changes(connection: &mut AnyConnection) -> sqlx::Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut last = String::new();
    loop {
        let rows = sqlx::query(PAGE).bind(last.clone()).fetch_all(&mut *connection).await?;
        let Some(row) = rows.last() else { return Ok(changes) };
        last = row.try_get("id")?;
        for row in &rows {
            let before = user(row)?;
            let email = before.email.trim().to_owned();
            let after = User {
                generation: before.generation + i64::from(email != before.email),
                email,
                first_name: trimmed(before.first_name.clone()),
                last_name: trimmed(before.last_name.clone()),
                ..before.clone()
            };
            let keys: [String; 2] = [row.try_get("email_key")?, row.try_get("search_key")?];
            if before != after || keys != [key_of(&after), search_key(&after)] {
                changes.push(Change { name: before.email, user: after });
            }
        }
    }
}

/// Whether two users would have one key: two who change, or one who does and one who does not.
async fn refuse_same_names(
    connection: &mut AnyConnection,
    changes: &[Change],
) -> Result<(), RekeyError> {
    let ids: HashSet<_> = changes.iter().map(|change| change.user.id.to_string()).collect();
    let mut names = HashMap::new();
    let mut pairs = Vec::new();
    for Change { name, user } in changes {
        let this = (user.id.to_string(), name.clone());
        let key = key_of(user);
        let row = sqlx::query(BY_KEY).bind(key.clone()).fetch_optional(&mut *connection).await?;
        let holder = match row {
            Some(row) => Some((row.try_get::<String, _>("id")?, row.try_get("email")?)),
            None => None,
        };
        let holder = holder.filter(|(id, _)| !ids.contains(id));
        if let Some(other) = names.insert(key, this.clone()).or(holder) {
            pairs.push(pair(&other, &this));
        }
        if pairs.len() == NAMED {
            break;
        }
    }
    if pairs.is_empty() { Ok(()) } else { Err(RekeyError::SameName(pairs.join("; "))) }
}

fn pair(one: &(String, String), other: &(String, String)) -> String {
    let [one, other] = [one, other].map(|(id, name)| format!("{name:?} (id {id})"));
    format!("{one} and {other}")
}

async fn write(connection: &mut AnyConnection, change: &Change) -> sqlx::Result<()> {
    let Change { name, user } = change;
    let query = sqlx::query(SET_NAMES)
        .bind(user.id.to_string())
        .bind(user.email.clone())
        .bind(key_of(user))
        .bind(search_key(user))
        .bind(user.first_name.clone())
        .bind(user.last_name.clone())
        .bind(user.generation);
    query.execute(&mut *connection).await?;
    if *name != user.email {
        let cause = EndingCause::EmailChanged;
        append_ending(connection, user.id, user.generation, None, cause).await?;
    }
    Ok(())
}
