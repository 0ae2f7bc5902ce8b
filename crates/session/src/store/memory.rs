//! The store in this process's memory, made for ten million sessions. It ends with the process.
//!
//! Sessions are spread over shards by their ids, each behind a lock that is held for a session or a
//! few, or for a slice of a sweep. A subject's sessions are found through an index of its own.
//!
//! What expires together is given back together: records go in chunks of a little under 32 KiB,
//! tables shrink once they are an eighth full, and an empty shard keeps nothing. What the allocator
//! then does with that is its own affair: some hand it to the system, glibc's keeps most of it and
//! uses it again.
//!
//! INVARIANT: a shard's lock and the index's are never held together, and neither over an `.await`.
//! INVARIANT: time is read under the lock of the shard that it judges, so that a session that one
//! call found expired is alive to no later one.

mod agents;
mod dates;
mod key;
mod keys;
mod quota;
mod record;
mod scan;
mod shard;
mod slab;
mod steps;
mod subjects;
mod together;
mod touch;
mod values;
mod wheel;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod model;
#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use parking_lot::Mutex;
use uuid::Uuid;

use self::agents::Agents;
use self::dates::Dates;
use self::quota::Quotas;
use self::shard::Shard;
use self::subjects::Subjects;
use super::{
    Condition, Ending, Insertion, Outcome, SessionStore, StoreError, Swept, ValueChange,
    ValueWrite, Values,
};
use crate::{ClientDigest, Cursor, NewSession, Page, Presented, SecretDigest, Session, SessionId};

const SHARDS: usize = 1024;
/// How many sessions a sweep takes out before it lets other tasks run, where looking into a shard
/// counts as a few.
const EFFORT_IN_A_ROW: usize = 128;
const EFFORT_OF_A_SHARD: usize = 4;
/// How many of a subject's sessions are gone through before other tasks run.
const KEYS_IN_A_ROW: usize = 1024;

/// Sessions in memory.
pub struct MemoryStore {
    dates: Dates,
    shards: Box<[Mutex<Shard>]>,
    subjects: Subjects,
    agents: Agents,
    quotas: Quotas,
    count: AtomicU64,
}

impl MemoryStore {
    /// An empty store whose sessions live by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let dates = Dates::new(clock);
        let now = dates.moment();
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(now))).collect(),
            dates,
            subjects: Subjects::new(),
            agents: Agents::new(),
            quotas: Quotas::new(),
            count: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(&self, new: &NewSession, cap: usize) -> Result<Insertion, StoreError> {
        Ok(self.insert_within(new, cap))
    }

    async fn touch(&self, batch: &[Presented]) -> Vec<Outcome> {
        self.touch_all(batch)
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
    ) -> Outcome {
        Ok(self.rotate_one(presented, digest, role, client))
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self.end_one_reused(presented, client, grace))
    }

    async fn remove(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.take_if(id, |_| true))
    }

    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut ended = Vec::new();
        for keys in self.subjects.keys(subject).chunks(KEYS_IN_A_ROW) {
            let ids = keys.iter().flat_map(|key| self.ids(*key));
            ended.extend(ids.filter(|id| self.end(subject, ending, *id)));
            yield_after(keys.len(), KEYS_IN_A_ROW).await;
        }
        Ok(ended)
    }

    async fn remove_each(&self, ids: &[SessionId]) -> Vec<Result<bool, StoreError>> {
        self.take_each(ids).await
    }

    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        Ok(self.end_subjects(endings).await)
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        Ok(self.page(cursor))
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
        Ok(self.values_of(id))
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        Ok(self.write_one(id, key, change, &condition))
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
                if effort >= EFFORT_IN_A_ROW {
                    effort = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(swept)
    }

    fn outlives_process(&self) -> bool {
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

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "memory"
    }
}

/// Lets other tasks run after `done` steps of work, unless that was less than the `limit`.
async fn yield_after(done: usize, limit: usize) {
    if done >= limit {
        tokio::task::yield_now().await;
    }
}
