//! A timing wheel of wheels: which records may be over by now, without looking at the others.
//!
//! Level 0 has a slot for each of the next 64 ms, level 1 one for each of the next 64 spans of
//! 64 ms, and so on. A record is filed once, under the end that it has then, and not moved when a
//! use gives it a later one: it is looked at when its slot is due, and filed anew. The records of a
//! slot are a list that runs through the records themselves.

use super::slab::Slab;

/// The bits of a moment that distinguish the slots of one level.
const BITS: u32 = 6;
const DIGIT: u64 = (1 << BITS) - 1;
const SLOTS: u32 = 1 << BITS;
/// Eight levels of six bits cover the 48 bits of a moment in milliseconds.
const LEVELS: u32 = 8;
/// The end of a list.
const END: u32 = u32::MAX;
/// Marks a `prev` that is a slot's number: the record is the first of that slot.
const FIRST: u32 = 1 << 31;

/// A record's neighbours in its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    next: u32,
    prev: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { next: END, prev: END };
}

/// The slots. It owns no record; what it links lives in a [`Slab`].
pub(super) struct Wheel {
    /// Everything that ends before this was handed out.
    at_ms: u64,
    /// For each level, which slots have records.
    occupied: [u64; LEVELS as usize],
    /// The first record of each slot; empty until there is one.
    heads: Vec<u32>,
}

impl Wheel {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { at_ms: now_ms, occupied: [0; LEVELS as usize], heads: Vec::new() }
    }

    /// Files the record at `index`, which is in no slot, under its end.
    pub(super) fn link(&mut self, slab: &mut Slab, index: u32, end_ms: u64) {
        if self.heads.is_empty() {
            self.heads = vec![END; (LEVELS * SLOTS) as usize];
        }
        let end_ms = end_ms.max(self.at_ms);
        // The level is that of the highest digit in which the end differs from the present.
        let level = ((end_ms ^ self.at_ms) | 1).ilog2() / BITS;
        let digit = ((end_ms >> (level * BITS)) & DIGIT) as u32;
        self.occupied[level as usize] |= 1 << digit;
        let slot = level * SLOTS + digit;
        let next = std::mem::replace(&mut self.heads[slot as usize], index);
        slab.at_mut(index).links = Links { next, prev: FIRST | slot };
        if next != END {
            slab.at_mut(next).links.prev = index;
        }
    }

    /// Takes the record at `index` out of its slot.
    pub(super) fn unlink(&mut self, slab: &mut Slab, index: u32) {
        let Links { next, prev } = slab.at(index).links;
        if next != END {
            slab.at_mut(next).links.prev = prev;
        }
        if prev & FIRST == 0 {
            slab.at_mut(prev).links.next = next;
        } else {
            self.set_head(prev & !FIRST, next);
        }
    }

    /// Updates the neighbours of a record that was moved to `index`.
    pub(super) fn moved(&mut self, slab: &mut Slab, index: u32) {
        let Links { next, prev } = slab.at(index).links;
        if next != END {
            slab.at_mut(next).links.prev = index;
        }
        if prev & FIRST == 0 {
            slab.at_mut(prev).links.next = index;
        } else {
            self.set_head(prev & !FIRST, index);
        }
    }

    /// A record that may be over at `now_ms`: to be unlinked, and filed anew if it is not.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<u32> {
        for level in 0..LEVELS {
            // A lower level's slots all begin before a higher level's, but for one of those that
            // has begun and is not emptied yet: so no level may be skipped.
            let Some((start_ms, slot)) = self.first(level) else {
                continue;
            };
            if start_ms <= now_ms {
                self.at_ms = self.at_ms.max(start_ms);
                return Some(self.heads[slot]);
            }
        }
        // INVARIANT: this passes the start of no slot that has records, so that a slot's number
        // goes on saying what it is for.
        self.at_ms = self.at_ms.max(now_ms);
        None
    }

    /// The first slot of a level that has records, and when it begins.
    fn first(&self, level: u32) -> Option<(u64, usize)> {
        let occupied = self.occupied[level as usize];
        let (digit, shift) = (occupied.trailing_zeros(), level * BITS);
        let start_ms = (self.at_ms >> shift >> BITS << BITS | u64::from(digit)) << shift;
        (occupied != 0).then_some((start_ms, (level * SLOTS + digit) as usize))
    }

    /// Gives back the memory of the slots. Nothing may be linked.
    pub(super) fn release(&mut self) {
        self.heads = Vec::new();
    }

    fn set_head(&mut self, slot: u32, head: u32) {
        self.heads[slot as usize] = head;
        if head == END {
            self.occupied[(slot / SLOTS) as usize] &= !(1 << (slot % SLOTS));
        }
    }
}
