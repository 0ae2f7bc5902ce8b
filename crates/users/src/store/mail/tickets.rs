//! Tickets as rows. One that is used, over or replaced is deleted, and remembered as spent.

use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

use super::{NewTicket, StoredTicket};
use crate::mail::Decision;
use crate::store::row::parse_id;
use crate::{TicketPurpose, UsersError, email};

/// How long a ticket that is over is left where it is: longer than its mail, which may not have been
/// sent yet, is tried.
const LEFT_FOR: Duration = Duration::from_hours(25);
/// How long a spent ticket is told from one that never was.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);

const INSERT: &str = "INSERT INTO mail_tickets (digest, purpose, user_id, address, address_key, \
     generation, spared_session, password_hash, first_name, last_name, wrong_passwords, \
     expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)";
const FIND: &str = "SELECT purpose, user_id, address, address_key, generation, spared_session, \
     password_hash, first_name, last_name, wrong_passwords FROM mail_tickets \
     WHERE digest = $1 AND expires_at_ms > $2";
const USE: &str = "DELETE FROM mail_tickets WHERE digest = $1 AND purpose = $2 \
     AND expires_at_ms > $3 RETURNING purpose, user_id, address, address_key, generation, \
     spared_session, password_hash, first_name, last_name, wrong_passwords";
const TRY: &str = "UPDATE mail_tickets SET wrong_passwords = wrong_passwords + 1 \
     WHERE digest = $1 AND purpose = 'sign_up' AND expires_at_ms > $2 AND wrong_passwords < $3 \
     RETURNING purpose, user_id, address, address_key, generation, spared_session, password_hash, \
     first_name, last_name, wrong_passwords";
const REFUND_TRY: &str = "UPDATE mail_tickets SET wrong_passwords = wrong_passwords - 1 \
     WHERE digest = $1 AND wrong_passwords > 0";
const PENDING: &str = "SELECT address FROM mail_tickets WHERE address_key = $1 \
     AND purpose = 'sign_up' AND expires_at_ms > $2 ORDER BY expires_at_ms DESC LIMIT 1";
const PROLONG: &str = "UPDATE mail_tickets SET expires_at_ms = $2 WHERE digest = $1";
const EVER_WAS: &str = "SELECT 1 AS one FROM mail_tickets WHERE digest = $1 \
     UNION ALL SELECT 1 FROM mail_tickets_spent WHERE digest = $1 LIMIT 1";

const REMEMBER: &str = "INSERT INTO mail_tickets_spent (digest, forget_ms) VALUES ($1, $2) \
     ON CONFLICT (digest) DO NOTHING";
const SPEND: &str = "DELETE FROM mail_tickets WHERE digest = $1";
const REMEMBER_OF_USER: &str = "INSERT INTO mail_tickets_spent (digest, forget_ms) \
     SELECT digest, $2 FROM mail_tickets WHERE user_id = $1 ON CONFLICT (digest) DO NOTHING";
const SPEND_OF_USER: &str = "DELETE FROM mail_tickets WHERE user_id = $1";
const REMEMBER_OF_PURPOSE: &str = "INSERT INTO mail_tickets_spent (digest, forget_ms) \
     SELECT digest, $2 FROM mail_tickets WHERE user_id = $1 AND purpose = $3 \
     ON CONFLICT (digest) DO NOTHING";
const SPEND_OF_PURPOSE: &str = "DELETE FROM mail_tickets WHERE user_id = $1 AND purpose = $2";
const REMEMBER_SIGN_UPS: &str = "INSERT INTO mail_tickets_spent (digest, forget_ms) \
     SELECT digest, $2 FROM mail_tickets WHERE address_key = $1 AND purpose = 'sign_up' \
     ON CONFLICT (digest) DO NOTHING";
const SPEND_SIGN_UPS: &str =
    "DELETE FROM mail_tickets WHERE address_key = $1 AND purpose = 'sign_up'";
const REMEMBER_EXPIRED: &str = "INSERT INTO mail_tickets_spent (digest, forget_ms) \
     SELECT digest, $2 FROM mail_tickets WHERE expires_at_ms <= $1 ON CONFLICT (digest) DO NOTHING";
const SPEND_EXPIRED: &str = "DELETE FROM mail_tickets WHERE expires_at_ms <= $1";
const FORGET: &str = "DELETE FROM mail_tickets_spent WHERE forget_ms <= $1";
const FORGET_DEVICES: &str = "DELETE FROM user_devices WHERE user_id = $1";

/// Makes the ticket of a mail. One of its purpose that the user had before ends; sign-ups have no user.
pub(super) async fn make(
    connection: &mut AnyConnection,
    ticket: &NewTicket,
    purpose: TicketPurpose,
    decision: &Decision,
    request: &AnyRow,
) -> sqlx::Result<()> {
    if let Some((user, _)) = decision.user {
        end_of_purpose(connection, user, purpose, ticket.expires_at_ms).await?;
    }
    let query = sqlx::query(INSERT)
        .bind(ticket.digest.clone())
        .bind(purpose.name())
        .bind(decision.user.map(|(id, _)| id.to_string()))
        .bind(decision.address.clone())
        .bind(email::fold_name(&decision.address))
        .bind(decision.user.map_or(0, |(_, generation)| generation))
        .bind(request.try_get::<Option<String>, _>("spared_session")?)
        .bind(request.try_get::<Option<String>, _>("password_hash")?)
        .bind(request.try_get::<Option<String>, _>("first_name")?)
        .bind(request.try_get::<Option<String>, _>("last_name")?)
        .bind(ticket.expires_at_ms);
    query.execute(connection).await.map(|_| ())
}

/// The ticket that is good now.
pub(super) async fn find(
    connection: &mut AnyConnection,
    digest: &str,
    now_ms: i64,
) -> sqlx::Result<Result<StoredTicket, UsersError>> {
    let query = sqlx::query(FIND).bind(digest.to_owned()).bind(now_ms);
    match query.fetch_optional(&mut *connection).await? {
        Some(row) => stored(&row).map(Ok),
        None => why_not(connection, digest).await.map(Err),
    }
}

/// Uses a ticket up. INVARIANT: by one statement, so that of any number at once one does.
pub(super) async fn redeem(
    connection: &mut AnyConnection,
    digest: &str,
    purpose: TicketPurpose,
    now_ms: i64,
) -> sqlx::Result<Result<StoredTicket, UsersError>> {
    let query = sqlx::query(USE).bind(digest.to_owned()).bind(purpose.name()).bind(now_ms);
    match query.fetch_optional(&mut *connection).await? {
        Some(row) => {
            remember(connection, digest, now_ms).await?;
            stored(&row).map(Ok)
        }
        None => why_not(connection, digest).await.map(Err),
    }
}

/// INVARIANT: a try is counted before the password is looked at, so that of any number at once no
/// more are looked at than are left.
pub(super) async fn count_try(
    connection: &mut AnyConnection,
    digest: &str,
    limit: i64,
    now_ms: i64,
) -> sqlx::Result<Result<StoredTicket, UsersError>> {
    let query = sqlx::query(TRY).bind(digest.to_owned()).bind(now_ms).bind(limit);
    match query.fetch_optional(&mut *connection).await? {
        Some(row) => stored(&row).map(Ok),
        None => why_not(connection, digest).await.map(Err),
    }
}

pub(super) async fn refund_try(connection: &mut AnyConnection, digest: &str) -> sqlx::Result<()> {
    sqlx::query(REFUND_TRY).bind(digest.to_owned()).execute(connection).await.map(|_| ())
}

pub(super) async fn pending_sign_up(
    connection: &mut AnyConnection,
    key: &str,
    now_ms: i64,
) -> sqlx::Result<Option<String>> {
    let query = sqlx::query_scalar(PENDING).bind(key.to_owned()).bind(now_ms);
    query.fetch_optional(connection).await
}

pub(super) async fn prolong(
    connection: &mut AnyConnection,
    digest: &str,
    expires_at_ms: i64,
) -> sqlx::Result<bool> {
    let query = sqlx::query(PROLONG).bind(digest.to_owned()).bind(expires_at_ms);
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

pub(super) async fn spend(
    connection: &mut AnyConnection,
    digest: &str,
    now_ms: i64,
) -> sqlx::Result<()> {
    remember(connection, digest, now_ms).await?;
    sqlx::query(SPEND).bind(digest.to_owned()).execute(connection).await.map(|_| ())
}

/// Ends all of a user's tickets.
pub(in crate::store) async fn end_all(
    connection: &mut AnyConnection,
    user: Uuid,
    now_ms: i64,
) -> sqlx::Result<()> {
    let query = sqlx::query(REMEMBER_OF_USER).bind(user.to_string()).bind(until(now_ms));
    query.execute(&mut *connection).await?;
    sqlx::query(SPEND_OF_USER).bind(user.to_string()).execute(connection).await.map(|_| ())
}

/// Forgets what is stored about a user who is deleted, beside the account.
pub(in crate::store) async fn forget_user(
    connection: &mut AnyConnection,
    user: Uuid,
    now_ms: i64,
) -> sqlx::Result<()> {
    end_all(connection, user, now_ms).await?;
    sqlx::query(FORGET_DEVICES).bind(user.to_string()).execute(connection).await.map(|_| ())
}

/// Ends all tickets that sign-ups with an address were given.
pub(super) async fn end_sign_ups(
    connection: &mut AnyConnection,
    key: &str,
    now_ms: i64,
) -> sqlx::Result<()> {
    let query = sqlx::query(REMEMBER_SIGN_UPS).bind(key.to_owned()).bind(until(now_ms));
    query.execute(&mut *connection).await?;
    sqlx::query(SPEND_SIGN_UPS).bind(key.to_owned()).execute(connection).await.map(|_| ())
}

pub(super) async fn clear(connection: &mut AnyConnection, now_ms: i64) -> sqlx::Result<()> {
    let over_ms = now_ms.saturating_sub(milliseconds(LEFT_FOR));
    let query = sqlx::query(REMEMBER_EXPIRED).bind(over_ms).bind(until(now_ms));
    query.execute(&mut *connection).await?;
    sqlx::query(SPEND_EXPIRED).bind(over_ms).execute(&mut *connection).await?;
    sqlx::query(FORGET).bind(now_ms).execute(connection).await.map(|_| ())
}

async fn end_of_purpose(
    connection: &mut AnyConnection,
    user: Uuid,
    purpose: TicketPurpose,
    now_ms: i64,
) -> sqlx::Result<()> {
    let (user, purpose) = (user.to_string(), purpose.name());
    let query = sqlx::query(REMEMBER_OF_PURPOSE).bind(user.clone()).bind(until(now_ms));
    query.bind(purpose).execute(&mut *connection).await?;
    sqlx::query(SPEND_OF_PURPOSE).bind(user).bind(purpose).execute(connection).await.map(|_| ())
}

async fn remember(connection: &mut AnyConnection, digest: &str, now_ms: i64) -> sqlx::Result<()> {
    let query = sqlx::query(REMEMBER).bind(digest.to_owned()).bind(until(now_ms));
    query.execute(connection).await.map(|_| ())
}

/// Why there is no good ticket of that digest.
async fn why_not(connection: &mut AnyConnection, digest: &str) -> sqlx::Result<UsersError> {
    let query = sqlx::query(EVER_WAS).bind(digest.to_owned());
    let ever_was = query.fetch_optional(connection).await?.is_some();
    Ok(if ever_was { UsersError::TicketSpent } else { UsersError::NotFound })
}

fn until(now_ms: i64) -> i64 {
    now_ms.saturating_add(milliseconds(REMEMBERED))
}

fn milliseconds(period: Duration) -> i64 {
    i64::try_from(period.as_millis()).unwrap_or(i64::MAX)
}

fn stored(row: &AnyRow) -> sqlx::Result<StoredTicket> {
    let purpose = TicketPurpose::from_name(&row.try_get::<String, _>("purpose")?);
    let unknown = || sqlx::Error::Decode("a ticket of a purpose that is not known".into());
    let id = |column: &str| {
        let text: Option<String> = row.try_get(column)?;
        text.as_deref().map(parse_id).transpose()
    };
    Ok(StoredTicket {
        purpose: purpose.ok_or_else(unknown)?,
        user_id: id("user_id")?,
        address: row.try_get("address")?,
        address_key: row.try_get("address_key")?,
        generation: row.try_get("generation")?,
        spared_session: id("spared_session")?,
        password_hash: row.try_get("password_hash")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        wrong_passwords: row.try_get("wrong_passwords")?,
    })
}
