//! What of the file must be put right after commits that failed, before anything else is written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::about::{BOOKMARK, HISTORY, IDENTITY};
use super::file::SessionFile;
use super::rows::{Numbers, Rows};
use super::timeline::Timeline;
use super::writer::Condition;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::BATCH_LIMIT;
use crate::store::memory::journaled::{Repair, Standing};
use crate::{Event, SessionId};

/// Sessions of which something may be in the file that was not promised, or is not that was.
#[derive(Default)]
pub(super) struct Repairs {
    sessions: HashMap<SessionId, Repair>,
    /// The events of ends among them, which are not written yet.
    events: HashMap<SessionId, Event>,
    /// Sessions whose opening was not written: nobody learned of them, and their end is no event.
    unopened: HashSet<SessionId>,
}

impl Repairs {
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// INVARIANT: what ended is deleted, whatever else was to be written of it.
    pub(super) fn add(&mut self, repair: Repair) {
        let (Repair::Restate(id) | Repair::Delete(id)) = repair;
        let entry = self.sessions.entry(id).or_insert(repair);
        if repair == Repair::Delete(id) {
            *entry = repair;
        }
    }

    /// What must be written with the end of a session.
    pub(super) fn add_event(&mut self, id: SessionId, event: Event) {
        if !self.unopened.contains(&id) {
            self.events.insert(id, event);
        }
    }

    /// These sessions were not opened after all.
    pub(super) fn add_unopened(&mut self, ids: impl Iterator<Item = SessionId>) {
        self.unopened.extend(ids);
    }

    pub(super) fn add_all(&mut self, others: Self) {
        others.sessions.into_values().for_each(|repair| self.add(repair));
        self.events.extend(others.events);
        self.unopened.extend(others.unopened);
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
        repairs: &mut Repairs,
    ) -> Result<(), String> {
        file.reopen().await?;
        self.write(file, repairs).await?;
        file.checkpoint().await
    }

    /// Writes what memory says of these sessions, a few at a time, with the events of those that
    /// ended. An event that is written is none of the repairs any more.
    pub(super) async fn write(
        &self,
        file: &mut SessionFile,
        repairs: &mut Repairs,
    ) -> Result<(), String> {
        let all: Vec<Repair> = repairs.sessions.values().copied().collect();
        for few in all.chunks(BATCH_LIMIT) {
            let standing: Vec<_> = few.iter().map(|repair| self.standing(*repair)).collect();
            let mut rows = Rows::default();
            for (id, standing) in &standing {
                match standing {
                    Some(standing) => rows.restate(*id, standing),
                    None => rows.delete(*id),
                }
            }
            let ids: Vec<SessionId> = standing.iter().map(|(id, _)| *id).collect();
            let events = ids.iter().filter_map(|id| repairs.events.get(id)).collect();
            rows.events(events, Numbers::over_others(&self.memory));
            file.commit(rows.statements(), &self.timeline.anchor()).await?;
            let written = ids.iter().filter_map(|id| repairs.events.remove(id));
            self.memory.publish(written.collect());
        }
        let about = self.condition.about.lock().clone();
        let identity = about.identity.map(|id| id.to_string());
        let mut rows = Rows::default();
        rows.describe(IDENTITY, identity.as_deref());
        rows.describe(BOOKMARK, about.bookmark.as_deref());
        rows.describe(HISTORY, about.history.as_deref());
        for (name, text) in &about.checkpoints {
            rows.describe(name, text.as_deref());
        }
        rows.events(Vec::new(), Numbers::over_others(&self.memory));
        file.commit(rows.statements(), &self.timeline.anchor()).await
    }

    fn standing(&self, repair: Repair) -> (SessionId, Option<Standing>) {
        match repair {
            Repair::Restate(id) => (id, self.memory.standing(id)),
            Repair::Delete(id) => (id, None),
        }
    }
}
