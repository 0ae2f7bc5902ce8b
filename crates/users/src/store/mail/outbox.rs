//! The outbox as rows: put there, read, decided, removed.

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Row as _, Transaction};
use uuid::Uuid;

use super::{NewMail, NewTicket, tickets};
use crate::mail::{Backlog, Decision, EndingToken, MailKind, QueuedMail};
use crate::store::row::{by_id, id, parse_id};
use crate::{Generation, Ticket};

const INSERT: &str = "INSERT INTO mail_outbox (id, kind, user_id, address, generation, \
     spared_session, password_hash, first_name, last_name, device, ip, created_at_ms, due_at_ms, \
     attempts, token_name, token_ends_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 0, $13, $14)";
const NEXT: &str = "SELECT id, kind, user_id, address, generation, ticket, device, ip, \
     created_at_ms, attempts, token_name, token_ends_ms FROM mail_outbox WHERE due_at_ms <= $1 ORDER BY due_at_ms, id LIMIT 1";
const BACKLOG: &str = "SELECT COUNT(*) AS waiting, MIN(created_at_ms) AS oldest FROM mail_outbox";
const REQUEST: &str = "SELECT spared_session, password_hash, first_name, last_name FROM mail_outbox \
     WHERE id = $1 AND kind = $2";
/// What a sign-up chose is with its ticket from here on.
const SETTLE: &str = "UPDATE mail_outbox SET kind = $2, user_id = $3, address = $4, \
     generation = $5, ticket = $6, password_hash = NULL, first_name = NULL, last_name = NULL, \
     spared_session = NULL WHERE id = $1";
const DELETE: &str = "DELETE FROM mail_outbox WHERE id = $1";
const POSTPONE: &str =
    "UPDATE mail_outbox SET due_at_ms = $2, attempts = attempts + 1 WHERE id = $1";
const LEASE: &str = "UPDATE mail_sender SET holder = $1, lease_until = $3 \
     WHERE holder = $1 OR lease_until <= $2";
const RELEASE: &str = "UPDATE mail_sender SET lease_until = 0 WHERE holder = $1";

pub(in crate::store) async fn insert(
    connection: &mut AnyConnection,
    mail: &NewMail,
) -> sqlx::Result<()> {
    let sign_up = mail.sign_up.clone();
    let (hash, first, last) = match sign_up {
        Some(chosen) => (Some(chosen.password_hash), chosen.first_name, chosen.last_name),
        None => (None, None, None),
    };
    let (device, ip) = mail.device.clone().unzip();
    let query = sqlx::query(INSERT)
        .bind(mail.id.to_string())
        .bind(mail.kind.name())
        .bind(mail.user.map(|(id, _)| id.to_string()))
        .bind(mail.address.clone())
        .bind(mail.user.map_or(0, |(_, generation)| generation))
        .bind(mail.spared_session.map(|id| id.to_string()))
        .bind(hash)
        .bind(first)
        .bind(last)
        .bind(device)
        .bind(ip)
        .bind(mail.now_ms)
        .bind(mail.token.as_ref().and_then(|(name, _)| name.clone()))
        .bind(mail.token.as_ref().map(|(_, ends_at_ms)| *ends_at_ms));
    query.execute(connection).await.map(|_| ())
}

pub(super) async fn next(
    connection: &mut AnyConnection,
    now_ms: i64,
) -> sqlx::Result<Option<QueuedMail>> {
    let row = sqlx::query(NEXT).bind(now_ms).fetch_optional(connection).await?;
    row.map(|row| mail(&row)).transpose()
}

fn mail(row: &AnyRow) -> sqlx::Result<QueuedMail> {
    let kind = MailKind::from_name(&row.try_get::<String, _>("kind")?);
    let unknown = || sqlx::Error::Decode("a mail of a kind that is not known".into());
    let user_id: Option<String> = row.try_get("user_id")?;
    let ticket: Option<String> = row.try_get("ticket")?;
    let ip: Option<String> = row.try_get("ip")?;
    let (name, ends): (_, Option<i64>) =
        (row.try_get("token_name")?, row.try_get("token_ends_ms")?);
    Ok(QueuedMail {
        id: id(row, "id")?,
        kind: kind.ok_or_else(unknown)?,
        user_id: user_id.as_deref().map(parse_id).transpose()?,
        address: row.try_get("address")?,
        ticket: ticket.as_deref().and_then(Ticket::read),
        device: row.try_get("device")?,
        ip: ip.and_then(|ip| ip.parse().ok()),
        token: ends.map(|ends_at_ms| EndingToken { name, ends_at_ms }),
        created_at_ms: row.try_get("created_at_ms")?,
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        generation: row.try_get("generation")?,
    })
}

pub(super) async fn backlog(connection: &mut AnyConnection) -> sqlx::Result<Backlog> {
    let row = sqlx::query(BACKLOG).fetch_one(connection).await?;
    let count: i64 = row.try_get("waiting")?;
    Ok(Backlog { count: u64::try_from(count).unwrap_or(0), oldest_ms: row.try_get("oldest")? })
}

/// Within one transaction, so that of a request and a mail with its ticket there is always one.
pub(super) async fn settle(
    transaction: &mut Transaction<'static, Any>,
    request: &QueuedMail,
    decision: &Decision,
    ticket: Option<&NewTicket>,
) -> sqlx::Result<Option<QueuedMail>> {
    let query = sqlx::query(REQUEST).bind(request.id.to_string()).bind(request.kind.name());
    let Some(row) = query.fetch_optional(&mut **transaction).await? else {
        return Ok(None);
    };
    if !is_unchanged(transaction, decision.user).await? {
        remove(transaction, request.id).await?;
        return Ok(None);
    }
    if let (Some(ticket), Some(purpose)) = (ticket, decision.kind.purpose()) {
        tickets::make(transaction, ticket, purpose, decision, &row).await?;
    }
    let text = ticket.map(|ticket| ticket.text.clone());
    let query = sqlx::query(SETTLE)
        .bind(request.id.to_string())
        .bind(decision.kind.name())
        .bind(decision.user.map(|(id, _)| id.to_string()))
        .bind(decision.address.clone())
        .bind(decision.user.map_or(0, |(_, generation)| generation))
        .bind(text.clone());
    query.execute(&mut **transaction).await?;
    Ok(Some(QueuedMail {
        kind: decision.kind,
        user_id: decision.user.map(|(id, _)| id),
        address: decision.address.clone(),
        ticket: text.as_deref().and_then(Ticket::read),
        ..request.clone()
    }))
}

/// Whether a user is as they were when something was decided about them.
async fn is_unchanged(
    connection: &mut AnyConnection,
    user: Option<(Uuid, Generation)>,
) -> sqlx::Result<bool> {
    let Some((id, generation)) = user else { return Ok(true) };
    let now = by_id(connection, id).await?;
    Ok(now.is_some_and(|now| now.user.generation == generation && !now.user.disabled))
}

pub(super) async fn remove(connection: &mut AnyConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(DELETE).bind(id.to_string()).execute(connection).await.map(|_| ())
}

pub(super) async fn postpone(
    connection: &mut AnyConnection,
    id: Uuid,
    due_at_ms: i64,
) -> sqlx::Result<()> {
    let query = sqlx::query(POSTPONE).bind(id.to_string()).bind(due_at_ms);
    query.execute(connection).await.map(|_| ())
}

pub(super) async fn lease(
    connection: &mut AnyConnection,
    holder: Uuid,
    now_ms: i64,
    until_ms: i64,
) -> sqlx::Result<bool> {
    let query = sqlx::query(LEASE).bind(holder.to_string()).bind(now_ms).bind(until_ms);
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

pub(super) async fn release(connection: &mut AnyConnection, holder: Uuid) -> sqlx::Result<()> {
    sqlx::query(RELEASE).bind(holder.to_string()).execute(connection).await.map(|_| ())
}
