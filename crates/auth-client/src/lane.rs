//! Where questions to one URL wait for company: the queue, and the places that calls leave from.
//!
//! A process whose threads have a runtime each has as many lanes as threads. A thread then asks,
//! sends and hears the answer by itself, and wakes no other for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::queue::{Queue, Waiting};

/// One lane to one URL.
pub(crate) struct Lane {
    /// What waits for the next call.
    pub(crate) queue: Mutex<Queue>,
    /// Tells a place that something waits.
    pub(crate) arrived: Notify,
    /// Tells the calls under way that somebody waits no longer.
    pub(crate) gone: Notify,
    places: AtomicUsize,
    /// The tasks of the places; none once the client is gone.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Notify::new(),
            gone: Notify::new(),
            places: AtomicUsize::new(0),
            tasks: Mutex::new(Some(JoinSet::new())),
        }
    }

    /// The questions of the next call, and whether others are left.
    pub(crate) fn take(&self) -> (Vec<Waiting>, bool) {
        let mut queue = self.queue.lock();
        let questions = queue.take();
        (questions, !queue.is_empty())
    }

    /// Spawns what `work` makes, if fewer than so many places are taken.
    pub(crate) fn staff<F>(self: &Arc<Self>, places: usize, work: impl FnOnce(Place) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let free = |taken| (taken < places).then_some(taken + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.places.fetch_update(set, fetch, free).is_err() {
            return;
        }
        let place = Place(Arc::clone(self));
        if let Some(tasks) = self.tasks.lock().as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(work(place));
        }
    }

    /// Ends the places, for when nobody will ask again.
    pub(crate) fn stop(&self) {
        drop(self.tasks.lock().take());
    }
}

/// A place for calls, taken until this is dropped.
pub(crate) struct Place(Arc<Lane>);

impl Place {
    /// The lane that it is in.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which of so many lanes this thread asks by.
pub(crate) fn of_this_thread(lanes: usize) -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| number % lanes)
}
