//! Reading the file at the start: the anchor, what the store knows of itself, and all sessions.

use std::sync::Arc;
use std::time::Duration;

use clock::{Boot, Clock};
use sqlx::sqlite::SqliteConnection;

use super::about::About;
use super::file::SessionFile;
use super::pages::SessionPage;
use super::rows::{attempt_key, events_in};
use super::schema::{SessionFileError, refusal};
use super::timeline::{Anchor, Timeline};
use super::uses::UsesAtStop;
use crate::store::events::{EventRetention, EventRing, new_history};
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::Change;
use crate::store::memory::journaled::Loaded;
use crate::{AttemptKey, Event, SessionId};

const ANCHOR: &str = "SELECT timeline_ms, unix_ms, boot_id, boot_ms FROM anchor";
const ABOUT: &str = "SELECT name, value FROM about";
const EVENTS: &str = "SELECT first_number, events FROM events ORDER BY first_number";
const USES_AT_STOP: &str = "SELECT uses FROM uses_at_stop";
const ADDRESSES: &str = "SELECT key, until_ms FROM known_addresses ORDER BY until_ms";
const FORGET_ADDRESSES: &str = "DELETE FROM known_addresses WHERE until_ms <= ?1";

/// The numbers of events are below: one that is not leaves the next ones none.
const LATEST_EVENT: u64 = 1 << 62;

/// How often the log says how far the start is, where there is much to read.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

/// The sessions whose time was up meanwhile, with the event of each while there are not too many.
type Expired = Vec<(SessionId, Option<Box<Event>>)>;

/// How many sessions a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) live: u64,
    pub(super) expired: u64,
}

/// What a start takes from the file.
pub(super) struct Contents {
    pub(super) timeline: Arc<Timeline>,
    pub(super) about: About,
    pub(super) history: String,
    pub(super) memory: Arc<MemoryStore>,
    pub(super) found: Found,
}

/// Reads all of the file but the addresses.
///
/// INVARIANT: nothing is served, and nothing written, before SQLite has found the file whole.
pub(super) async fn contents(
    file: &mut SessionFile,
    clock: &Arc<dyn Clock>,
    retention: EventRetention,
) -> Result<Contents, SessionFileError> {
    let whereabouts = file.whereabouts();
    let (is_whole, contents) = tokio::join!(whereabouts.look_over(), read(file, clock, retention));
    is_whole.and(contents)
}

async fn read(
    file: &mut SessionFile,
    clock: &Arc<dyn Clock>,
    retention: EventRetention,
) -> Result<Contents, SessionFileError> {
    let anchor = anchor(file).await?;
    let timeline = Arc::new(Timeline::resume(Arc::clone(clock), anchor.as_ref()));
    if !timeline.is_possible() {
        return Err(damaged(file, "its clock is thousands of years ahead"));
    }
    let mut about = about(file).await?;
    let history = about.history.get_or_insert_with(|| new_history().into()).clone();
    let (last_event, events) = events(file).await?;
    let ring = EventRing::new(&history, retention);
    ring.restore(last_event, events);
    let time = Arc::clone(&timeline) as Arc<dyn Clock>;
    let memory = Arc::new(MemoryStore::journaled(time, ring));
    let found = sessions(file, &memory, clock, retention.limit).await?;
    if anchor.is_none() && found != Found::default() {
        return Err(damaged(file, "it has sessions and no clock"));
    }
    Ok(Contents { timeline, about, history, memory, found })
}

/// Where the timeline was when the service stopped; none in a new file.
async fn anchor(file: &mut SessionFile) -> Result<Option<Anchor>, SessionFileError> {
    type Columns = (i64, i64, Option<String>, Option<i64>);
    let found = sqlx::query_as::<_, Columns>(ANCHOR).fetch_optional(connection(file)?).await;
    let found = found.map_err(|error| refusal(file.path(), &error))?;
    let Some((timeline_ms, unix_ms, boot_id, boot_ms)) = found else {
        return Ok(None);
    };
    // Taken for a beginning, it would give sessions all their time again.
    let timeline = millis(timeline_ms).ok_or_else(|| damaged(file, "its clock is before 0"))?;
    // A boot that cannot be is another one: the date counts.
    let boot = boot_id.zip(boot_ms.and_then(millis)).map(|(id, since)| Boot { id, since });
    Ok(Some(Anchor { timeline, unix_ms, boot }))
}

/// What the store knows of itself.
async fn about(file: &mut SessionFile) -> Result<About, SessionFileError> {
    let rows = sqlx::query_as::<_, (String, String)>(ABOUT).fetch_all(connection(file)?).await;
    let rows = rows.map_err(|error| refusal(file.path(), &error))?;
    About::of(rows).ok_or_else(|| damaged(file, "the identity of its users is unreadable"))
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

/// The stored events, and the number of the last of them.
async fn events(file: &mut SessionFile) -> Result<(u64, Vec<(u64, Event)>), SessionFileError> {
    let rows = sqlx::query_as::<_, (i64, Vec<u8>)>(EVENTS).fetch_all(connection(file)?).await;
    let rows = rows.map_err(|error| refusal(file.path(), &error))?;
    let mut events = Vec::with_capacity(rows.len());
    let mut last = 0;
    for (first, block) in rows {
        let number =
            u64::try_from(first).ok().filter(|first| (last + 1..LATEST_EVENT).contains(first));
        let Some((first, block)) = number.zip(events_in(&block)) else {
            return Err(damaged(file, &format!("the events from {first} on are unreadable")));
        };
        // Behind a gap, what is before it cannot be told from what was dropped.
        if first != last + 1 {
            events.clear();
        }
        last = (first + block.len() as u64).saturating_sub(1);
        events.extend((first..).zip(block));
    }
    Ok((last, events))
}

/// Takes all live sessions into memory; what has expired meanwhile is put down as ended.
async fn sessions(
    file: &mut SessionFile,
    memory: &MemoryStore,
    clock: &Arc<dyn Clock>,
    event_limit: usize,
) -> Result<Found, SessionFileError> {
    let uses = uses_at_stop(file).await?;
    let (mut found, mut expired) = (Found::default(), Vec::new());
    let mut last_logged = clock.now();
    let mut page = next_page(file, &[]).await?;
    while let Some(sessions) = page {
        // SQLite reads the next ones while these are taken in.
        let (next, taken) = tokio::join!(biased; next_page(file, &sessions.last), async {
            take_in(memory, &sessions, &uses, (&mut found, &mut expired), event_limit)
        });
        taken.map_err(|reason| damaged(file, &reason))?;
        page = next?;
        if clock.now().saturating_sub(last_logged) > BETWEEN_LINES {
            last_logged = clock.now();
            tracing::info!(sessions = found.live, "still loading sessions");
        }
    }
    memory.changes().push_all(expired.into_iter().map(|(id, event)| Change::Ended(id, event)));
    Ok(found)
}

/// What the last clean stop wrote beside the sessions.
async fn uses_at_stop(file: &mut SessionFile) -> Result<UsesAtStop, SessionFileError> {
    let blocks = sqlx::query_as::<_, (Vec<u8>,)>(USES_AT_STOP).fetch_all(connection(file)?).await;
    let mut uses = UsesAtStop::default();
    for (block,) in blocks.map_err(|error| refusal(file.path(), &error))? {
        if uses.add(&block).is_none() {
            return Err(damaged(file, "the uses of the last stop are unreadable"));
        }
    }
    Ok(uses)
}

/// The sessions that follow this id; `None` after the last one.
async fn next_page(
    file: &mut SessionFile,
    after: &[u8],
) -> Result<Option<SessionPage>, SessionFileError> {
    let page = SessionPage::read(connection(file)?, after).await;
    page.map_err(|error| refusal(file.path(), &error))
}

fn take_in(
    memory: &MemoryStore,
    sessions: &SessionPage,
    uses: &UsesAtStop,
    (found, expired): (&mut Found, &mut Expired),
    event_limit: usize,
) -> Result<(), String> {
    for row in sessions.rows() {
        let mut row = row.ok_or("a row is that of no session")?;
        let (id, is_unwritten) = (row.id, uses.raise(&mut row));
        match memory.load(&row) {
            Loaded::Live => {
                found.live += 1;
                if is_unwritten {
                    memory.mark_used(id);
                }
            }
            Loaded::Expired(event) => {
                found.expired += 1;
                expired.push((id, Some(event)));
                // What would be dropped at once is not made.
                if let Some(first) = expired.len().checked_sub(event_limit + 1) {
                    expired[first].1 = None;
                }
            }
            Loaded::Unreadable => return Err(format!("session {id} is unreadable")),
        }
    }
    Ok(())
}

fn connection(file: &mut SessionFile) -> Result<&mut SqliteConnection, SessionFileError> {
    let path = file.path().to_owned();
    file.connection().map_err(|reason| SessionFileError::Unusable { path, reason })
}

fn damaged(file: &SessionFile, reason: &str) -> SessionFileError {
    SessionFileError::Damaged { path: file.path().to_owned(), reason: reason.to_owned() }
}

fn millis(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}
