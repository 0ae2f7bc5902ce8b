//! Users as rows: written, read, and made searchable.

use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{MAX_STORED_ENDINGS, Record, key_of};
use crate::casefold::casefold;
use crate::{ADMIN, EndingCause, Generation, SessionEnding, User};

const INSERT: &str = "INSERT INTO users (id, email, email_key, search_key, first_name, last_name, \
     roles, is_admin, disabled, demo, service, password_hash, generation, created_at_ms, updated_at_ms, \
     email_verified) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
     ON CONFLICT (email_key) DO NOTHING";
const BY_ID: &str = "SELECT id, email, first_name, last_name, roles, disabled, demo, service, \
     password_hash, generation, created_at_ms, updated_at_ms, email_verified FROM users WHERE id = $1";
const BY_KEY: &str = "SELECT id, email, first_name, last_name, roles, disabled, demo, service, \
     password_hash, generation, created_at_ms, updated_at_ms, email_verified FROM users WHERE email_key = $1";
const BY_SPELLING: &str = "SELECT id, email, first_name, last_name, roles, disabled, demo, service, \
     password_hash, generation, created_at_ms, updated_at_ms, email_verified FROM users WHERE email = $1 \
     ORDER BY id LIMIT 1";
const UPDATE: &str = "UPDATE users SET search_key = $2, first_name = $3, last_name = $4, \
     roles = $5, is_admin = $6, disabled = $7, generation = $8, updated_at_ms = $9, \
     email_verified = $10 WHERE id = $1";
const SET_NAME: &str = "UPDATE users SET email = $2, email_key = $3 WHERE id = $1";
const INSERT_ENDING: &str = "INSERT INTO session_endings (user_id, generation, kept_session, \
     cause) VALUES ($1, $2, $3, $4) RETURNING seq";
const FORGET_ENDINGS: &str = "DELETE FROM session_endings WHERE seq <= $1";

pub(super) async fn insert(connection: &mut AnyConnection, record: &Record) -> sqlx::Result<bool> {
    let user = &record.user;
    let query = sqlx::query(INSERT)
        .bind(user.id.to_string())
        .bind(user.email.clone())
        .bind(key_of(user))
        .bind(search_key(user))
        .bind(user.first_name.clone())
        .bind(user.last_name.clone())
        .bind(user.roles.join(" "))
        .bind(is_admin(user))
        .bind(i64::from(user.disabled))
        .bind(i64::from(user.demo))
        .bind(i64::from(user.service))
        .bind(record.password_hash.clone())
        .bind(user.generation)
        .bind(user.created_at_ms)
        .bind(user.updated_at_ms)
        .bind(i64::from(user.email_verified));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

pub(super) async fn update(connection: &mut AnyConnection, user: &User) -> sqlx::Result<()> {
    let query = sqlx::query(UPDATE)
        .bind(user.id.to_string())
        .bind(search_key(user))
        .bind(user.first_name.clone())
        .bind(user.last_name.clone())
        .bind(user.roles.join(" "))
        .bind(is_admin(user))
        .bind(i64::from(user.disabled))
        .bind(user.generation)
        .bind(user.updated_at_ms)
        .bind(i64::from(user.email_verified));
    query.execute(connection).await.map(|_| ())
}

pub(super) async fn set_name(connection: &mut AnyConnection, user: &User) -> sqlx::Result<()> {
    let query = sqlx::query(SET_NAME).bind(user.id.to_string()).bind(user.email.clone());
    query.bind(key_of(user)).execute(connection).await.map(|_| ())
}

pub(super) async fn append_ending(
    connection: &mut AnyConnection,
    id: Uuid,
    generation: Generation,
    spared_session: Option<Uuid>,
    cause: EndingCause,
) -> sqlx::Result<()> {
    let query = sqlx::query_scalar(INSERT_ENDING).bind(id.to_string()).bind(generation);
    let query = query.bind(spared_session.map(|id| id.to_string())).bind(cause.as_str());
    let seq: i64 = query.fetch_one(&mut *connection).await?;
    sqlx::query(FORGET_ENDINGS).bind(seq - MAX_STORED_ENDINGS).execute(connection).await.map(|_| ())
}

pub(super) async fn by_id(
    connection: &mut AnyConnection,
    id: Uuid,
) -> sqlx::Result<Option<Record>> {
    fetch(connection, BY_ID, id.to_string()).await
}

pub(super) async fn by_key(
    connection: &mut AnyConnection,
    key: &str,
) -> sqlx::Result<Option<Record>> {
    fetch(connection, BY_KEY, key.to_owned()).await
}

pub(super) async fn by_spelling(
    connection: &mut AnyConnection,
    name: &str,
) -> sqlx::Result<Option<Record>> {
    fetch(connection, BY_SPELLING, name.to_owned()).await
}

async fn fetch(
    connection: &mut AnyConnection,
    statement: &'static str,
    key: String,
) -> sqlx::Result<Option<Record>> {
    let row = sqlx::query(statement).bind(key).fetch_optional(connection).await?;
    row.map(|row| Ok(Record { user: user(&row)?, password_hash: row.try_get("password_hash")? }))
        .transpose()
}

pub(super) fn user(row: &AnyRow) -> sqlx::Result<User> {
    let roles: String = row.try_get("roles")?;
    Ok(User {
        id: id(row, "id")?,
        email: row.try_get("email")?,
        email_verified: flag(row, "email_verified")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        roles: roles.split(' ').map(str::to_owned).collect(),
        disabled: flag(row, "disabled")?,
        demo: flag(row, "demo")?,
        service: flag(row, "service")?,
        generation: row.try_get("generation")?,
        created_at_ms: row.try_get("created_at_ms")?,
        updated_at_ms: row.try_get("updated_at_ms")?,
    })
}

pub(super) fn ending(row: &AnyRow) -> sqlx::Result<SessionEnding> {
    let spared: Option<String> = row.try_get("kept_session")?;
    Ok(SessionEnding {
        seq: row.try_get("seq")?,
        user_id: id(row, "user_id")?,
        generation: row.try_get("generation")?,
        spared_session: spared.as_deref().map(parse_id).transpose()?,
        cause: row.try_get::<Option<String>, _>("cause")?.as_deref().and_then(EndingCause::parse),
    })
}

pub(super) fn id(row: &AnyRow, column: &str) -> sqlx::Result<Uuid> {
    parse_id(&row.try_get::<String, _>(column)?)
}

pub(super) fn parse_id(text: &str) -> sqlx::Result<Uuid> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn flag(row: &AnyRow, column: &str) -> sqlx::Result<bool> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

fn is_admin(user: &User) -> i64 {
    i64::from(user.roles.iter().any(|role| role == ADMIN))
}

/// What a search looks through, folded here because databases fold differently.
pub(super) fn search_key(user: &User) -> String {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let (first, last) = (name(&user.first_name), name(&user.last_name));
    casefold(&format!("{}\n{first} {last}", user.email))
}

/// A pattern for what contains `needle`, which is meant literally.
pub(super) fn like(needle: &str) -> String {
    let mut pattern = String::from("%");
    for c in needle.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
