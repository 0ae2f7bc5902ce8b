//! How often something may be tried: limits, counts, and what keeps the counts.
//!
//! Who tries what is not known here: a count has an opaque [`AttemptKey`]. That the attempts are
//! logins, and which limits there are, is the caller's business.

#[cfg(test)]
pub(crate) mod conformance;
mod held;
mod memory;
mod pace;
mod redis;
mod table;

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use crate::StoreError;

pub use memory::MemoryAttempts;
pub use redis::RedisAttempts;

/// What attempts are counted by: a digest, so that no store holds a user name or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey([u8; 16]);

impl AttemptKey {
    /// The key of these parts in this order: another one for any other parts, on all nodes the
    /// same. The first should say what kind of key it is.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            // With its length before it, no part runs into the next.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize()[..16]);
        Self(key)
    }

    /// A digest that was stored.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A limit on the attempts that are counted under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimit {
    /// What they are counted under.
    pub key: AttemptKey,
    /// How many are admitted at once; one more each `per / burst`, a microsecond at least.
    pub burst: NonZeroU32,
    /// How long it takes until none of them counts any more.
    pub per: Duration,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It may, and is counted.
    Admitted,
    /// It may not, and is not counted.
    Throttled {
        /// After this time it may, unless others come before.
        retry_after: Duration,
    },
}

/// Where attempts are counted, by the generic cell rate algorithm. Each sentence here is a test
/// that every store runs.
///
/// INVARIANT: an attempt is counted before it is made. Of any number of concurrent ones, on any
/// number of nodes, no more are admitted than the limit allows.
/// INVARIANT: what is throttled is never forgotten to make room: a store that is full says
/// [`StoreError`].
#[async_trait]
pub trait AttemptStore: Send + Sync + 'static {
    /// Counts an attempt under each limit, or under none where one of them is exhausted; tells the
    /// longest wait of those. The keys must differ.
    ///
    /// Each key is changed in one atomic step. A store that cannot change all of them in one takes
    /// back what it counted, and takes the limits in the order given, so that the last one, which
    /// strangers may share, is never counted in vain.
    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<Reservation, StoreError>;

    /// Takes back one attempt under each limit, never more than were counted.
    async fn refund(&self, limits: &[AttemptLimit]) -> Result<(), StoreError>;

    /// Forgets all attempts under a key.
    async fn clear(&self, key: AttemptKey) -> Result<(), StoreError>;

    /// Remembers a key for this long from now, or for longer if it already was. Where there is no
    /// room, one that would soon be forgotten anyway goes first.
    async fn remember(&self, key: AttemptKey, period: Duration) -> Result<(), StoreError>;

    /// Whether a key is remembered.
    async fn is_remembered(&self, key: AttemptKey) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_depends_on_where_its_parts_begin_and_shows_none_of_them() {
        let key = AttemptKey::of(&[b"pair", b"ann@example.com"]);
        assert_eq!(key, AttemptKey::of(&[b"pair", b"ann@example.com"]));
        assert_ne!(key, AttemptKey::of(&[b"pairann", b"@example.com"]));
        assert_ne!(key, AttemptKey::of(&[b"account", b"ann@example.com"]));
        assert_ne!(key, AttemptKey::of(&[b"pair", b"ann@example.com", b""]));
        assert!(!format!("{key:?}").contains("ann"));
    }
}
