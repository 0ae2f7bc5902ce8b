//! The store in this process's memory, made for ten million sessions. It ends with the process.
//!
//! Sessions are spread over shards by their ids, each behind a lock that is held for a session or a
//! few, or for a slice of a sweep. A subject's sessions are found through an index of its own.
//!
//! The memory of expired sessions is freed in bulk: records are in chunks of a little under 32 KiB,
//! tables shrink once they are an eighth full, and an empty shard has no memory. Whether the system
//! gets it back depends on the allocator: glibc's reuses most of it itself.
//!
//! INVARIANT: a shard's lock and the index's are never held at the same time, nor over an `.await`.
//! INVARIANT: time is read under the lock of the shard that it judges, so that a session that one
//! request found expired is alive to no later one.

mod flags;
pub(crate) mod journal;
pub(crate) mod journaled;
mod key;
mod keys;
mod lock_batch;
mod marks;
pub(crate) mod promises;
mod quota;
mod record;
mod rotation;
mod scan;
mod shard;
mod slab;
mod steps;
pub(crate) mod stored;
mod subjects;
pub(crate) mod touch;
mod user_agents;
mod values;
mod wall_clock;
mod wheel;

#[cfg(test)]
pub(super) mod measure;
#[cfg(test)]
mod model;
#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use futures_util::future::{Either, ready};
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use self::journal::{Batch, Journal};
use self::marks::Marks;
use self::promises::{Operation, Promises};
use self::quota::Quotas;
use self::shard::Shard;
use self::subjects::Subjects;
use self::user_agents::UserAgents;
use self::wall_clock::WallClock;
use super::events::{EventRead, EventRetention, EventRing, ReadFrom, new_history};
use super::{
    Condition, Ending, Insertion, Outcome, Outcomes, SessionStore, StoreError, Swept, TouchContext,
    ValueChange, ValueWrite, Values,
};
use crate::{
    ClientDigest, Cursor, Event, EventContext, NewSession, Page, Presented, SecretDigest, Session,
    SessionId,
};

const SHARDS: usize = 1024;
/// How many sessions a sweep takes out before it lets other tasks run, where looking into a shard
/// counts as a few.
const EFFORT_IN_A_ROW: usize = 128;
const EFFORT_OF_A_SHARD: usize = 4;
/// How many ends a sweep puts into the journal before it waits for them: others wait with them.
const UNWRITTEN_ENDS: usize = 4096;
/// How many of a subject's sessions are gone through before other tasks run.
const KEYS_IN_A_ROW: usize = 1024;

/// Sessions in memory.
pub struct MemoryStore {
    wall_clock: WallClock,
    shards: Box<[Mutex<Shard>]>,
    subjects: Subjects,
    user_agents: UserAgents,
    quotas: Quotas,
    count: AtomicU64,
    checkpoints: Mutex<BTreeMap<String, String>>,
    /// The events that may be read: those of changes that are written, where they are written.
    pub(super) events: EventRing,
    written: Option<Written>,
}

/// What has sessions written down.
struct Written {
    journal: Journal,
    marks: Marks,
}

impl MemoryStore {
    /// An empty store whose sessions live by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_events(clock, EventRing::new(&new_history(), EventRetention::default()))
    }

    /// The same, with its events stored like this.
    pub fn retaining(clock: Arc<dyn Clock>, retention: EventRetention) -> Self {
        Self::with_events(clock, EventRing::new(&new_history(), retention))
    }

    fn with_events(clock: Arc<dyn Clock>, events: EventRing) -> Self {
        let wall_clock = WallClock::new(clock);
        let now = wall_clock.moment();
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(now))).collect(),
            wall_clock,
            subjects: Subjects::new(),
            user_agents: UserAgents::new(),
            quotas: Quotas::new(),
            count: AtomicU64::new(0),
            checkpoints: Mutex::default(),
            events,
            written: None,
        }
    }

    /// The same, which puts every change into its [`Journal`].
    pub(crate) fn journaled(clock: Arc<dyn Clock>, events: EventRing) -> Self {
        let written = Written { journal: Journal::default(), marks: Marks::default() };
        Self { written: Some(written), ..Self::with_events(clock, events) }
    }

    /// Ends what `ending` means of a subject's sessions; those that were live.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    pub(crate) async fn end_of_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        operation: &mut Operation<'_>,
    ) -> Vec<SessionId> {
        let mut ended = Vec::new();
        for keys in self.subjects.keys(subject).chunks(KEYS_IN_A_ROW) {
            let ids = keys.iter().flat_map(|key| self.ids(*key));
            ended.extend(ids.filter(|id| self.end(subject, ending, *id, operation)));
            yield_after(keys.len(), KEYS_IN_A_ROW).await;
        }
        ended
    }

    fn journal(&self) -> Option<&Journal> {
        self.written.as_ref().map(|written| &written.journal)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError> {
        Ok(self.insert_within(new, cap, &mut Operation::new(context)))
    }

    fn touch<'a>(&'a self, batch: &'a [Presented], context: TouchContext<'a>) -> Outcomes<'a> {
        Either::Left(ready(self.touch_all(batch, context).outcomes))
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome {
        self.rotate_one(presented, digest, role, client, &mut Operation::new(context))
            .map_err(|batch| unwritten(&batch))
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError> {
        self.end_one_reused(presented, client, grace, &mut Operation::new(context))
            .map_err(|batch| unwritten(&batch))
    }

    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        Ok(self.take(id, &mut Operation::new(context)))
    }

    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        Ok(self.end_of_subject(subject, ending, &mut Operation::new(context)).await)
    }

    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        self.take_many(ids, &mut Operation::new(context)).await
    }

    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        Ok(self.end_subjects(endings, &mut Operation::new(context)).await)
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        Ok(self.page(cursor).await)
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for keys in self.subjects.keys(subject).chunks(KEYS_IN_A_ROW) {
            for key in keys {
                self.look_at_all(subject, *key, &mut sessions);
            }
            yield_after(keys.len(), KEYS_IN_A_ROW).await;
        }
        Ok(sessions)
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        self.values_of(id).map_err(|batch| unwritten(&batch))
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        self.write_one(id, key, change, &condition, &mut Promises::default())
            .map_err(|batch| unwritten(&batch))
    }

    async fn count(&self) -> Result<u64, StoreError> {
        Ok(self.count.load(Ordering::Relaxed))
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        let (mut swept, mut over, mut effort) = (Swept::default(), Vec::new(), 0);
        for shard in &self.shards {
            let mut more = true;
            while more {
                more = self.take_due(shard, &mut over);
                swept.removed += over.len() as u64;
                effort += EFFORT_OF_A_SHARD + over.len();
                self.forget_all(&mut over);
                if let Some(journal) = self.journal() {
                    journal.let_up(UNWRITTEN_ENDS).await;
                }
                if effort >= EFFORT_IN_A_ROW {
                    effort = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(swept)
    }

    async fn append_event(&self, event: Event) -> Result<(), StoreError> {
        self.events.push_all([Event { at_ms: self.wall_clock.now().date(), ..event }]);
        Ok(())
    }

    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError> {
        Ok(self.events.read(from, limit))
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.events.signal()
    }

    async fn look_for_events(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        self.events.read(from, limit)
    }

    fn outlives_process(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn identity(&self) -> Result<Option<Uuid>, StoreError> {
        Ok(None)
    }

    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError> {
        Ok(id)
    }

    async fn reassign(&self, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }

    async fn history(&self) -> Option<String> {
        None
    }

    async fn bookmark(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn set_bookmark(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.checkpoints.lock().get(name).cloned())
    }

    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let mut checkpoints = self.checkpoints.lock();
        let is_before = checkpoints.get(name).map(String::as_str) == before;
        if is_before {
            checkpoints.insert(name.to_owned(), text.to_owned());
        }
        Ok(is_before)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "memory"
    }
}

/// A store that writes nothing down has nobody wait for that.
fn unwritten(_: &Batch) -> StoreError {
    StoreError("the session is being written".to_owned())
}

/// Lets other tasks run after `done` steps of work, unless that was less than the `limit`.
async fn yield_after(done: usize, limit: usize) {
    if done >= limit {
        tokio::task::yield_now().await;
    }
}
