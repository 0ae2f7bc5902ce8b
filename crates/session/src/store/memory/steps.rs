//! What is done to one session, in one step, under the lock of its shard.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clock::Moment;
use parking_lot::Mutex;
use uuid::Uuid;

use super::MemoryStore;
use super::flags::{ENDING, WRITING, WRITING_VALUES};
use super::journal::{BeforeWrite, Change, Part};
use super::key::Key;
use super::lock_batch::LOCKS_AT_ONCE;
use super::promises::{Operation, OrWait, Promises};
use super::record::Record;
use super::shard::Shard;
use super::stored;
use super::wall_clock::Now;
use crate::{
    Cause, ClientDigest, Condition, Dead, Ending, Event, EventContext, EventKind, Intent,
    NewSession, Presented, SecretDigest, Session, SessionId, ValueChange, ValueWrite, Values,
    Verdict,
};

/// How many records a sweep looks at before it lets go of a shard's lock.
pub(super) const SLICE: usize = 128;

impl MemoryStore {
    pub(super) fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[key.part(self.shards.len())]
    }

    /// Takes in a session, whose key is entered first; the session and how many keys its subject
    /// has now, or `None` if its id is in use.
    pub(super) fn create(
        &self,
        new: &NewSession,
        operation: &mut Operation<'_>,
    ) -> Option<(Session, usize)> {
        let key = Key::of(new.id);
        let (subject, keys) = self.subjects.enter(&new.subject, key);
        let user_agent = new.origin.user_agent.as_ref();
        let agent = user_agent.map(|text| self.user_agents.intern(text));
        let created = {
            let mut shard = self.shard(key).lock();
            shard.find(new.id).is_none().then(|| {
                let now = self.wall_clock.now();
                let index = shard.insert(Record::new(new, subject, agent, now.moment));
                self.count.fetch_add(1, Ordering::Relaxed);
                let record = shard.at(index);
                let view = record.view(now);
                let event =
                    Event::of(EventKind::SessionIssued, &view, operation.context, now.date());
                match self.journal() {
                    Some(journal) => operation.promises.add(journal.push(Change::Opened(
                        record.id,
                        stored::row(record),
                        Box::new(event),
                    ))),
                    None => self.events.push_all([event]),
                }
                view
            })
        };
        if created.is_none() {
            self.subjects.leave(new.subject.id, key);
        }
        created.map(|session| (session, keys))
    }

    pub(crate) fn rotate_one(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        operation: &mut Operation<'_>,
    ) -> OrWait<Verdict> {
        let presented = Presented { intent: Intent::Use, ..*presented };
        let mut shard = self.shard(Key::of(presented.id)).lock();
        self.unless_written(&shard, presented.id, Part::Session)?;
        let now = self.wall_clock.now();
        let index = match live(&shard, &presented, now.moment) {
            Ok(index) => index,
            Err(dead) => return Ok(Verdict::Dead(dead)),
        };
        let record = shard.at_mut(index);
        record.use_at(now.moment);
        let before = record.rotate_at(now.moment, digest, role, client);
        let session = record.view(now);
        let event = Event::of(EventKind::SessionRotated, &session, operation.context, now.date());
        if let Some(journal) = self.journal() {
            record.flags.set(WRITING);
            let change = Change::Rotated(record.id, stored::row(record), Box::new((before, event)));
            operation.promises.add(journal.hold(record.id, Part::Session, change));
        } else {
            self.events.push_all([event]);
        }
        Ok(Verdict::Alive(session))
    }

    /// Ends a live session whose replaced secret is presented, where that is reuse.
    pub(crate) fn end_one_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        operation: &mut Operation<'_>,
    ) -> OrWait<Option<Session>> {
        let mut shard = self.shard(Key::of(presented.id)).lock();
        self.unless_written(&shard, presented.id, Part::Session)?;
        let now = self.wall_clock.now();
        let Some(found) = shard.find(presented.id) else {
            return Ok(None);
        };
        let record = shard.at(found);
        if record.digest.matches(&presented.digest)
            || !record.has_replaced(&presented.digest)
            || !record.is_reuse(now.moment, client, grace)
            || record.expiry.is_over(now.moment)
        {
            return Ok(None);
        }
        let session = record.view(now);
        let record = shard.take(found);
        self.record_end(&record, now, operation);
        drop(shard);
        self.forget(&record);
        Ok(Some(session))
    }

    /// Takes the session `id` out if `pick` says so; `true` if it was taken out and lived.
    pub(super) fn take_if(
        &self,
        id: SessionId,
        operation: &mut Operation<'_>,
        pick: impl FnOnce(&mut Record, &mut Operation<'_>) -> bool,
    ) -> bool {
        let mut shard = self.shard(Key::of(id)).lock();
        let Some(index) = shard.find(id) else {
            return false;
        };
        if !pick(shard.at_mut(index), operation) {
            return false;
        }
        let record = shard.take(index);
        let now = self.wall_clock.now();
        let was_live = !record.expiry.is_over(now.moment) && !record.flags.has(ENDING);
        self.record_end(&record, now, operation);
        drop(shard);
        self.forget(&record);
        was_live
    }

    /// Ends the session `id`; `true` if it was there and lived.
    pub(crate) fn take(&self, id: SessionId, operation: &mut Operation<'_>) -> bool {
        self.take_if(id, operation, |_, _| true)
    }

    /// Removes a record that was taken out from the indexes and counts. No lock may be held.
    pub(super) fn forget(&self, record: &Record) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.subjects.leave(record.subject.id, Key::of(record.id));
    }

    /// Removes records that were taken out from the indexes and counts, and drops them. No lock may be held.
    pub(super) fn forget_all(&self, records: &mut Vec<Record>) {
        self.count.fetch_sub(records.len() as u64, Ordering::Relaxed);
        let keys = |record: &Record| (record.subject.id, Key::of(record.id));
        let keys: Vec<(Uuid, Key)> = records.iter().map(keys).collect();
        records.clear();
        keys.chunks(LOCKS_AT_ONCE).for_each(|few| self.subjects.leave_few(few));
    }

    /// The ids that a subject's key stands for.
    pub(super) fn ids(&self, key: Key) -> Vec<SessionId> {
        let shard = self.shard(key).lock();
        shard.indices(key).map(|index| shard.at(index).id).collect()
    }

    /// Looks at the live sessions of `subject` that a key stands for.
    pub(super) fn look_at_all(&self, subject: Uuid, key: Key, seen: &mut Vec<Session>) {
        let shard = self.shard(key).lock();
        let now = self.wall_clock.now();
        let records = shard.indices(key).map(|index| shard.at(index));
        let live = records
            .filter(|record| record.subject.id == subject && !record.expiry.is_over(now.moment));
        seen.extend(live.map(|record| record.view(now)));
    }

    /// Ends the session `id` if it is `subject`'s and `ending` means it; `true` if it lived.
    pub(super) fn end(
        &self,
        subject: Uuid,
        ending: Ending,
        id: SessionId,
        operation: &mut Operation<'_>,
    ) -> bool {
        self.take_if(id, operation, |record, operation| {
            if record.subject.id != subject {
                return false;
            }
            if ending.keep == Some(id) {
                let raised = ending.below_generation.unwrap_or(record.generation);
                if record.generation < raised {
                    record.generation = raised;
                    self.promise_raised(record, &mut operation.promises);
                }
                return false;
            }
            ending.below_generation.is_none_or(|below| record.generation < below)
        })
    }

    pub(crate) fn values_of(&self, id: SessionId) -> OrWait<Option<Values>> {
        let shard = self.shard(Key::of(id)).lock();
        self.unless_written(&shard, id, Part::Values)?;
        let Some(index) = shard.find(id) else {
            return Ok(None);
        };
        let record = shard.at(index);
        if record.expiry.is_over(self.wall_clock.moment()) {
            return Ok(None);
        }
        Ok(Some(
            record.values().map(|stored_values| stored_values.values().clone()).unwrap_or_default(),
        ))
    }

    pub(crate) fn write_one(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: &Condition,
        promises: &mut Promises,
    ) -> OrWait<ValueWrite> {
        let mut shard = self.shard(Key::of(id)).lock();
        self.unless_written(&shard, id, Part::Values)?;
        let now = self.wall_clock.moment();
        let index = shard.find(id).filter(|index| !shard.at(*index).expiry.is_over(now));
        let Some(index) = index else {
            return Ok(ValueWrite::SessionDead);
        };
        let record = shard.at_mut(index);
        let Some(journal) = self.journal() else {
            return Ok(record.values_mut().write(key, change, condition));
        };
        let stored_values = record.values_mut();
        let before =
            BeforeWrite { key: key.into(), value: stored_values.values().get(key).cloned() };
        let written = stored_values.write(key, change, condition);
        if matches!(written, ValueWrite::Put(_) | ValueWrite::Deleted) {
            let values = stored::values(stored_values);
            record.flags.set(WRITING_VALUES);
            let change = Change::Valued(id, values, Box::new(before));
            promises.add(journal.hold(id, Part::Values, change));
        }
        Ok(written)
    }

    /// Takes one slice of what is over out of a shard. `true` if there may be more.
    pub(super) fn take_due(&self, shard: &Mutex<Shard>, over: &mut Vec<Record>) -> bool {
        let mut shard = shard.lock();
        let now = self.wall_clock.now();
        let (before, more) = (over.len(), shard.take_due(now.moment, SLICE, over));
        self.record_expired(&over[before..], now);
        more
    }

    /// Records that a session ended which was taken out, with its event. The lock of its shard is
    /// held. Its time may have been up by then.
    ///
    /// INVARIANT: whatever ends a session comes through here, through [`Self::record_expired`], or
    /// through the journal as used up.
    pub(super) fn record_end(&self, record: &Record, now: Now, operation: &mut Operation<'_>) {
        let expired = EventContext::without_client(Cause::Expired);
        let is_over = record.expiry.is_over(now.moment);
        let event = record.ended(if is_over { &expired } else { operation.context }, now);
        match self.journal() {
            Some(journal) => {
                let change = Change::Ended(record.id, Some(Box::new(event)));
                operation.promises.add(journal.push(change));
            }
            None => self.events.push_all([event]),
        }
    }

    /// The same for sessions whose time was up, and for which no request waits.
    pub(super) fn record_expired(&self, over: &[Record], now: Now) {
        if over.is_empty() {
            return;
        }
        let expired = EventContext::without_client(Cause::Expired);
        let events = over.iter().map(|record| (record.id, record.ended(&expired, now)));
        match self.journal() {
            Some(journal) => {
                journal
                    .push_all(events.map(|(id, event)| Change::Ended(id, Some(Box::new(event)))));
            }
            None => self.events.push_all(events.map(|(_, event)| event)),
        }
    }

    fn promise_raised(&self, record: &Record, promises: &mut Promises) {
        if let Some(journal) = self.journal() {
            promises.add(journal.push(Change::Raised(record.id, stored::row(record))));
        }
    }

    /// # Errors
    ///
    /// That part of the session is being written, or its end is.
    pub(super) fn unless_written(&self, shard: &Shard, id: SessionId, part: Part) -> OrWait<()> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        let Some(index) = shard.find(id) else {
            return Ok(());
        };
        let flags = shard.at(index).flags;
        let writing = match part {
            _ if flags.has(WRITING) => journal.batch_of(id, Part::Session),
            Part::Values if flags.has(WRITING_VALUES) => journal.batch_of(id, Part::Values),
            _ => None,
        };
        writing.map_or(Ok(()), Err)
    }
}

/// Where the presented session is, if its secret is right for the intent and its time is not up.
pub(super) fn live(shard: &Shard, presented: &Presented, now: Moment) -> Result<u32, Dead> {
    let index = shard.find(presented.id).ok_or(Dead::Unknown)?;
    let record = shard.at(index);
    let is_over = record.expiry.is_over(now);
    if !record.digest.matches(&presented.digest) {
        return match presented.intent {
            _ if is_over || !record.has_replaced(&presented.digest) => Err(Dead::Unknown),
            Intent::Use => Err(Dead::Replaced),
            Intent::Look => Err(Dead::Unknown),
            Intent::End => Ok(index),
        };
    }
    if is_over { Err(Dead::Expired) } else { Ok(index) }
}
