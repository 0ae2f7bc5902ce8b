//! Which sessions a subject has: an index for finding them, not the truth about them.
//!
//! A key is entered before its session is taken in and left after the session was taken out, so
//! that every session that is there can be found; a key may be found whose session is not there.

use std::hint::black_box;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;
use uuid::Uuid;

use super::key::Key;
use super::keys::Keys;
use super::lock_batch::Locked;
use crate::Subject;

const SHARDS: usize = 1024;

/// A subject with sessions.
struct IndexedSubject {
    /// As the latest login had it; shared by the sessions that were opened with an equal one.
    subject: Arc<Subject>,
    keys: Keys,
}

/// All subjects with sessions.
pub(super) struct Subjects {
    shards: Box<[Mutex<HashTable<IndexedSubject>>]>,
}

impl Subjects {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Enters a session. Returns the subject, shared with its other sessions where it is equal,
    /// and how many keys it now has.
    pub(super) fn enter(&self, subject: &Arc<Subject>, key: Key) -> (Arc<Subject>, usize) {
        let mut shard = self.shard(subject.id).lock();
        let same = |indexed: &IndexedSubject| indexed.subject.id == subject.id;
        match shard.entry(hash(subject.id), same, |indexed| hash(indexed.subject.id)) {
            Entry::Occupied(mut entry) => {
                let indexed = entry.get_mut();
                indexed.keys.add(key);
                if indexed.subject != *subject {
                    indexed.subject = Arc::clone(subject);
                }
                (Arc::clone(&indexed.subject), indexed.keys.len())
            }
            Entry::Vacant(entry) => {
                entry.insert(IndexedSubject { subject: Arc::clone(subject), keys: Keys::One(key) });
                (Arc::clone(subject), 1)
            }
        }
    }

    /// Removes a session that has ended. A subject without sessions is removed as well.
    pub(super) fn leave(&self, subject: Uuid, key: Key) {
        strike(&mut self.shard(subject).lock(), subject, key);
    }

    /// Removes a few sessions that have ended.
    pub(super) fn leave_few(&self, few: &[(Uuid, Key)]) {
        let number = |subject: Uuid| part(subject, SHARDS);
        let numbers = few.iter().map(|(subject, _)| number(*subject));
        let mut locked = Locked::of(&self.shards, numbers);
        for (subject, _) in few {
            black_box(
                find(locked.part(number(*subject)), *subject)
                    .map(|indexed| indexed.keys.prefetch()),
            );
        }
        for (subject, key) in few {
            strike(locked.part(number(*subject)), *subject, *key);
        }
    }

    /// The keys of a subject's sessions, each once.
    pub(super) fn keys(&self, subject: Uuid) -> Vec<Key> {
        let mut keys = {
            let shard = self.shard(subject).lock();
            find(&shard, subject).map_or_else(Vec::new, |indexed| indexed.keys.all())
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, subject: Uuid) -> &Mutex<HashTable<IndexedSubject>> {
        &self.shards[part(subject, SHARDS)]
    }
}

fn find(shard: &HashTable<IndexedSubject>, subject: Uuid) -> Option<&IndexedSubject> {
    shard.find(hash(subject), |indexed| indexed.subject.id == subject)
}

fn strike(shard: &mut HashTable<IndexedSubject>, subject: Uuid, key: Key) {
    let same = |indexed: &IndexedSubject| indexed.subject.id == subject;
    let Ok(mut entry) = shard.find_entry(hash(subject), same) else {
        return;
    };
    if entry.get_mut().keys.remove(key) {
        drop(entry.remove());
        let len = shard.len();
        if len == 0 {
            *shard = HashTable::new();
        } else if shard.capacity() > 16 && len < shard.capacity() / 8 {
            shard.shrink_to(2 * len, |indexed| hash(indexed.subject.id));
        }
    }
}

/// Which of `count` parts, a power of two, a subject belongs to.
pub(super) fn part(subject: Uuid, count: usize) -> usize {
    usize::try_from(hash(subject) >> 40).unwrap_or_default() & (count - 1)
}

/// Both halves, as users' ids may be of any kind.
fn hash(subject: Uuid) -> u64 {
    let (high, low) = subject.as_u64_pair();
    let product = (low ^ high.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}
