//! Natural batching: a request that arrives while nothing is in flight is sent at once, alone, and
//! requests that arrive while a batch is in flight share the next one. No request is delayed to fill a
//! batch: it waits for a batch in flight to end, and no longer than batches take that end soon. Where
//! they take longer, as across a network, several are in flight at once.
//!
//! A [`Batcher`] knows nothing of what it carries. It takes a function that sends a batch and
//! returns a response for each request, in order; it decides which requests share a batch, when one is
//! sent (`Queue::take_slot`), how many are in flight, and who still waits for a response.

mod batcher;
mod queue;
mod slot;
mod worker;

pub use batcher::{Abandoned, Batcher, Limits};
