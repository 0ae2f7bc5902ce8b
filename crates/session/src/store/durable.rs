//! The store whose sessions outlive the process on one machine: served from memory, and written
//! beside it to a SQLite file.
//!
//! ```text
//! DurableStore ──► MemoryStore ──► Journal ──► SessionWriter ──► SessionFile
//!      └────────── waits for the batch ◄──────────┘
//! ```
//!
//! Memory decides, and puts each change into its journal under the lock under which it was made.
//! This waits until the change is committed, and only then answers. Uses are not waited for.

mod about;
mod attempts;
mod file;
mod load;
mod pages;
mod repairs;
mod rows;
mod schema;
mod seeded;
mod timeline;
mod touch;
mod uses;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::attempts::DurableAttempts;
pub use self::file::Durability;
pub use self::schema::SessionFileError;
pub use self::writer::{Commit, CommitObserver, SessionWriter};

use self::about::{BOOKMARK, HISTORY, IDENTITY};
use self::file::{SessionFile, Whereabouts};
use self::rows::Rows;
use self::writer::Condition as WriterCondition;
use super::memory::MemoryStore;
use super::memory::journal::Change;
use super::memory::promises::{Operation, Promises};
use super::{
    Condition, Ending, Insertion, Outcome, SessionStore, StoreError, Swept, TouchContext,
    ValueChange, ValueWrite, Values,
};
use crate::store::events::{EventRead, EventRetention, ReadFrom};
use crate::{
    Cause, ClientDigest, Cursor, Event, EventContext, Intent, NewSession, Page, Presented,
    SecretDigest, Session, SessionId,
};

/// Sessions in memory and in a file.
#[derive(Clone)]
pub struct DurableStore {
    memory: Arc<MemoryStore>,
    condition: Arc<WriterCondition>,
    whereabouts: Whereabouts,
    history: String,
}

/// A session file, opened: what is served, and what must run for that.
pub struct Opened {
    /// The sessions.
    pub sessions: DurableStore,
    /// The attempts.
    pub attempts: DurableAttempts,
    /// Without it nothing is ever answered that must be written.
    pub writer: SessionWriter,
}

impl DurableStore {
    /// Opens the file, makes it where there is none, and loads its sessions. The counts of attempts
    /// have room for `attempts`.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`]; no session in the file was changed then.
    pub async fn open(
        path: &Path,
        durability: Durability,
        clock: Arc<dyn Clock>,
        attempts: usize,
        retention: EventRetention,
        observe: CommitObserver,
    ) -> Result<Opened, SessionFileError> {
        let mut file = SessionFile::open(path, durability).await?;
        let load::Contents { timeline, about, history, memory, found } =
            load::contents(&mut file, &clock, retention).await?;
        let now_ms = i64::try_from(memory.moment().as_millis()).unwrap_or(i64::MAX);
        let addresses = load::addresses(&mut file, now_ms).await?;
        memory.changes().push(Change::Described(HISTORY.into(), Some(history.clone())));
        // A file that cannot be written is found out now rather than by the first login.
        let written = file.commit(Rows::default().statements(), &timeline.anchor()).await;
        written.map_err(|reason| SessionFileError::Unusable { path: path.to_owned(), reason })?;
        if found != load::Found::default() {
            tracing::info!(
                live = found.live, expired = found.expired, path = %file.path().display(),
                "sessions were loaded from their file"
            );
        }
        let condition = Arc::new(WriterCondition::default());
        *condition.about.lock() = about;
        let sessions = Self {
            memory: Arc::clone(&memory),
            condition: Arc::clone(&condition),
            whereabouts: file.whereabouts(),
            history,
        };
        let attempts =
            DurableAttempts::new(Arc::clone(&memory), Arc::clone(&timeline), attempts, addresses);
        let writer = SessionWriter::new(memory, file, timeline, condition, observe);
        Ok(Opened { sessions, attempts, writer })
    }

    /// Writes a copy of the file, as it is at one moment, to `target`, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// Why there is none: something is there already, above all.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        self.whereabouts.copy_to(target).await.map_err(StoreError)
    }
}

/// Does a step as soon as no write of its session is under way, and waits until its changes are written.
macro_rules! once_written {
    ($promises:ident, $step:expr) => {
        loop {
            let mut $promises = Promises::default();
            match $step {
                Ok(done) => break $promises.written().await.map(|()| done),
                // Whatever became of it, the session can be judged again.
                Err(batch) => drop(batch.written().await),
            }
        }
    };
}

#[async_trait]
impl SessionStore for DurableStore {
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError> {
        let mut operation = Operation::new(context);
        let insertion = self.memory.insert_within(new, cap, &mut operation);
        let written = operation.promises.written().await;
        if written.is_err() && matches!(insertion, Insertion::Created { .. }) {
            // It may have been written before what it was to make room by was not.
            let undone = context.side_effect(Cause::Undone);
            self.memory.take(new.id, &mut Operation::new(&undone));
        }
        written.map(|()| insertion)
    }

    async fn touch(&self, batch: &[Presented], context: TouchContext<'_>) -> Vec<Outcome> {
        let touched = self.memory.touch_all(batch, context);
        let ends_any = batch.iter().any(|presented| presented.intent == Intent::End);
        if touched.promised.is_empty() && touched.waiting.is_empty() && !ends_any {
            return touched.outcomes;
        }
        self.answer(batch, context, touched).await
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome {
        once_written!(
            promises,
            promises.within(context, |operation| {
                self.memory.rotate_one(presented, digest, role, client, operation)
            })
        )
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError> {
        once_written!(
            promises,
            promises.within(context, |operation| {
                self.memory.end_one_reused(presented, client, grace, operation)
            })
        )
    }

    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        let mut operation = Operation::new(context);
        let was_live = self.memory.take(id, &mut operation);
        self.ended(operation.promises).await.map(|()| was_live)
    }

    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut operation = Operation::new(context);
        let ended = self.memory.end_of_subject(subject, ending, &mut operation).await;
        self.ended(operation.promises).await.map(|()| ended)
    }

    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        let mut operation = Operation::new(context);
        let taken = self.memory.take_many(ids, &mut operation).await;
        match self.ended(operation.promises).await {
            Ok(()) => taken,
            Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        let mut operation = Operation::new(context);
        let ended = self.memory.end_subjects(endings, &mut operation).await;
        self.ended(operation.promises).await.map(|()| ended)
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        self.memory.scan(cursor).await
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        self.memory.list(subject).await
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        loop {
            match self.memory.values_of(id) {
                Ok(values) => return Ok(values),
                Err(batch) => drop(batch.written().await),
            }
        }
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        once_written!(
            promises,
            self.memory.write_one(id, key, change.clone(), &condition, &mut promises)
        )
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.memory.count().await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.memory.sweep().await
    }

    async fn append_event(&self, event: Event) -> Result<(), StoreError> {
        self.memory.record_event(event).written().await
    }

    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError> {
        self.memory.read_events(from, limit).await
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.memory.event_signal()
    }

    async fn look_for_events(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        self.memory.read_own_events(from, limit)
    }

    fn outlives_process(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn identity(&self) -> Result<Option<Uuid>, StoreError> {
        Ok(self.condition.about.lock().identity)
    }

    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError> {
        let change = |about: &mut about::About| {
            if about.identity.is_some() {
                return Vec::new();
            }
            about.identity = Some(id);
            vec![Change::Described(IDENTITY.into(), Some(id.to_string()))]
        };
        self.describe(change).await?;
        Ok(self.condition.about.lock().identity.unwrap_or(id))
    }

    async fn reassign(&self, id: Uuid) -> Result<(), StoreError> {
        let change = |about: &mut about::About| {
            (about.identity, about.bookmark) = (Some(id), None);
            let identity = Change::Described(IDENTITY.into(), Some(id.to_string()));
            vec![identity, Change::Described(BOOKMARK.into(), None)]
        };
        self.describe(change).await
    }

    async fn history(&self) -> Option<String> {
        Some(self.history.clone())
    }

    async fn bookmark(&self) -> Result<Option<String>, StoreError> {
        Ok(self.condition.about.lock().bookmark.clone())
    }

    async fn set_bookmark(&self, text: &str) -> Result<(), StoreError> {
        let change = |about: &mut about::About| {
            about.bookmark = Some(text.to_owned());
            vec![Change::Described(BOOKMARK.into(), Some(text.to_owned()))]
        };
        self.describe(change).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.condition.about.lock().checkpoint(name).map(str::to_owned))
    }

    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        self.swap_text(name, before, text).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writable()?;
        self.whereabouts.check().map_err(StoreError)
    }

    fn backend(&self) -> &'static str {
        "sqlite"
    }
}
