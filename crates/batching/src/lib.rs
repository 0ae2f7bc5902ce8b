//! Natural batching: a request that arrives while nothing is in flight is sent at once, alone, and
//! requests that arrive while a batch is in flight share the next one. No request is delayed to fill a
//! batch.
//!
//! A [`Batcher`] knows nothing of what it carries. It takes a function that sends a batch and
//! returns a response for each request, in order; it decides which requests share a batch, how many
//! batches are in flight, and who still waits for a response.

mod batcher;
mod queue;
mod worker;

pub use batcher::{Abandoned, Batcher, Limits};
