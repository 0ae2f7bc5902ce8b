//! One shard: records, the index that finds them by id, and the wheel that finds those to sweep.
//! It decides nothing about a session but whether it is there.

use clock::Moment;
use hashbrown::HashTable;

use super::key::Key;
use super::record::Record;
use super::slab::Slab;
use super::wheel::Wheel;
use crate::SessionId;
use crate::expiry::Ms;

/// A part of the sessions, behind one lock.
pub(super) struct Shard {
    /// Indices in the slab, by the hash of the id's key.
    by_id: HashTable<u32>,
    slab: Slab,
    wheel: Wheel,
}

impl Shard {
    pub(super) fn new(now: Moment) -> Self {
        let wheel = Wheel::new(Ms::of(now).get());
        Self { by_id: HashTable::new(), slab: Slab::default(), wheel }
    }

    /// Where the session `id` is.
    pub(super) fn find(&self, id: SessionId) -> Option<u32> {
        self.by_id.find(Key::of(id).hash(), |index| self.slab.at(*index).id == id).copied()
    }

    /// Looks the session `id` up, only to have the processor load it before it is needed.
    pub(super) fn prefetch(&self, id: SessionId) -> usize {
        self.find(id).map_or(0, |index| self.slab.at(index).subject.roles.len())
    }

    /// Where the sessions with this key are: one, if ids are as random as they should be.
    pub(super) fn indices(&self, key: Key) -> impl Iterator<Item = u32> {
        let indices = self.by_id.iter_hash(key.hash()).copied();
        indices.filter(move |index| Key::of(self.slab.at(*index).id) == key)
    }

    pub(super) fn at(&self, index: u32) -> &Record {
        self.slab.at(index)
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        self.slab.at_mut(index)
    }

    /// Takes in a record whose id is not here yet, and says where it is.
    pub(super) fn insert(&mut self, record: Record) -> u32 {
        let (hash, end) = (Key::of(record.id).hash(), Ms::of(record.expiry.expires_at()));
        let index = self.slab.push(record);
        let slab = &self.slab;
        self.by_id.insert_unique(hash, index, |index| Key::of(slab.at(*index).id).hash());
        self.wheel.link(&mut self.slab, index, end.get());
        index
    }

    /// Takes a record out. The indices of others may change.
    pub(super) fn take(&mut self, index: u32) -> Record {
        self.wheel.unlink(&mut self.slab, index);
        self.take_unlinked(index)
    }

    /// Looks at no more than `budget` records that may be over at `now`, and takes those that are
    /// into `over`. `true` if there may be more.
    pub(super) fn take_due(&mut self, now: Moment, budget: usize, over: &mut Vec<Record>) -> bool {
        let now_ms = Ms::of(now).get();
        for _ in 0..budget {
            let Some(index) = self.wheel.due(now_ms) else {
                return false;
            };
            self.wheel.unlink(&mut self.slab, index);
            let expiry = self.slab.at(index).expiry;
            if expiry.is_over(now) {
                over.push(self.take_unlinked(index));
            } else {
                self.wheel.link(&mut self.slab, index, Ms::of(expiry.expires_at()).get());
            }
        }
        true
    }

    /// How many records there are, at the indices from 0 on.
    pub(super) fn records(&self) -> usize {
        self.slab.len()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_id.len(), self.slab.len());
        self.slab.len()
    }

    fn take_unlinked(&mut self, index: u32) -> Record {
        let hash = Key::of(self.slab.at(index).id).hash();
        if let Ok(entry) = self.by_id.find_entry(hash, |at| *at == index) {
            entry.remove();
        }
        let record = self.slab.swap_remove(index);
        let moved_from = u32::try_from(self.slab.len()).unwrap_or(u32::MAX);
        if index != moved_from {
            let hash = Key::of(self.slab.at(index).id).hash();
            if let Some(at) = self.by_id.find_mut(hash, |at| *at == moved_from) {
                *at = index;
            }
            self.wheel.moved(&mut self.slab, index);
        }
        self.give_back();
        record
    }

    /// Gives back the index's memory once it is mostly empty.
    fn give_back(&mut self) {
        let len = self.by_id.len();
        if len == 0 {
            self.by_id = HashTable::new();
            self.wheel.release();
        } else if self.by_id.capacity() > 16 && len < self.by_id.capacity() / 8 {
            let slab = &self.slab;
            self.by_id.shrink_to(2 * len, |index| Key::of(slab.at(*index).id).hash());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::store::conformance::{Fixture, someone};
    use crate::{Kind, NewSession};

    const BEGINNING: Duration = Duration::from_secs(5);

    /// A number that is small, middling or huge, equally often.
    fn any_scale() -> impl Strategy<Value = u64> {
        (0_u64..1 << 44, 0_u32..44).prop_map(|(number, shift)| number >> shift)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert { lifetime_ms: u64 },
        Take { nth: usize },
        Pass { ms: u64, budget: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => any_scale().prop_map(|lifetime_ms| Step::Insert { lifetime_ms }),
            1 => (0_usize..100).prop_map(|nth| Step::Take { nth }),
            2 => (any_scale(), 1_usize..5).prop_map(|(ms, budget)| Step::Pass { ms, budget }),
        ]
    }

    /// Takes all that is due, a few at a time.
    fn all_due(shard: &mut Shard, now: Moment, budget: usize) -> Vec<SessionId> {
        let mut over = Vec::new();
        while shard.take_due(now, budget, &mut over) {}
        let mut ids: Vec<SessionId> = over.iter().map(|record| record.id).collect();
        ids.sort_unstable();
        ids
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_is_over(steps in proptest::collection::vec(step(), 1..300)) {
            let template = NewSession { subject: someone(), ..Fixture::memory().ending(Kind::Fixed, 1) };
            let (mut now, mut shard) = (BEGINNING, Shard::new(BEGINNING));
            let mut ends: BTreeMap<SessionId, Moment> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert { lifetime_ms } => {
                        let max_lifetime = Duration::from_millis(lifetime_ms);
                        let id = SessionId::from(Uuid::from_u128(number as u128));
                        let new = NewSession { id, max_lifetime, ..template.clone() };
                        shard.insert(Record::new(&new, Arc::clone(&new.subject), None, now));
                        ends.insert(id, now + max_lifetime);
                    }
                    Step::Take { nth } => {
                        let Some(id) = ends.keys().nth(nth).copied() else { continue };
                        let index = shard.find(id).unwrap();
                        prop_assert_eq!(shard.take(index).id, id);
                        ends.remove(&id);
                    }
                    Step::Pass { ms, budget } => {
                        now += Duration::from_millis(ms);
                        let over = |end: &Moment| *end <= now;
                        let due: Vec<SessionId> =
                            ends.iter().filter(|(_, end)| over(end)).map(|(id, _)| *id).collect();
                        prop_assert_eq!(all_due(&mut shard, now, budget), due);
                        ends.retain(|_, end| !over(end));
                        prop_assert!(ends.keys().all(|id| shard.find(*id).is_some()));
                    }
                }
                prop_assert_eq!(shard.len(), ends.len());
            }
        }
    }

    #[test]
    fn many_records_come_and_go_without_a_trace() {
        let template =
            NewSession { subject: someone(), ..Fixture::memory().ending(Kind::Fixed, 9) };
        let mut shard = Shard::new(BEGINNING);
        let id = |number: u128| SessionId::from(Uuid::from_u128(number));
        for number in 0..3_000 {
            let new = NewSession { id: id(number), ..template.clone() };
            shard.insert(Record::new(&new, Arc::clone(&new.subject), None, BEGINNING));
        }
        for number in (0..3_000).rev().step_by(3).chain((0..3_000).filter(|n| n % 3 != 2)) {
            let index = shard.find(id(number)).unwrap();
            assert_eq!(shard.take(index).id, id(number));
            assert!(shard.find(id(number)).is_none());
        }
        assert_eq!((shard.len(), shard.by_id.capacity()), (0, 0));
    }
}
