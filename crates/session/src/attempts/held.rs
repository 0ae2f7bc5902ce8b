//! What is stored in memory, in shards, and several of them locked at once.

use std::hash::{BuildHasher as _, RandomState};

use parking_lot::{Mutex, MutexGuard};

use super::pace::Pace;
use super::table::{Entry, Table, Worth};
use super::{AttemptKey, AttemptLimit};

/// The most entries in a shard: half of what a table of 2^14 slots takes in. A table that is no
/// fuller than that tidies itself in place, a fraction of a millisecond under the lock, and never
/// grows beyond.
const SHARD_CAPACITY: usize = 7168;

/// The attempts under one key.
pub(super) struct Count {
    key: AttemptKey,
    free_at_us: u64,
    pace: Pace,
}

/// A key that is remembered.
pub(super) struct Remembered {
    pub(super) key: AttemptKey,
    pub(super) until_us: u64,
}

impl Entry for Count {
    fn key(&self) -> AttemptKey {
        self.key
    }

    /// INVARIANT: what is throttled must stay, or a flood of other counts would lift the throttling.
    fn worth(&self, now_us: u64) -> Worth {
        if self.free_at_us <= now_us {
            Worth::Over
        } else if self.pace.wait_us(self.free_at_us, now_us) > 0 {
            Worth::All
        } else {
            Worth::Some(self.pace.used(self.free_at_us, now_us).into())
        }
    }
}

impl Entry for Remembered {
    fn key(&self) -> AttemptKey {
        self.key
    }

    fn worth(&self, now_us: u64) -> Worth {
        if self.until_us <= now_us { Worth::Over } else { Worth::Some(self.until_us) }
    }
}

/// A part of the keys, behind one lock.
pub(super) struct Shard {
    pub(super) counts: Table<Count>,
    pub(super) remembered: Table<Remembered>,
}

/// All parts.
pub(super) struct Shards {
    shards: Box<[Mutex<Shard>]>,
    /// Keyed: no client can choose names that share a shard.
    hasher: RandomState,
}

/// The shards of some keys, all locked.
pub(super) struct Held<'a> {
    of: &'a Shards,
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Shards {
    /// For `capacity` counts and as many remembered keys.
    pub(super) fn new(capacity: usize) -> Self {
        let shards = capacity.div_ceil(SHARD_CAPACITY).max(1);
        let shard = || {
            let capacity = capacity / shards;
            Mutex::new(Shard { counts: Table::new(capacity), remembered: Table::new(capacity) })
        };
        Self { shards: (0..shards).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// The shard of one key, locked.
    pub(super) fn lock(&self, key: AttemptKey) -> MutexGuard<'_, Shard> {
        self.shards[self.index(key)].lock()
    }

    /// The shards of several keys, locked in the one order that all callers keep to.
    pub(super) fn hold(&self, limits: &[AttemptLimit]) -> Held<'_> {
        let mut wanted: Vec<usize> = limits.iter().map(|limit| self.index(limit.key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let guards = wanted.into_iter().map(|index| (index, self.shards[index].lock())).collect();
        Held { of: self, guards }
    }

    fn index(&self, key: AttemptKey) -> usize {
        usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default() % self.shards.len()
    }

    /// How many counts and remembered keys there are, and the bytes that they take.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize, usize) {
        self.shards.iter().fold((0, 0, 0), |sum, shard| {
            let Shard { counts, remembered } = &*shard.lock();
            (
                sum.0 + counts.len(),
                sum.1 + remembered.len(),
                sum.2 + counts.bytes() + remembered.bytes(),
            )
        })
    }
}

impl Held<'_> {
    /// How long it takes until none of the limits is exhausted: 0 if none is.
    pub(super) fn longest_wait_us(&mut self, limits: &[AttemptLimit], now_us: u64) -> u64 {
        let wait_us = |limit: &AttemptLimit| {
            let count = self.counts(limit.key).find(limit.key);
            Pace::of(limit).wait_us(count.map_or(0, |count| count.free_at_us), now_us)
        };
        limits.iter().map(wait_us).max().unwrap_or(0)
    }

    /// Makes room for the counts that are not here yet. `false` if there is none.
    pub(super) fn make_room(&mut self, limits: &[AttemptLimit], now_us: u64) -> bool {
        let of = self.of;
        let ours = |key| limits.iter().any(|limit| limit.key == key);
        self.guards.iter_mut().all(|(index, shard)| {
            let new = limits
                .iter()
                .filter(|limit| of.index(limit.key) == *index)
                .filter(|limit| shard.counts.find(limit.key).is_none())
                .count();
            shard.counts.make_room(new, now_us, ours)
        })
    }

    /// Counts an attempt under a limit. There must be room.
    pub(super) fn count(&mut self, limit: &AttemptLimit, now_us: u64) {
        let pace = Pace::of(limit);
        let counts = self.counts(limit.key);
        if let Some(count) = counts.find_mut(limit.key) {
            count.free_at_us = pace.counted(count.free_at_us, now_us);
            count.pace = pace;
        } else {
            let free_at_us = pace.counted(0, now_us);
            counts.insert(Count { key: limit.key, free_at_us, pace }, now_us);
        }
    }

    fn counts(&mut self, key: AttemptKey) -> &mut Table<Count> {
        let index = self.of.index(key);
        let held = self.guards.iter_mut().find(|(held, _)| *held == index);
        &mut held.expect("the shards of all keys are held").1.counts
    }
}

impl Shard {
    /// Takes back an attempt under a limit.
    pub(super) fn refund(&mut self, limit: &AttemptLimit, now_us: u64) {
        let Some(count) = self.counts.find_mut(limit.key) else {
            return;
        };
        count.free_at_us = Pace::of(limit).refunded(count.free_at_us);
        if count.free_at_us <= now_us {
            self.counts.remove(limit.key);
        }
    }
}
