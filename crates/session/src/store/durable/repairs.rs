//! What of the file must be put right after commits that failed, before anything else is written.

use std::collections::HashMap;
use std::sync::Arc;

use super::about::{BOOKMARK, HISTORY, IDENTITY};
use super::file::SessionFile;
use super::rows::Rows;
use super::timeline::Timeline;
use super::writer::Condition;
use crate::SessionId;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::BATCH_LIMIT;
use crate::store::memory::journaled::{Repair, Standing};

/// Sessions of which something may be in the file that was not promised, or is not that was.
#[derive(Default)]
pub(super) struct Repairs(HashMap<SessionId, Repair>);

impl Repairs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// INVARIANT: what ended is deleted, whatever else was to be written of it.
    pub(super) fn add(&mut self, repair: Repair) {
        let (Repair::Restate(id) | Repair::Delete(id)) = repair;
        let entry = self.0.entry(id).or_insert(repair);
        if repair == Repair::Delete(id) {
            *entry = repair;
        }
    }

    pub(super) fn add_all(&mut self, others: Self) {
        others.0.into_values().for_each(|repair| self.add(repair));
    }
}

/// What is needed to put the file right.
#[derive(Clone)]
pub(super) struct Repairer {
    pub(super) memory: Arc<MemoryStore>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) condition: Arc<Condition>,
}

impl Repairer {
    /// Opens the file anew, writes what memory says of these sessions over whatever is there, and has
    /// it all in the file itself rather than in the log beside it. It takes as long as it takes.
    ///
    /// # Errors
    ///
    /// Some of it was not written.
    pub(super) async fn recover(
        &self,
        file: &mut SessionFile,
        repairs: &Repairs,
    ) -> Result<(), String> {
        file.reopen().await?;
        self.write(file, repairs).await?;
        file.checkpoint().await
    }

    /// Writes what memory says of these sessions, a few at a time.
    pub(super) async fn write(
        &self,
        file: &mut SessionFile,
        repairs: &Repairs,
    ) -> Result<(), String> {
        let repairs: Vec<Repair> = repairs.0.values().copied().collect();
        for few in repairs.chunks(BATCH_LIMIT) {
            let standing: Vec<_> = few.iter().map(|repair| self.standing(*repair)).collect();
            let mut rows = Rows::default();
            for (id, standing) in &standing {
                match standing {
                    Some(standing) => rows.restate(*id, standing),
                    None => rows.delete(*id),
                }
            }
            file.commit(rows.statements(), &self.timeline.anchor()).await?;
        }
        let about = self.condition.about.lock().clone();
        let identity = about.identity.map(|id| id.to_string());
        let mut rows = Rows::default();
        rows.describe(IDENTITY, identity.as_deref());
        rows.describe(BOOKMARK, about.bookmark.as_deref());
        rows.describe(HISTORY, about.history.as_deref());
        file.commit(rows.statements(), &self.timeline.anchor()).await
    }

    fn standing(&self, repair: Repair) -> (SessionId, Option<Standing>) {
        match repair {
            Repair::Restate(id) => (id, self.memory.standing(id)),
            Repair::Delete(id) => (id, None),
        }
    }
}
