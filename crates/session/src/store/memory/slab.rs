//! Records side by side in chunks, without holes. A chunk never moves once it is full, so growing
//! copies next to nothing, and the last one is given back as soon as it is empty.

use super::record::Record;

/// Records in a chunk: a chunk is a little under 32 KiB, which allocators hand out without waste.
const CHUNK: usize = 240;

/// A dense list of records. A record's index changes only by [`Slab::swap_remove`].
#[derive(Default)]
pub(super) struct Slab {
    /// All full but the last, which is not empty.
    chunks: Vec<Vec<Record>>,
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Puts a record at the end and says where that is.
    pub(super) fn push(&mut self, record: Record) -> u32 {
        let index = self.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(record),
            // The first chunk grows as it is needed: most stores are small.
            None => self.chunks.push(vec![record]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
        u32::try_from(index).expect("a shard holds fewer than 2^32 records")
    }

    /// Takes out the record at `index` and moves the last one there, if that is another one.
    pub(super) fn swap_remove(&mut self, index: u32) -> Record {
        let last = self.chunks.last_mut().and_then(Vec::pop).expect("the slab is not empty");
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
            if self.chunks.is_empty() || self.chunks.capacity() > 4 * self.chunks.len() {
                self.chunks.shrink_to_fit();
            }
        }
        if index as usize == self.len() {
            last
        } else {
            std::mem::replace(self.at_mut(index), last)
        }
    }

    pub(super) fn at(&self, index: u32) -> &Record {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}
