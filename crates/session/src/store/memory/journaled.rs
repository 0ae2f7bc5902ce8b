//! The other side of the journal: what the task that writes sessions down needs from the memory that
//! they are served from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clock::Moment;

use super::MemoryStore;
use super::flags::{ENDING, USED, WRITING, WRITING_VALUES};
use super::journal::{Batch, BeforeRotation, BeforeWrite, Change, Journal, Part, Row, Taken};
use super::key::Key;
use super::marks::Marks;
use super::record::Record;
use super::stored::{self, Stored};
use crate::{Event, SessionId};

/// How many sessions are looked at before the journal is locked.
const MARKED_IN_A_ROW: usize = 256;

/// What became of a stored session.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// It lives.
    Live,
    /// Its time was up meanwhile, which is this event.
    Expired(Box<Event>),
    /// What was stored is no session.
    Unreadable,
}

/// A session as it was found where it was stored.
pub(crate) struct StoredRow<'a> {
    pub(crate) id: SessionId,
    pub(crate) record: &'a [u8],
    pub(crate) used_ms: u64,
    pub(crate) uses: u32,
    pub(crate) values: Option<&'a [u8]>,
}

/// What must be written of a session to take back what may have been written, and was not promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// As it stands.
    Restate(SessionId),
    /// That it ended.
    Delete(SessionId),
}

/// A session as it stands, to be written whole.
pub(crate) struct Standing {
    pub(crate) row: Row,
    pub(crate) values: Option<Box<[u8]>>,
}

impl MemoryStore {
    /// The journal of a store that was made with one.
    ///
    /// # Panics
    ///
    /// It was not.
    pub(crate) fn changes(&self) -> &Journal {
        self.journal().expect("the store was made with a journal")
    }

    fn marks(&self) -> Option<&Marks> {
        self.written.as_ref().map(|written| &written.marks)
    }

    /// Makes the events of changes visible that were written.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        if !events.is_empty() {
            self.events.push_all(events);
        }
    }

    /// The number of the next event, and of the oldest that is stored.
    pub(crate) fn event_numbers(&self) -> (u64, u64) {
        self.events.numbers()
    }

    /// Has an event that changed no session written.
    pub(crate) fn record_event(&self, event: Event) -> Arc<Batch> {
        let event = Event { at_ms: self.wall_clock.now().date(), ..event };
        self.changes().push(Change::Happened(Box::new(event)))
    }

    /// Now, by the clock that sessions live by.
    pub(crate) fn moment(&self) -> Moment {
        self.wall_clock.moment()
    }

    /// Takes in a session that was stored. The store must not be in use yet.
    pub(crate) fn load(&self, row: &StoredRow<'_>) -> Loaded {
        let Some(stored) = Stored::read(row) else {
            return Loaded::Unreadable;
        };
        let now = self.wall_clock.now();
        if stored.expiry.is_over(now.moment) {
            return Loaded::Expired(Box::new(stored.expired(now.date())));
        }
        let key = Key::of(stored.id);
        let (subject, _) = self.subjects.enter(&stored.subject, key);
        let agent = stored.agent.as_ref().map(|text| self.user_agents.intern(text));
        let record = Record::stored(stored, subject, agent);
        self.shard(key).lock().insert(record);
        self.count.fetch_add(1, Ordering::Relaxed);
        Loaded::Live
    }

    /// Has what is known of the last use of a session written in time, as if it were used now.
    pub(crate) fn mark_used(&self, id: SessionId) {
        let mut shard = self.shard(Key::of(id)).lock();
        let Some((marks, index)) = self.marks().zip(shard.find(id)) else { return };
        let record = shard.at_mut(index);
        record.flags.set(USED);
        marks.mark(id, self.wall_clock.moment(), record.expiry.idle());
    }

    /// Puts the uses that are due into the journal, where all up to `since` were before.
    pub(crate) fn note_due_uses(&self, since: Moment, now: Moment) {
        let due = self.marks().map(|marks| marks.take_due(since, now));
        self.note_uses(&due.unwrap_or_default());
    }

    /// Puts all uses into the journal that are not written yet.
    pub(crate) fn note_all_uses(&self) {
        let all = self.marks().map(Marks::take_all);
        self.note_uses(&all.unwrap_or_default());
    }

    fn note_uses(&self, ids: &[SessionId]) {
        for ids in ids.chunks(MARKED_IN_A_ROW) {
            let uses: Vec<Change> = ids.iter().filter_map(|id| self.use_of(*id)).collect();
            // A use may be put in behind the end of its session: it changes only what is there.
            self.changes().push_later(uses);
        }
    }

    fn use_of(&self, id: SessionId) -> Option<Change> {
        let mut shard = self.shard(Key::of(id)).lock();
        let index = shard.find(id)?;
        let record = shard.at_mut(index);
        record.flags.clear(USED);
        let used_ms = u64::try_from(record.expiry.last_used().as_millis()).unwrap_or_default();
        Some(Change::Used(id, used_ms, record.uses))
    }

    /// All of this was written: the requests that wait for it go on.
    pub(crate) fn settle(&self, taken: &Taken) {
        for change in &taken.changes {
            match change {
                Change::Rotated(id, ..) => self.release(taken, *id, Part::Session, |_| {}),
                Change::Valued(id, ..) => self.release(taken, *id, Part::Values, |_| {}),
                Change::UsedUp(id, _) => self.end_used_up(taken, *id),
                _ => {}
            }
        }
    }

    /// None of this was written: takes back what it promised, but for ends, and says what must be
    /// written all the same once that is possible.
    pub(crate) fn take_back(&self, taken: &mut Taken) -> Vec<Repair> {
        let changes = std::mem::take(&mut taken.changes);
        let repairs = changes.into_iter().rev().filter_map(|change| match change {
            Change::Opened(id, ..) => {
                self.take_back_opening(id);
                Some(Repair::Delete(id))
            }
            Change::Rotated(id, _, rotation) => {
                self.take_back_rotation(taken, id, rotation.0);
                Some(Repair::Restate(id))
            }
            Change::UsedUp(id, _) => {
                self.release(taken, id, Part::Session, |record| record.flags.clear(ENDING));
                Some(Repair::Restate(id))
            }
            Change::Valued(id, _, before) => {
                self.take_back_write(taken, id, *before);
                Some(Repair::Restate(id))
            }
            Change::Raised(id, _) | Change::Used(id, ..) => Some(Repair::Restate(id)),
            Change::Ended(id, _) => Some(Repair::Delete(id)),
            Change::Happened(_) | Change::Remembered(..) | Change::Described(..) => None,
        });
        repairs.collect()
    }

    /// The session as it stands, with what is not written of it yet.
    pub(crate) fn standing(&self, id: SessionId) -> Option<Standing> {
        let shard = self.shard(Key::of(id)).lock();
        let record = shard.at(shard.find(id)?);
        Some(Standing { row: stored::row(record), values: record.values().map(stored::values) })
    }

    fn take_back_opening(&self, id: SessionId) {
        let mut shard = self.shard(Key::of(id)).lock();
        let Some(index) = shard.find(id) else {
            return;
        };
        let record = shard.take(index);
        drop(shard);
        self.forget(&record);
    }

    fn take_back_rotation(&self, taken: &Taken, id: SessionId, before: BeforeRotation) {
        self.release(taken, id, Part::Session, |record| record.put_back(before));
    }

    fn take_back_write(&self, taken: &Taken, id: SessionId, before: BeforeWrite) {
        self.release(taken, id, Part::Values, |record| {
            record.values_mut().put_back(&before.key, before.value);
        });
    }

    fn end_used_up(&self, taken: &Taken, id: SessionId) {
        let mut shard = self.shard(Key::of(id)).lock();
        self.changes().is_written(id, Part::Session, &taken.batch);
        let Some(index) = shard.find(id) else {
            return;
        };
        let record = shard.take(index);
        drop(shard);
        self.forget(&record);
    }

    /// Changes the session if it is there, and lets the requests go on that wait for it.
    fn release(&self, taken: &Taken, id: SessionId, part: Part, change: impl FnOnce(&mut Record)) {
        let mut shard = self.shard(Key::of(id)).lock();
        let is_written = self.changes().is_written(id, part, &taken.batch);
        let Some(index) = shard.find(id) else {
            return;
        };
        let record = shard.at_mut(index);
        change(record);
        if is_written {
            record.flags.clear(match part {
                Part::Session => WRITING,
                Part::Values => WRITING_VALUES,
            });
        }
    }
}
