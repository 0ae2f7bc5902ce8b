//! A bag of keys that is small when it holds few and quick when it holds millions.

use hashbrown::HashTable;

use super::key::Key;

/// From how many keys on they are hashed. Below, looking through all is as quick.
const MANY: usize = 4096;
/// Parts of a hashed bag: each grows by itself, so that no single growth takes long.
const PARTS: usize = 256;

/// Keys, each as often as it was put in.
pub(super) enum Keys {
    One(Key),
    Few(Vec<Key>),
    Many(Box<Many>),
}

/// A hashed bag.
pub(super) struct Many {
    parts: Vec<HashTable<Key>>,
    len: usize,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Few(keys) => keys.len(),
            Self::Many(many) => many.len,
        }
    }

    /// Reads one key, only to have the processor load them before they are needed.
    pub(super) fn prefetch(&self) -> Option<Key> {
        match self {
            Self::One(key) => Some(*key),
            Self::Few(keys) => keys.first().copied(),
            Self::Many(_) => None,
        }
    }

    pub(super) fn add(&mut self, key: Key) {
        match self {
            Self::One(first) => *self = Self::Few(vec![*first, key]),
            Self::Few(keys) if keys.len() < MANY => push(keys, key),
            Self::Few(keys) => {
                let mut many = Many::new();
                keys.drain(..).for_each(|key| many.add(key));
                many.add(key);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.add(key),
        }
    }

    /// Takes one `key` out, if there is one; `true` if the bag is empty then.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        match self {
            Self::One(one) => *one == key,
            Self::Few(keys) => {
                if let Some(index) = keys.iter().position(|at| *at == key) {
                    keys.swap_remove(index);
                }
                if keys.len() < keys.capacity() / 4 {
                    keys.shrink_to(2 * keys.len());
                }
                keys.is_empty()
            }
            Self::Many(many) => {
                many.remove(key);
                if many.len < MANY / 2 {
                    *self = Self::Few(many.all().collect());
                }
                false
            }
        }
    }

    /// All keys, in no order.
    pub(super) fn all(&self) -> Vec<Key> {
        match self {
            Self::One(key) => vec![*key],
            Self::Few(keys) => keys.clone(),
            Self::Many(many) => many.all().collect(),
        }
    }
}

impl Many {
    fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| HashTable::new()).collect(), len: 0 }
    }

    fn add(&mut self, key: Key) {
        self.parts[part(key)].insert_unique(key.hash(), key, |key| key.hash());
        self.len += 1;
    }

    fn remove(&mut self, key: Key) {
        let part = &mut self.parts[part(key)];
        if let Ok(entry) = part.find_entry(key.hash(), |at| *at == key) {
            entry.remove();
            self.len -= 1;
        }
        if part.capacity() > 16 && part.len() < part.capacity() / 8 {
            part.shrink_to(2 * part.len(), |key| key.hash());
        }
    }

    fn all(&self) -> impl Iterator<Item = Key> {
        self.parts.iter().flatten().copied()
    }
}

/// The part of a hashed bag; by other bits of the hash than the shards of the store.
fn part(key: Key) -> usize {
    usize::try_from(key.hash() >> 24).unwrap_or_default() % PARTS
}

/// Grows by half rather than to the double: most bags grow once and stay.
fn push(keys: &mut Vec<Key>, key: Key) {
    if keys.len() == keys.capacity() {
        keys.reserve_exact((keys.len() / 2).max(2));
    }
    keys.push(key);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: usize) -> Key {
        Key::of(Uuid::from_u128(number as u128).into())
    }

    fn sorted(keys: &Keys) -> Vec<Key> {
        let mut all = keys.all();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_bag_holds_each_key_as_often_as_it_was_put_in() {
        let mut keys = Keys::One(key(7));
        keys.add(key(7));
        keys.add(key(8));
        assert_eq!((keys.len(), sorted(&keys)), (3, vec![key(7), key(7), key(8)]));
        assert!(!keys.remove(key(7)));
        assert!(!keys.remove(key(9)));
        assert_eq!((keys.len(), sorted(&keys)), (2, vec![key(7), key(8)]));
        assert!(!keys.remove(key(8)));
        assert!(keys.remove(key(7)));
    }

    #[test]
    fn a_bag_grows_large_and_small_again_without_losing_a_key() {
        let mut keys = Keys::One(key(0));
        (1..10_000).for_each(|number| keys.add(key(number)));
        assert!(matches!(keys, Keys::Many(_)));
        assert_eq!(sorted(&keys), (0..10_000).map(key).collect::<Vec<_>>());
        let emptied: Vec<usize> = (0..10_000).filter(|number| keys.remove(key(*number))).collect();
        assert_eq!(emptied, [9_999]);
    }
}
