//! The uses that a clean stop writes: in blocks of their own rather than into the rows of their
//! sessions, which lie all over the file. A start takes them in, and they are written into the rows
//! while the service runs.
//!
//! INVARIANT: a use of a block counts only where it is more than what the row says, and the row is
//! there. So a block that is read again after a crash changes nothing.

use std::collections::HashMap;

use uuid::Uuid;

use crate::SessionId;
use crate::store::memory::journal::Change;
use crate::store::memory::journaled::StoredRow;

/// How many uses one block has at most. Each is 28 bytes.
pub(super) const USES_A_BLOCK: usize = 65_536;
const BYTES: usize = 16 + 8 + 4;

/// The uses that the last clean stop left.
#[derive(Default)]
pub(super) struct UsesAtStop(HashMap<SessionId, (u64, u32)>);

/// These uses as they are stored.
pub(super) fn block_of(uses: &[Change]) -> Vec<u8> {
    let mut block = Vec::with_capacity(uses.len() * BYTES);
    for change in uses {
        if let Change::Used(id, used_ms, uses) = change {
            block.extend(id.uuid().as_bytes());
            block.extend(used_ms.to_be_bytes());
            block.extend(uses.to_be_bytes());
        }
    }
    block
}

impl UsesAtStop {
    /// Takes a block in; `None` where it is none of ours.
    pub(super) fn add(&mut self, block: &[u8]) -> Option<()> {
        let (entries, rest) = block.as_chunks::<BYTES>();
        for entry in entries {
            let (id, entry) = entry.split_first_chunk::<16>()?;
            let (used_ms, count) = entry.split_first_chunk()?;
            let last = (u64::from_be_bytes(*used_ms), u32::from_be_bytes(*count.first_chunk()?));
            self.0.insert(Uuid::from_bytes(*id).into(), last);
        }
        rest.is_empty().then_some(())
    }

    /// Has the session's row say what its last use was; whether it said less.
    pub(super) fn raise(&self, row: &mut StoredRow<'_>) -> bool {
        let Some((used_ms, uses)) = self.0.get(&row.id).copied() else { return false };
        let is_more = used_ms > row.used_ms || uses > row.uses;
        (row.used_ms, row.uses) = (row.used_ms.max(used_ms), row.uses.max(uses));
        is_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::fresh_id;

    fn row(id: SessionId, used_ms: u64, uses: u32) -> StoredRow<'static> {
        StoredRow { id, record: &[], used_ms, uses, values: None }
    }

    #[test]
    fn a_use_is_taken_in_where_it_is_more_than_what_the_row_says() {
        let (one, other) = (fresh_id(), fresh_id());
        let mut stored = UsesAtStop::default();
        stored.add(&block_of(&[Change::Used(one, 1_000, 7), Change::Used(other, 5, 1)])).unwrap();
        for (before, after, is_more) in [
            ((900, 6), (1_000, 7), true),
            ((1_000, 7), (1_000, 7), false),
            ((2_000, 9), (2_000, 9), false),
        ] {
            let mut row = row(one, before.0, before.1);
            assert_eq!(stored.raise(&mut row), is_more);
            assert_eq!((row.used_ms, row.uses), after);
        }
        assert!(!stored.raise(&mut row(fresh_id(), 0, 0)));
    }

    #[test]
    fn a_block_that_was_cut_is_none_of_ours() {
        let block = block_of(&[Change::Used(fresh_id(), 1_000, 7)]);
        assert_eq!(block.len(), BYTES);
        assert!(UsesAtStop::default().add(&block[1..]).is_none());
        assert!(UsesAtStop::default().add(&[]).is_some());
    }
}
