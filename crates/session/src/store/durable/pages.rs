//! Reading the sessions of the file, many at a time.

use std::str::Split;

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::store::memory::journaled::StoredRow;

/// Many sessions in one row, column by column: a row of each would cost more to hand from SQLite's
/// thread to ours than the session in it to read. All columns have the sessions in one order. A text
/// may be any bytes to SQLite, and the lengths say where each ends.
const SESSIONS: &str = "SELECT max(id), group_concat(id, ''), group_concat(record, ''), \
     group_concat(stored_values, ''), group_concat(length(record)), \
     group_concat(ifnull(length(stored_values), '')), group_concat(used_ms), group_concat(uses) \
     FROM (SELECT * FROM sessions WHERE id > ?1 ORDER BY id LIMIT 1024)";

type Bytes = Option<Vec<u8>>;
type Numbers = Option<String>;
type Columns = (Bytes, Bytes, Bytes, Bytes, Numbers, Numbers, Numbers, Numbers);

/// Sessions that follow each other in the file.
pub(super) struct SessionPage {
    /// The greatest id among them.
    pub(super) last: Vec<u8>,
    ids: Vec<u8>,
    records: Vec<u8>,
    values: Vec<u8>,
    /// The length of each record, that of the values or nothing where there are none, the time of
    /// the last use, and the uses.
    numbers: [String; 4],
}

impl SessionPage {
    /// The sessions that follow this id; `None` after the last one.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        after: &[u8],
    ) -> sqlx::Result<Option<Self>> {
        let columns = sqlx::query_as::<_, Columns>(SESSIONS).bind(after).fetch_one(connection);
        let (last, ids, records, values, lengths, value_lengths, used_ms, uses) = columns.await?;
        let numbers = [lengths, value_lengths, used_ms, uses].map(Option::unwrap_or_default);
        let [ids, records, values] = [ids, records, values].map(Option::unwrap_or_default);
        Ok(last.map(|last| Self { last, ids, records, values, numbers }))
    }

    /// Each of them; `None` where what is there is none, behind which nothing can be read.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<StoredRow<'_>>> {
        let mut rest = Rest {
            ids: &self.ids,
            records: &self.records,
            values: &self.values,
            numbers: self.numbers.each_ref().map(|numbers| numbers.split(',')),
        };
        std::iter::from_fn(move || if rest.is_over() { None } else { Some(rest.row()) })
    }
}

/// What is not read yet.
struct Rest<'a> {
    ids: &'a [u8],
    records: &'a [u8],
    values: &'a [u8],
    numbers: [Split<'a, char>; 4],
}

impl<'a> Rest<'a> {
    fn row(&mut self) -> Option<StoredRow<'a>> {
        let [length, value_length, used_ms, uses] = self.numbers.each_mut().map(Iterator::next);
        let id = take(&mut self.ids, size_of::<Uuid>())?;
        let record = take(&mut self.records, length?.parse().ok()?)?;
        let values = match value_length? {
            "" => None,
            length => Some(take(&mut self.values, length.parse().ok()?)?),
        };
        let id = Uuid::from_slice(id).ok()?.into();
        let (used_ms, uses) = (used_ms?.parse().ok()?, uses?.parse().ok()?);
        Some(StoredRow { id, record, used_ms, uses, values })
    }

    /// Bytes that are left where an id or a length was wrong are no end.
    const fn is_over(&self) -> bool {
        self.ids.is_empty() && self.records.is_empty() && self.values.is_empty()
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}
