//! A walk over all sessions, a slice of a shard at a time.

use super::promises::Operation;
use super::steps::SLICE;
use super::{MemoryStore, yield_after};
use crate::store::scan::{Cursor, Extent, PAGE, Page};
use crate::{Ending, SessionId, StoreError};
use uuid::Uuid;

impl MemoryStore {
    /// The page at `cursor`.
    pub(crate) async fn page(&self, cursor: Cursor) -> Page {
        match cursor.extent {
            Extent::Page => self.slices(cursor),
            Extent::Units(at_least) => self.whole_shards(cursor.part, at_least).await,
        }
    }

    /// Shards in whole from `part` on, until there are so many sessions. A shard is a unit: which
    /// one a session is in follows from its id. A session that moves within its shard meanwhile may
    /// be shown twice.
    async fn whole_shards(&self, part: usize, at_least: usize) -> Page {
        let mut page = Page::default();
        for part in part..self.shards.len() {
            if page.sessions.len() >= at_least {
                page.next = Some(Cursor::at(part, 0));
                break;
            }
            let mut rest = None;
            while rest != Some(0) {
                rest = Some(self.slice(part, rest, &mut page));
                yield_after(page.sessions.len(), SLICE).await;
            }
        }
        page
    }

    /// Adds a slice of a shard to the page: the last of its first `rest` records, of all where there
    /// is no `rest`. How many stand before them.
    fn slice(&self, part: usize, rest: Option<usize>, page: &mut Page) -> usize {
        let shard = self.shards[part].lock();
        let now = self.wall_clock.now();
        let end = rest.map_or(shard.records(), |rest| rest.min(shard.records()));
        let start = end.saturating_sub(SLICE);
        let indices = (start..end).rev().filter_map(|index| u32::try_from(index).ok());
        let records = indices.map(|index| shard.at(index));
        let live = records.filter(|record| !record.expiry.is_over(now.moment));
        page.sessions.extend(live.map(|record| record.view(now)));
        start
    }

    /// The page at `cursor`, where `at` is 0 for a whole shard, or else how many of its records have
    /// not been walked over.
    ///
    /// INVARIANT: a shard is walked from its last record to its first. What is taken out meanwhile
    /// is replaced by the last record, which was walked over already, so that none is missed.
    fn slices(&self, cursor: Cursor) -> Page {
        let mut page = Page::default();
        let Cursor { mut part, mut at, .. } = cursor;
        while part < self.shards.len() {
            if page.sessions.len() >= PAGE {
                page.next = Some(Cursor::at(part, at));
                break;
            }
            let rest = (at != 0).then(|| usize::try_from(at).unwrap_or(usize::MAX));
            let start = self.slice(part, rest, &mut page);
            (part, at) = if start == 0 { (part + 1, 0) } else { (part, start as u64) };
        }
        page
    }

    /// Ends many, without keeping other tasks from running.
    pub(crate) async fn take_many(
        &self,
        ids: &[SessionId],
        operation: &mut Operation<'_>,
    ) -> Vec<Result<bool, StoreError>> {
        let mut taken = Vec::with_capacity(ids.len());
        for ids in ids.chunks(SLICE) {
            taken.extend(ids.iter().map(|id| Ok(self.take(*id, operation))));
            yield_after(ids.len(), SLICE).await;
        }
        taken
    }

    /// Ends sessions of many subjects, and names those that were live.
    pub(crate) async fn end_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        operation: &mut Operation<'_>,
    ) -> Vec<(Uuid, SessionId)> {
        let mut ended = Vec::new();
        for endings in endings.chunks(SLICE) {
            for (subject, ending) in endings {
                let keys = self.subjects.keys(*subject);
                let ids = keys.into_iter().flat_map(|key| self.ids(key));
                let taken = ids.filter(|id| self.end(*subject, *ending, *id, operation));
                ended.extend(taken.map(|id| (*subject, id)));
            }
            yield_after(endings.len(), SLICE).await;
        }
        ended
    }
}
