//! Natural batching: a request that comes alone leaves at once, and requests that come while a batch
//! is in flight leave together in the next one. Nobody ever waits for company.
//!
//! A [`Batcher`] knows nothing of what it carries. It takes a function that sends a batch and
//! returns a response for each request, in order; it decides which requests leave together, how
//! many batches are in flight, and who still waits for a response.

mod batcher;
mod queue;
mod worker;

pub use batcher::{Abandoned, Batcher, Limits};
