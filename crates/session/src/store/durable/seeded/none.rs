//! No fault at all.

use crate::store::durable::rows::Rows;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::Taken;

/// No fault.
#[derive(Default)]
pub(in crate::store::durable) struct Seeded;

#[expect(clippy::unused_self, reason = "the faulty one has a state")]
impl Seeded {
    pub(in crate::store::durable) const fn from_environment() -> Self {
        Self
    }

    pub(in crate::store::durable) const fn alter(&mut self, _: &MemoryStore, _: &mut Taken) {}

    pub(in crate::store::durable) const fn restate(&self, _: &mut Rows<'_>) {}

    pub(in crate::store::durable) fn outcome(
        &self,
        outcome: Result<(), String>,
    ) -> Result<(), String> {
        outcome
    }
}
