//! Which shard a thread uses. A process whose threads have a runtime each has as many shards as
//! threads: a thread then queues, sends and reads the reply by itself, and wakes no other for it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The shard of this thread, of so many.
pub(crate) fn of_this_thread(shards: usize) -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| number % shards)
}
