//! The half of a session's id by which it is filed: the one in which a UUIDv7 is random.

use crate::SessionId;

/// The low 64 bits of an id. Two ids may share one, though random ones hardly ever do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn of(id: SessionId) -> Self {
        Self(id.uuid().as_u64_pair().1)
    }

    /// Spread over 64 bits, for one multiplication. This needs no secret: who presents an id
    /// chooses it, but the ids that fill the tables are the server's random ones. Whoever makes an
    /// id up can at most aim it at the longest run that chance has left in a table, which is a few
    /// groups long at any load that a table allows; nobody can make that run longer.
    pub(super) const fn hash(self) -> u64 {
        let product = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        product ^ (product >> 32)
    }

    /// Which of `count` parts, a power of two, it belongs to. Tables use the lower bits and the
    /// seven highest ones of the hash; this uses some between.
    pub(super) fn part(self, count: usize) -> usize {
        usize::try_from(self.hash() >> 40).unwrap_or_default() & (count - 1)
    }
}
