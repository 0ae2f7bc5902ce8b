//! The client asked by several threads that have a runtime each, in a process of its own: threads
//! are numbered by process, and a number decides which shard is asked by.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod breaker;
mod crew;
mod crowds;
mod ends;
