//! What reads stored bytes, one function a format: for those who feed it with anything.

use std::sync::{Arc, LazyLock};

use clock::SystemClock;
use uuid::Uuid;

use crate::store::memory::MemoryStore;
use crate::store::memory::journaled::StoredRow;
use crate::store::memory::promises::Operation;
use crate::store::memory::stored;
use crate::store::redis::record;
use crate::{Cause, Event, EventContext, Session, SessionId};

/// When the records are read.
const NOW_MS: u64 = 1_800_000_000_000;

static STORE: LazyLock<MemoryStore> =
    LazyLock::new(|| MemoryStore::new(Arc::new(SystemClock::new())));

/// What a record in Redis says: the session before a use and after it.
pub fn redis_record(bytes: &[u8]) -> Option<(Session, Session)> {
    let id = SessionId::from(Uuid::from_u128(1));
    Some((record::decode(id, bytes, NOW_MS)?, record::decode_used(id, bytes, NOW_MS)?))
}

/// How many values there are at the end of a record in Redis.
pub fn redis_values(bytes: &[u8]) -> Option<usize> {
    record::decode_values(bytes).map(|values| values.len())
}

/// A record and the values of a session.
pub type FileRecord = (Box<[u8]>, Option<Box<[u8]>>);

/// A record and the values of a session file, as the store that has read them would write them. Records
/// are without their checksums: with a wrong one nothing is read, and a right one is of its session.
pub fn file_record(record: &[u8], values: Option<&[u8]>) -> Option<FileRecord> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = SessionId::from(Uuid::from_u128(number.into()));
    let record = &*[record, &stored::checksum(id, record)].concat();
    // Used a moment ago, so that it lives.
    let used_ms = u64::try_from(STORE.moment().as_millis()).unwrap_or_default();
    STORE.load(&StoredRow { id, record, used_ms, uses: 1, values });
    let standing = STORE.standing(id)?;
    let context = EventContext::without_client(Cause::Logout);
    STORE.take(id, &mut Operation::new(&context));
    let (written, _) = standing.row.record.split_last_chunk::<4>()?;
    Some((written.into(), standing.values))
}

/// A stored event, and how it would be stored again.
pub fn event(bytes: &[u8]) -> Option<(Event, Vec<u8>)> {
    let event = Event::decode(bytes)?;
    let again = event.encode();
    Some((event, again))
}
