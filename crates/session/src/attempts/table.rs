//! A hash table that never holds more than it may. A hand goes round it: each insertion moves it a
//! few slots on and drops what is over there, so that no insertion has to look at everything.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use super::AttemptKey;

/// How many slots an insertion looks at to drop what is over.
const PURGED: usize = 4;
/// Among how many entries the most dispensable is looked for.
const SAMPLE: usize = 16;
/// How many slots are looked at before giving up to find one that is dispensable at all.
const REACH: usize = 512;

/// What a table holds.
pub(super) trait Entry {
    /// What it is found by.
    fn key(&self) -> AttemptKey;
    /// Whether it must stay.
    fn worth(&self, now_us: u64) -> Worth;
}

/// Whether an entry must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It says nothing any more.
    Over,
    /// It may go where there is no room; those with less first.
    Some(u64),
    /// It must stay.
    All,
}

/// At most `capacity` entries.
pub(super) struct Table<E> {
    entries: HashTable<E>,
    capacity: usize,
    hand: usize,
    /// Keyed: no client can choose names that collide.
    hasher: RandomState,
}

impl<E: Entry> Table<E> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashTable::new(), capacity, hand: 0, hasher: RandomState::new() }
    }

    pub(super) fn find(&self, key: AttemptKey) -> Option<&E> {
        self.entries.find(self.hasher.hash_one(key), |entry| entry.key() == key)
    }

    pub(super) fn find_mut(&mut self, key: AttemptKey) -> Option<&mut E> {
        self.entries.find_mut(self.hasher.hash_one(key), |entry| entry.key() == key)
    }

    pub(super) fn remove(&mut self, key: AttemptKey) {
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.entries.find_entry(hash, |entry| entry.key() == key) {
            entry.remove();
        }
    }

    /// Takes in an entry whose key is not here, and for which there is room.
    pub(super) fn insert(&mut self, entry: E, now_us: u64) {
        self.purge(now_us);
        let hasher = &self.hasher;
        let hash = hasher.hash_one(entry.key());
        self.entries.insert_unique(hash, entry, |entry| hasher.hash_one(entry.key()));
    }

    /// Drops what is most dispensable, except for the keys that `keep` names, until there is room
    /// for `wanted` more. `false` if there is not.
    pub(super) fn make_room(
        &mut self,
        wanted: usize,
        now_us: u64,
        keep: impl Fn(AttemptKey) -> bool,
    ) -> bool {
        while self.entries.len() + wanted > self.capacity {
            if !self.drop_one(now_us, &keep) {
                return false;
            }
        }
        true
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.entries.allocation_size()
    }

    fn purge(&mut self, now_us: u64) {
        for _ in 0..PURGED.min(self.entries.num_buckets()) {
            let at = self.advance();
            if self.entries.get_bucket(at).is_some_and(|entry| entry.worth(now_us) == Worth::Over) {
                self.remove_at(at);
            }
        }
    }

    fn drop_one(&mut self, now_us: u64, keep: impl Fn(AttemptKey) -> bool) -> bool {
        let mut least: Option<(u64, usize)> = None;
        let mut seen = 0;
        for _ in 0..REACH.min(self.entries.num_buckets()) {
            if seen >= SAMPLE && least.is_some() {
                break;
            }
            let at = self.advance();
            let Some(entry) = self.entries.get_bucket(at) else {
                continue;
            };
            seen += 1;
            match entry.worth(now_us) {
                _ if keep(entry.key()) => {}
                Worth::Over => {
                    self.remove_at(at);
                    return true;
                }
                Worth::Some(worth) if least.is_none_or(|(least, _)| worth < least) => {
                    least = Some((worth, at));
                }
                Worth::Some(_) | Worth::All => {}
            }
        }
        least.is_some_and(|(_, at)| self.remove_at(at))
    }

    /// Moves the hand on and says where it is.
    fn advance(&mut self) -> usize {
        self.hand = (self.hand + 1) % self.entries.num_buckets();
        self.hand
    }

    fn remove_at(&mut self, at: usize) -> bool {
        self.entries.get_bucket_entry(at).map(OccupiedEntry::remove).is_ok()
    }
}
