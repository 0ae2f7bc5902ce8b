//! The client used by several threads that have a runtime each, in a process of its own: threads
//! are numbered within a process, and a thread's number decides which shard it uses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod breaker;
mod concurrency;
mod shutdown;
mod threads;
