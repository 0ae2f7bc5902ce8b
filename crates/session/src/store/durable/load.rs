//! Reading the file at the start: the anchor, what the store knows of itself, and all sessions.

use std::sync::Arc;
use std::time::Duration;

use clock::{Boot, Clock};
use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::about::About;
use super::file::SessionFile;
use super::rows::attempt_key;
use super::schema::{SessionFileError, refusal};
use super::timeline::Anchor;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::{Change, Row};
use crate::store::memory::journaled::Loaded;
use crate::{AttemptKey, SessionId};

const ANCHOR: &str = "SELECT timeline_ms, unix_ms, boot_id, boot_ms FROM anchor";
const ABOUT: &str = "SELECT name, value FROM about";
const SESSIONS: &str = "SELECT id, record, used_ms, uses, stored_values FROM sessions";
const ADDRESSES: &str = "SELECT key, until_ms FROM known_addresses ORDER BY until_ms";
const FORGET_ADDRESSES: &str = "DELETE FROM known_addresses WHERE until_ms <= ?1";

/// How often the log says how far the start is, where there is much to read.
const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// After how many sessions the clock is looked at.
const IN_A_ROW: u64 = 4096;

/// How many sessions a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) live: u64,
    pub(super) expired: u64,
}

/// Where the timeline was when the service stopped; none in a new file.
pub(super) async fn anchor(file: &mut SessionFile) -> Result<Option<Anchor>, SessionFileError> {
    type Columns = (i64, i64, Option<String>, Option<i64>);
    let found = sqlx::query_as::<_, Columns>(ANCHOR).fetch_optional(connection(file)?).await;
    let found = found.map_err(|error| refusal(file.path(), &error))?;
    Ok(found.map(|(timeline_ms, unix_ms, boot_id, boot_ms)| Anchor {
        timeline: millis(timeline_ms),
        unix_ms,
        boot: boot_id.zip(boot_ms).map(|(id, since)| Boot { id, since: millis(since) }),
    }))
}

/// What the store knows of itself.
pub(super) async fn about(file: &mut SessionFile) -> Result<About, SessionFileError> {
    let rows = sqlx::query_as::<_, (String, String)>(ABOUT).fetch_all(connection(file)?).await;
    let rows = rows.map_err(|error| refusal(file.path(), &error))?;
    Ok(About::of(rows))
}

/// The addresses from which accounts were logged in to, the soonest forgotten first.
pub(super) async fn addresses(
    file: &mut SessionFile,
    now_ms: i64,
) -> Result<Vec<(AttemptKey, u64)>, SessionFileError> {
    let read = async |connection: &mut SqliteConnection| {
        sqlx::query(FORGET_ADDRESSES).bind(now_ms).execute(&mut *connection).await?;
        sqlx::query_as::<_, (Vec<u8>, i64)>(ADDRESSES).fetch_all(connection).await
    };
    let rows = read(connection(file)?).await.map_err(|error| refusal(file.path(), &error))?;
    let address =
        |(key, until): (Vec<u8>, i64)| Some((attempt_key(&key)?, u64::try_from(until).ok()?));
    Ok(rows.into_iter().filter_map(address).collect())
}

/// Takes all live sessions into memory; what has expired meanwhile is put down as ended.
pub(super) async fn sessions(
    file: &mut SessionFile,
    memory: &MemoryStore,
    clock: &Arc<dyn Clock>,
) -> Result<Found, SessionFileError> {
    let path = file.path().to_owned();
    let refused = |error: sqlx::Error| refusal(&path, &error);
    let (mut found, mut expired) = (Found::default(), Vec::new());
    let mut last_logged = clock.now();
    let mut rows = sqlx::query(SESSIONS).fetch(connection(file)?);
    while let Some(row) = rows.try_next().await.map_err(refused)? {
        let damaged = |what: &str| {
            let (path, reason) = (path.clone(), what.to_owned());
            SessionFileError::Damaged { path, reason }
        };
        let (id, stored, values) = columns(&row).ok_or_else(|| damaged("a session has no id"))?;
        match memory.load(id, &stored, values) {
            Loaded::Live => found.live += 1,
            Loaded::Expired => {
                found.expired += 1;
                expired.push(Change::Ended(id));
            }
            Loaded::Unreadable => return Err(damaged(&format!("session {id} is unreadable"))),
        }
        if found.live % IN_A_ROW == 0 && clock.now().saturating_sub(last_logged) > BETWEEN_LINES {
            last_logged = clock.now();
            tracing::info!(sessions = found.live, "still loading sessions");
        }
    }
    memory.changes().push_all(expired);
    Ok(found)
}

fn columns(row: &SqliteRow) -> Option<(SessionId, Row, Option<&[u8]>)> {
    let id = Uuid::from_slice(row.try_get(0).ok()?).ok()?;
    let record: &[u8] = row.try_get(1).ok()?;
    let used_ms = u64::try_from(row.try_get::<i64, _>(2).ok()?).ok()?;
    let uses = u32::try_from(row.try_get::<i64, _>(3).ok()?).ok()?;
    Some((id.into(), Row { record: record.into(), used_ms, uses }, row.try_get(4).ok()?))
}

fn connection(file: &mut SessionFile) -> Result<&mut SqliteConnection, SessionFileError> {
    let path = file.path().to_owned();
    file.connection().map_err(|reason| SessionFileError::Unusable { path, reason })
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
