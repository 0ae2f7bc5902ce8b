//! All open connections of a listener: what each is doing, and how to tell it something.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// It waits for a request.
    Idle,
    /// It has read a part of a request's head.
    Head,
    /// A request is being answered.
    Busy,
}

/// What everybody may know of one connection. Only the connection's own task writes the phase.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after `opened`.
    since_ms: AtomicU64,
    /// Whether it has ever carried a request.
    used: AtomicBool,
    /// Whether it has to make room for another one if it is idle.
    yielding: AtomicBool,
    /// Whether the head that is being read breaks the rules in a way that the parser forgives.
    forgiven: AtomicBool,
    /// Whether the stream is asked to look for bytes that the runtime has not heard of.
    asked: AtomicBool,
    /// What it found.
    unread: AtomicBool,
    /// Wakes the connection's task. A task has one waker for life.
    waker: OnceLock<Waker>,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            used: AtomicBool::new(false),
            yielding: AtomicBool::new(false),
            forgiven: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        if phase == Phase::Busy {
            // A request in progress has no deadline here, so nobody asks since when.
            self.used.store(true, Ordering::Relaxed);
        } else {
            let ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.since_ms.store(ms, Ordering::Relaxed);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// When the phase began.
    pub(super) fn since(&self) -> Instant {
        self.opened + Duration::from_millis(self.since_ms.load(Ordering::Relaxed))
    }

    pub(super) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn yielding(&self) -> bool {
        self.yielding.load(Ordering::Relaxed)
    }

    /// Remembers, or forgets, that the head being read should not have been accepted.
    pub(super) fn set_forgiven(&self, forgiven: bool) {
        self.forgiven.store(forgiven, Ordering::Relaxed);
    }

    pub(super) fn forgiven(&self) -> bool {
        self.forgiven.load(Ordering::Relaxed)
    }

    /// Asks the stream to look for unread bytes when it is next read from.
    pub(super) fn ask_unread(&self) {
        self.unread.store(false, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether the stream has just been asked.
    pub(super) fn take_question(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }

    pub(super) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    pub(super) fn unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Lets others wake the task that polls now; only the first call does anything.
    pub(super) fn wake_with(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

/// The open connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Registry {
    connections: Mutex<HashMap<u64, Arc<Activity>>>,
    open: AtomicUsize,
    next: AtomicU64,
}

/// A place in the registry, free again once it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    id: u64,
    activity: Arc<Activity>,
}

impl Registry {
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let activity = Arc::new(Activity::new());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().insert(id, activity.clone());
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { registry: self.clone(), id, activity }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Has every connection look up what it is to do.
    pub(super) fn wake_all(&self) {
        for activity in self.connections.lock().values() {
            activity.wake();
        }
    }

    /// Tells the `count` connections that have been idle longest, and at least for `after`, to make
    /// room. Returns how many there were.
    pub(super) fn make_room(&self, count: usize, after: Duration) -> usize {
        let now = Instant::now();
        let connections = self.connections.lock();
        let mut idle: Vec<(Instant, &Arc<Activity>)> = connections
            .values()
            .filter(|a| a.phase() == Phase::Idle && !a.yielding())
            .map(|a| (a.since(), a))
            .filter(|(since, _)| now.duration_since(*since) >= after)
            .collect();
        let count = count.min(idle.len());
        if count > 0 && count < idle.len() {
            idle.select_nth_unstable_by_key(count - 1, |(since, _)| *since);
        }
        for (_, activity) in &idle[..count] {
            activity.yielding.store(true, Ordering::Relaxed);
            activity.wake();
        }
        count
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.connections.lock().remove(&self.id);
        self.registry.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_idle_longest_make_room_and_busy_ones_never_do() {
        let registry = Arc::new(Registry::default());
        let places: Vec<Place> = (0..4).map(|_| registry.enter()).collect();
        places[0].activity().enter(Phase::Busy);
        for (place, ms) in places.iter().zip([0, 30, 10, 20]).skip(1) {
            place.activity().since_ms.store(ms, Ordering::Relaxed);
        }
        assert_eq!(registry.make_room(2, Duration::from_hours(1)), 0);
        std::thread::sleep(Duration::from_millis(35));
        assert_eq!(registry.make_room(2, Duration::ZERO), 2);
        let yielding: Vec<bool> = places.iter().map(|p| p.activity().yielding()).collect();
        assert_eq!(yielding, [false, false, true, true]);
        assert_eq!(registry.make_room(9, Duration::ZERO), 1);
        assert_eq!(registry.make_room(9, Duration::ZERO), 0);
    }

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let registry = Arc::new(Registry::default());
        let place = registry.enter();
        assert_eq!(registry.open(), 1);
        drop(place);
        assert_eq!(registry.open(), 0);
        assert!(registry.connections.lock().is_empty());
    }
}
