//! From where users have logged in: digests of addresses and user agents, with their latest login.

use std::time::Duration;

use sqlx::{Any, AnyConnection, Row as _, Transaction};

use super::Login;

/// As long as a device is no new one.
const SEEN_WITHIN: Duration = Duration::from_hours(30 * 24);
/// A login within this time after another from there writes nothing.
const WRITTEN_WITHIN: Duration = Duration::from_hours(24);
/// How many devices of a user are remembered.
const MOST: usize = 200;

const SEEN: &str = "SELECT seen_at_ms FROM user_devices WHERE user_id = $1 AND device = $2";
const ALL: &str = "SELECT device, seen_at_ms FROM user_devices WHERE user_id = $1 \
     ORDER BY seen_at_ms DESC, device";
const SEE: &str = "INSERT INTO user_devices (user_id, device, seen_at_ms) VALUES ($1, $2, $3) \
     ON CONFLICT (user_id, device) DO UPDATE SET seen_at_ms = excluded.seen_at_ms";
const FORGET: &str = "DELETE FROM user_devices WHERE user_id = $1 AND seen_at_ms <= $2";

/// Whether the login before from there was so short a time ago that nothing has to be written.
pub(super) async fn is_recent(connection: &mut AnyConnection, login: &Login) -> sqlx::Result<bool> {
    let query = sqlx::query_scalar(SEEN).bind(login.user_id.to_string());
    let seen: Option<i64> = query.bind(login.device.clone()).fetch_optional(connection).await?;
    Ok(seen.is_some_and(|seen| seen > before(login, WRITTEN_WITHIN)))
}

/// Whether the login comes from where there was none within 30 days, the user's very first aside.
/// Where it does, and where it does not, the device is remembered as seen now.
pub(super) async fn see(
    transaction: &mut Transaction<'static, Any>,
    login: &Login,
) -> sqlx::Result<bool> {
    let user = login.user_id.to_string();
    let rows = sqlx::query(ALL).bind(user.clone()).fetch_all(&mut **transaction).await?;
    let forgotten = before(login, SEEN_WITHIN);
    let mut is_new = !rows.is_empty();
    let mut cut = forgotten;
    for (index, row) in rows.iter().enumerate() {
        let seen: i64 = row.try_get("seen_at_ms")?;
        let device: String = row.try_get("device")?;
        is_new &= device != login.device || seen <= forgotten;
        if index + 1 == MOST {
            cut = cut.max(seen);
        }
    }
    sqlx::query(FORGET).bind(user.clone()).bind(cut).execute(&mut **transaction).await?;
    let query = sqlx::query(SEE).bind(user).bind(login.device.clone());
    query.bind(login.note.now_ms).execute(&mut **transaction).await?;
    Ok(is_new)
}

fn before(login: &Login, period: Duration) -> i64 {
    login.note.now_ms.saturating_sub(i64::try_from(period.as_millis()).unwrap_or(i64::MAX))
}
