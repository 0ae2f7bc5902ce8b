//! From changes to rows: many changes of one session folded into one, and the statements that write
//! it. Each session is named by each statement at most once.

use std::collections::HashMap;
use std::fmt::Write as _;

use sqlx::sqlite::SqliteConnection;

use super::uses;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::{Change, Row};
use crate::store::memory::journaled::Standing;
use crate::{AttemptKey, Event, SessionId};

// The rows of a statement come as one JSON text, so that any number of them is one statement.
const DELETE: &str =
    "DELETE FROM sessions WHERE id IN (SELECT unhex(value ->> 0) FROM json_each(?1))";
const INSERT: &str = "INSERT INTO sessions (id, record, used_ms, uses) \
     SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3 FROM json_each(?1)";
const UPDATE: &str = "UPDATE sessions SET record = unhex(j.value ->> 1), \
     used_ms = max(used_ms, j.value ->> 2), uses = max(uses, j.value ->> 3) \
     FROM json_each(?1) AS j WHERE sessions.id = unhex(j.value ->> 0)";
const USED: &str = "UPDATE sessions SET \
     used_ms = max(used_ms, j.value ->> 1), uses = max(uses, j.value ->> 2) \
     FROM json_each(?1) AS j WHERE sessions.id = unhex(j.value ->> 0)";
const VALUED: &str = "UPDATE sessions SET stored_values = unhex(j.value ->> 1) \
     FROM json_each(?1) AS j WHERE sessions.id = unhex(j.value ->> 0)";
const RESTATE: &str = "INSERT OR REPLACE INTO sessions (id, record, used_ms, uses, stored_values) \
     SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, unhex(value ->> 4) \
     FROM json_each(?1)";
const REMEMBER: &str = "INSERT OR REPLACE INTO known_addresses (key, until_ms) \
     SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1)";
const DESCRIBE: &str = "INSERT OR REPLACE INTO about (name, value) VALUES (?1, ?2)";
const EVENTS: &str = "INSERT OR REPLACE INTO events (first_number, events) VALUES (?1, ?2)";
/// But for the row that the oldest of those that stay is in.
const DROP_OLD_EVENTS: &str = "DELETE FROM events WHERE first_number < \
     (SELECT max(first_number) FROM events WHERE first_number <= ?1)";
const DROP_NEW_EVENTS: &str = "DELETE FROM events WHERE first_number >= ?1";
/// How many events one row has at most: each is some hundred bytes.
const EVENTS_A_ROW: usize = 256;
const DROP_USES_AT_STOP: &str = "DELETE FROM uses_at_stop";
const USES_AT_STOP: &str = "INSERT INTO uses_at_stop (uses) VALUES (?1)";
const FORGET: &str = "DELETE FROM about WHERE name = ?1";

/// What is to be written.
#[derive(Default)]
pub(super) struct Rows<'a> {
    sessions: HashMap<SessionId, SessionRow<'a>>,
    remembered: HashMap<[u8; 16], u64>,
    described: Vec<(&'a str, Option<&'a str>)>,
    events: Vec<&'a Event>,
    numbers: Numbers,
    uses_at_stop: Vec<(&'static str, Vec<Bound>)>,
}

/// The numbers of the events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// That of the first that is written.
    next: u64,
    /// That of the oldest that stays.
    oldest: u64,
    /// Whether those from the next number on may be there, of a commit that failed.
    is_repair: bool,
}

impl Numbers {
    /// Behind those that are visible.
    pub(super) fn of(memory: &MemoryStore) -> Self {
        let (next, oldest) = memory.event_numbers();
        Self { next, oldest, is_repair: false }
    }

    /// The same, over what a commit that failed may have written.
    pub(super) fn over_others(memory: &MemoryStore) -> Self {
        Self { is_repair: true, ..Self::of(memory) }
    }
}

/// The folded changes of one session.
#[derive(Default)]
struct SessionRow<'a> {
    /// What is there goes first.
    deleted: bool,
    /// It is put in, rather than changed.
    opened: bool,
    /// Whatever is there, this replaces it.
    restated: bool,
    record: Option<&'a [u8]>,
    used: Option<(u64, u32)>,
    values: Option<&'a [u8]>,
}

impl<'a> Rows<'a> {
    /// The rows of these changes, which were made in this order.
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            rows.add(change);
        }
        rows
    }

    fn add(&mut self, change: &'a Change) {
        match change {
            Change::Opened(id, row, _) => {
                let session = self.sessions.entry(*id).or_default();
                session.opened = true;
                session.set_record(row);
            }
            Change::Rotated(id, row, _) | Change::Raised(id, row) => {
                self.changed(*id, |session| session.set_record(row));
            }
            Change::Valued(id, values, _) => {
                self.changed(*id, |session| session.values = Some(values));
            }
            Change::Used(id, used_ms, uses) => {
                self.changed(*id, |session| session.set_used(*used_ms, *uses));
            }
            Change::Ended(id, _) | Change::UsedUp(id, _) => self.delete(*id),
            Change::Happened(_) => {}
            Change::Remembered(key, until_ms) => {
                self.remembered.insert(*key.as_bytes(), *until_ms);
            }
            Change::Described(name, value) => self.describe(name, value.as_deref()),
        }
    }

    /// A session as it is in memory, whatever the file has of it.
    pub(super) fn restate(&mut self, id: SessionId, standing: &'a Standing) {
        let session = self.sessions.entry(id).or_default();
        *session = SessionRow { restated: true, ..SessionRow::default() };
        session.set_record(&standing.row);
        session.values = standing.values.as_deref();
    }

    /// The session is not there.
    pub(super) fn delete(&mut self, id: SessionId) {
        self.sessions.insert(id, SessionRow { deleted: true, ..SessionRow::default() });
    }

    pub(super) fn describe(&mut self, name: &'a str, value: Option<&'a str>) {
        self.described.push((name, value));
    }

    /// These events, in this order.
    pub(super) fn events(&mut self, events: Vec<&'a Event>, numbers: Numbers) {
        (self.events, self.numbers) = (events, numbers);
    }

    /// What a stop before this one left goes.
    pub(super) fn drop_uses_at_stop(&mut self) {
        self.uses_at_stop.push((DROP_USES_AT_STOP, Vec::new()));
    }

    /// These uses as one block beside the sessions.
    pub(super) fn uses_at_stop(&mut self, uses: &[Change]) {
        self.uses_at_stop.push((USES_AT_STOP, vec![Bound::Bytes(uses::block_of(uses))]));
    }

    /// INVARIANT: what has ended is changed by nothing.
    fn changed(&mut self, id: SessionId, change: impl FnOnce(&mut SessionRow<'a>)) {
        let session = self.sessions.entry(id).or_default();
        if session.opened || !session.deleted {
            change(session);
        }
    }

    /// What is to be run to write all of it, in this order.
    pub(super) fn statements(self) -> Statements {
        let mut tables = Tables::default();
        // In the order of the file, so that each of its pages is read and written once.
        let mut sessions: Vec<_> = self.sessions.iter().collect();
        sessions.sort_unstable_by_key(|(id, _)| **id);
        for (id, session) in sessions {
            tables.add(*id, session);
        }
        for (key, until_ms) in &self.remembered {
            tables.remembered.row(|out| {
                hex(out, key);
                let _ = write!(out, ",{until_ms}");
            });
        }
        // What goes first makes room for what is put in under the same id.
        let tables = [
            (DELETE, tables.deleted),
            (INSERT, tables.opened),
            (UPDATE, tables.updated),
            (USED, tables.used),
            (VALUED, tables.valued),
            (RESTATE, tables.restated),
            (REMEMBER, tables.remembered),
        ];
        let of_table = |(sql, table): (_, Json)| Some((sql, vec![Bound::Text(table.finished()?)]));
        let of_name = |(name, value): &(&str, Option<&str>)| match value {
            Some(value) => {
                let texts = [*name, value].map(|text| Bound::Text(text.to_owned()));
                (DESCRIBE, Vec::from(texts))
            }
            None => (FORGET, vec![Bound::Text((*name).to_owned())]),
        };
        let described = self.described.iter().map(of_name);
        let events = self.event_statements();
        let statements = tables.into_iter().filter_map(of_table).chain(described).chain(events);
        Statements(statements.chain(self.uses_at_stop).collect())
    }

    fn event_statements(&self) -> Vec<(&'static str, Vec<Bound>)> {
        let Numbers { mut next, oldest, is_repair } = self.numbers;
        let mut statements = Vec::new();
        if is_repair {
            statements.push((DROP_NEW_EVENTS, vec![Bound::Number(next)]));
        }
        for events in self.events.chunks(EVENTS_A_ROW) {
            statements.push((EVENTS, vec![Bound::Number(next), Bound::Bytes(block_of(events))]));
            next += events.len() as u64;
        }
        if !self.events.is_empty() {
            statements.push((DROP_OLD_EVENTS, vec![Bound::Number(oldest)]));
        }
        statements
    }
}

/// Events as they are in one row: each with its length before it.
fn block_of(events: &[&Event]) -> Vec<u8> {
    let mut block = Vec::with_capacity(events.len() * 256);
    for event in events {
        let event = event.encode();
        block.extend(u32::try_from(event.len()).unwrap_or(u32::MAX).to_be_bytes());
        block.extend(event);
    }
    block
}

/// The events of a row; `None` where it is none of ours.
pub(super) fn events_in(mut block: &[u8]) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    while !block.is_empty() {
        let (length, rest) = block.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (event, rest) = rest.split_at_checked(length)?;
        events.push(Event::decode(event)?);
        block = rest;
    }
    Some(events)
}

/// What is bound to a statement.
enum Bound {
    Text(String),
    Bytes(Vec<u8>),
    Number(u64),
}

/// Statements with what is bound to them.
pub(super) struct Statements(Vec<(&'static str, Vec<Bound>)>);

impl Statements {
    /// Runs them within the transaction that the connection is in.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        for (sql, values) in self.0 {
            let query = values.into_iter().fold(sqlx::query(sql), |query, value| match value {
                Bound::Text(text) => query.bind(text),
                Bound::Bytes(bytes) => query.bind(bytes),
                Bound::Number(number) => query.bind(i64::try_from(number).unwrap_or(i64::MAX)),
            });
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl<'a> SessionRow<'a> {
    fn set_record(&mut self, row: &'a Row) {
        self.record = Some(&row.record);
        self.set_used(row.used_ms, row.uses);
    }

    fn set_used(&mut self, used_ms: u64, uses: u32) {
        let (before_ms, before) = self.used.unwrap_or_default();
        self.used = Some((before_ms.max(used_ms), before.max(uses)));
    }
}

/// The JSON of each statement.
#[derive(Default)]
struct Tables {
    deleted: Json,
    opened: Json,
    updated: Json,
    used: Json,
    valued: Json,
    restated: Json,
    remembered: Json,
}

impl Tables {
    fn add(&mut self, id: SessionId, session: &SessionRow<'_>) {
        if session.deleted {
            self.deleted.row(|out| hex(out, id.uuid().as_bytes()));
        }
        let used = session.used.unwrap_or_default();
        match session.record {
            Some(record) if session.restated => {
                self.restated.row(|out| {
                    full(out, id, record, used);
                    out.push(',');
                    match session.values {
                        Some(values) => hex(out, values),
                        None => out.push_str("null"),
                    }
                });
                return;
            }
            Some(record) if session.opened => self.opened.row(|out| full(out, id, record, used)),
            Some(record) => self.updated.row(|out| full(out, id, record, used)),
            None if session.used.is_some() => self.used.row(|out| {
                hex(out, id.uuid().as_bytes());
                let _ = write!(out, ",{},{}", used.0, used.1);
            }),
            None => {}
        }
        if let Some(values) = session.values {
            self.valued.row(|out| {
                hex(out, id.uuid().as_bytes());
                out.push(',');
                hex(out, values);
            });
        }
    }
}

fn full(out: &mut String, id: SessionId, record: &[u8], (used_ms, uses): (u64, u32)) {
    hex(out, id.uuid().as_bytes());
    out.push(',');
    hex(out, record);
    let _ = write!(out, ",{used_ms},{uses}");
}

/// Writes bytes as a JSON text of hexadecimal digits.
fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('"');
}

/// An array of arrays.
#[derive(Default)]
struct Json(String);

impl Json {
    fn row(&mut self, write: impl FnOnce(&mut String)) {
        self.0.push_str(if self.0.is_empty() { "[[" } else { ",[" });
        write(&mut self.0);
        self.0.push(']');
    }

    fn finished(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push(']');
        Some(self.0)
    }
}

/// The key of an address as it was stored.
pub(super) fn attempt_key(bytes: &[u8]) -> Option<AttemptKey> {
    bytes.try_into().ok().map(AttemptKey::from_bytes)
}
