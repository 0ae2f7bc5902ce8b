//! What the store knows of itself: whose users its sessions are of, how far changes to these were
//! followed, and the name of its own history.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::DurableStore;
use crate::StoreError;
use crate::store::memory::journal::Change;
use crate::store::memory::promises::Promises;

pub(super) const IDENTITY: &str = "identity";
pub(super) const BOOKMARK: &str = "bookmark";
pub(super) const HISTORY: &str = "history";
/// What the name of a checkpoint begins with.
const CHECKPOINT: &str = "checkpoint:";

/// A copy in memory of the file's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) identity: Option<Uuid>,
    pub(super) bookmark: Option<String>,
    /// Given to the file when it was made, and never another.
    pub(super) history: Option<String>,
    /// By the names of their rows; `None` where one must not be in the file.
    pub(super) checkpoints: BTreeMap<String, Option<String>>,
}

impl About {
    /// The contents of these rows. Rows of a later version are ignored and preserved. `None` where
    /// it cannot be told whose users the sessions are of: they must not become another database's.
    pub(super) fn of(rows: Vec<(String, String)>) -> Option<Self> {
        let mut about = Self::default();
        for (name, value) in rows {
            match name.as_str() {
                IDENTITY => about.identity = Some(Uuid::try_parse(&value).ok()?),
                BOOKMARK => about.bookmark = Some(value),
                HISTORY => about.history = Some(value),
                _ if name.starts_with(CHECKPOINT) => {
                    about.checkpoints.insert(name, Some(value));
                }
                _ => {}
            }
        }
        Some(about)
    }

    pub(super) fn checkpoint(&self, name: &str) -> Option<&str> {
        self.checkpoints.get(&row(name))?.as_deref()
    }
}

fn row(name: &str) -> String {
    format!("{CHECKPOINT}{name}")
}

impl DurableStore {
    /// Changes what the store knows of itself, and takes that back where it cannot be written.
    pub(super) async fn describe(
        &self,
        change: impl FnOnce(&mut About) -> Vec<Change> + Send,
    ) -> Result<(), StoreError> {
        let (before, promises) = {
            let mut about = self.condition.about.lock();
            let before = about.clone();
            let mut promises = Promises::default();
            for change in change(&mut about) {
                promises.add(self.memory.changes().push(change));
            }
            (before, promises)
        };
        let written = promises.written().await;
        if written.is_err() {
            *self.condition.about.lock() = before;
        }
        written
    }

    /// Writes a checkpoint if `before` is there, and takes that back where it cannot be written.
    pub(super) async fn swap_text(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let (row, after) = (row(name), Some(text.to_owned()));
        let mut promises = Promises::default();
        {
            let mut about = self.condition.about.lock();
            if about.checkpoint(name) != before {
                return Ok(false);
            }
            about.checkpoints.insert(row.clone(), after.clone());
            let change = Change::Described(row.clone().into(), after.clone());
            promises.add(self.memory.changes().push(change));
        }
        let written = promises.written().await;
        let mut about = self.condition.about.lock();
        if written.is_err() && about.checkpoints.get(&row) == Some(&after) {
            about.checkpoints.insert(row, before.map(str::to_owned));
        }
        written.map(|()| true)
    }
}
