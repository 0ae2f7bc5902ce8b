//! The store in this process's memory, made for ten million sessions. It ends with the process.
//!
//! Sessions are spread over shards by their ids, each behind a lock that is held for one session at
//! a time, or for a slice of a sweep. A subject's sessions are found through an index of its own.
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
mod shard;
mod slab;
mod subjects;
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

use async_trait::async_trait;
use clock::Clock;
use parking_lot::Mutex;
use uuid::Uuid;

use self::agents::Agents;
use self::dates::Dates;
use self::key::Key;
use self::quota::Quotas;
use self::record::Record;
use self::shard::Shard;
use self::subjects::Subjects;
use super::{
    Condition, Ending, Insertion, Outcome, SessionStore, StoreError, Swept, ValueChange,
    ValueWrite, Values,
};
use crate::{Dead, Intent, Kind, NewSession, Presented, SecretDigest, Session, SessionId, Verdict};

const SHARDS: usize = 1024;
/// How many records a sweep looks at before it lets go of a shard's lock.
const SLICE: usize = 256;
/// How many shards a sweep looks into before it lets other tasks run.
const SHARDS_IN_A_ROW: usize = 64;
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

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[key.part(SHARDS)]
    }

    /// Takes in a session, whose key is entered first; `None` if its id is in use.
    fn create(&self, new: &NewSession) -> Option<(Session, usize)> {
        let key = Key::of(new.id);
        let (subject, keys) = self.subjects.enter(&new.subject, key);
        let agent = new
            .origin
            .user_agent
            .as_ref()
            .map(|text| self.agents.intern(text));
        let created = {
            let mut shard = self.shard(key).lock();
            shard.find(new.id).is_none().then(|| {
                let now = self.dates.now();
                let place = shard.insert(Record::new(new, subject, agent, now.moment));
                shard.at(place).view(now)
            })
        };
        match created {
            Some(session) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                Some((session, keys))
            }
            None => {
                self.subjects.leave(new.subject.id, key);
                None
            }
        }
    }

    fn touch_one(&self, presented: &Presented) -> Verdict {
        let mut shard = self.shard(Key::of(presented.id)).lock();
        let now = self.dates.now();
        let place = match live(&shard, presented, now.moment) {
            Ok(place) => place,
            Err(dead) => return Verdict::Dead(dead),
        };
        let record = shard.at_mut(place);
        if presented.intent == Intent::Use {
            record.use_at(now.moment);
        }
        let session = record.view(now);
        if presented.intent == Intent::Use && session.kind == Kind::SingleUse {
            let record = shard.take(place);
            drop(shard);
            self.forget(&record);
        }
        Verdict::Alive(session)
    }

    /// Settles what hangs on a record that was taken out. No lock may be held.
    fn forget(&self, record: &Record) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.subjects.leave(record.subject.id, Key::of(record.id));
    }

    /// Takes the session `id` out if `pick` says so; `true` if it was taken out and lived.
    fn take_if(&self, id: SessionId, pick: impl FnOnce(&mut Record) -> bool) -> bool {
        let mut shard = self.shard(Key::of(id)).lock();
        let Some(place) = shard.find(id) else {
            return false;
        };
        if !pick(shard.at_mut(place)) {
            return false;
        }
        let was_live = !shard.at(place).expiry.is_over(self.dates.moment());
        let record = shard.take(place);
        drop(shard);
        self.forget(&record);
        was_live
    }

    /// The ids that a subject's key stands for.
    fn ids(&self, key: Key) -> Vec<SessionId> {
        self.shard(key).lock().ids(key).collect()
    }

    /// Looks at the session `id` of `subject`, if it lives.
    fn look(&self, subject: Uuid, id: SessionId) -> Option<Session> {
        let shard = self.shard(Key::of(id)).lock();
        let now = self.dates.now();
        let record = shard.at(shard.find(id)?);
        let shown = record.subject.id == subject && !record.expiry.is_over(now.moment);
        shown.then(|| record.view(now))
    }

    /// Ends the session `id` if it is `subject`'s and `ending` means it; `true` if it lived.
    fn end(&self, subject: Uuid, ending: Ending, id: SessionId) -> bool {
        self.take_if(id, |record| {
            if record.subject.id != subject {
                return false;
            }
            if ending.keep == Some(id) {
                let raised = ending.below_generation.unwrap_or(record.generation);
                record.generation = record.generation.max(raised);
                return false;
            }
            ending
                .below_generation
                .is_none_or(|below| record.generation < below)
        })
    }

    /// One slice of a sweep. `true` if the shard may have more to sweep.
    fn sweep_slice(&self, shard: &Mutex<Shard>, swept: &mut Swept) -> bool {
        let mut over = Vec::new();
        let more = {
            let mut shard = shard.lock();
            let now = self.dates.moment();
            shard.take_due(now, SLICE, &mut over)
        };
        over.iter().for_each(|record| self.forget(record));
        swept.removed += over.len() as u64;
        more
    }
}

/// Where the presented session is, if its secret is right and its time is not up.
fn live(shard: &Shard, presented: &Presented, now: clock::Moment) -> Result<u32, Dead> {
    let place = shard.find(presented.id).ok_or(Dead::Unknown)?;
    let record = shard.at(place);
    if !record.digest.matches(&presented.digest) {
        return Err(Dead::Unknown);
    }
    if record.expiry.is_over(now) {
        Err(Dead::Expired)
    } else {
        Ok(place)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(&self, new: &NewSession, cap: usize) -> Result<Insertion, StoreError> {
        Ok(self.insert_within(new, cap))
    }

    async fn touch(&self, batch: &[Presented]) -> Vec<Outcome> {
        batch
            .iter()
            .map(|presented| Ok(self.touch_one(presented)))
            .collect()
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
    ) -> Outcome {
        let mut shard = self.shard(Key::of(presented.id)).lock();
        let now = self.dates.now();
        let place = match live(&shard, presented, now.moment) {
            Ok(place) => place,
            Err(dead) => return Ok(Verdict::Dead(dead)),
        };
        let record = shard.at_mut(place);
        record.use_at(now.moment);
        record.digest = digest;
        if let Some(role) = role {
            record.set_role(role);
        }
        Ok(Verdict::Alive(record.view(now)))
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

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for keys in self.subjects.keys(subject).chunks(KEYS_IN_A_ROW) {
            let ids = keys.iter().flat_map(|key| self.ids(*key));
            sessions.extend(ids.filter_map(|id| self.look(subject, id)));
            yield_after(keys.len(), KEYS_IN_A_ROW).await;
        }
        Ok(sessions)
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        let shard = self.shard(Key::of(id)).lock();
        let now = self.dates.moment();
        let record = shard.find(id).map(|place| shard.at(place));
        let live = record.filter(|record| !record.expiry.is_over(now));
        Ok(live.map(|record| {
            record
                .values()
                .map(|kept| kept.values().clone())
                .unwrap_or_default()
        }))
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        let mut shard = self.shard(Key::of(id)).lock();
        let now = self.dates.moment();
        let place = shard
            .find(id)
            .filter(|place| !shard.at(*place).expiry.is_over(now));
        let Some(place) = place else {
            return Ok(ValueWrite::Gone);
        };
        Ok(shard
            .at_mut(place)
            .values_mut()
            .write(key, change, &condition))
    }

    async fn count(&self) -> Result<u64, StoreError> {
        Ok(self.count.load(Ordering::Relaxed))
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        for (number, shard) in self.shards.iter().enumerate() {
            while self.sweep_slice(shard, &mut swept) {
                tokio::task::yield_now().await;
            }
            if number % SHARDS_IN_A_ROW == SHARDS_IN_A_ROW - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.agents.tidy();
        Ok(swept)
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
