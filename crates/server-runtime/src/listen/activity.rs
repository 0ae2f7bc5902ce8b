//! What one connection is doing, and how to tell it something.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// It waits for a request.
    Idle,
    /// It has read a part of a request's head.
    Head,
    /// A handler waits for the rest of a request's body.
    Body,
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
    /// Since when the client has not taken what was written, in milliseconds after `opened`.
    blocked_ms: AtomicU64,
    /// Whether it has ever carried a request.
    used: AtomicBool,
    /// Whether it has to make room for another one unless a request is being answered.
    yielding: AtomicBool,
    /// How many connections of the process have been told to make room and are still open.
    leaving: Arc<AtomicUsize>,
    /// Whether the head that is being read breaks the rules in a way that the parser forgives.
    forgiven: AtomicBool,
    /// Whether the stream is asked to look for bytes that the runtime has not heard of.
    asked: AtomicBool,
    /// What it found.
    unread: AtomicBool,
    /// Wakes the connection's task. A task has one waker for life.
    waker: OnceLock<Waker>,
}

/// What `blocked_ms` holds while nothing is blocked.
const NOT_BLOCKED: u64 = u64::MAX;

impl Activity {
    pub(super) fn new(leaving: Arc<AtomicUsize>) -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            blocked_ms: AtomicU64::new(NOT_BLOCKED),
            used: AtomicBool::new(false),
            yielding: AtomicBool::new(false),
            leaving,
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
            2 => Phase::Body,
            _ => Phase::Busy,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        if phase == Phase::Busy {
            // A request in progress has no deadline here, so nobody asks since when.
            self.used.store(true, Ordering::Relaxed);
        } else {
            self.since_ms.store(self.age_ms(), Ordering::Relaxed);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// When the phase began.
    pub(super) fn since(&self) -> Instant {
        self.opened + Duration::from_millis(self.since_ms.load(Ordering::Relaxed))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// The client does not take what is written, from now on.
    pub(super) fn block(&self) {
        self.blocked_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    /// All that was written is on its way.
    pub(super) fn unblock(&self) {
        self.blocked_ms.store(NOT_BLOCKED, Ordering::Relaxed);
    }

    /// Since when the client has not taken what was written; `None` while it does.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        let ms = self.blocked_ms.load(Ordering::Relaxed);
        (ms != NOT_BLOCKED).then(|| self.opened + Duration::from_millis(ms))
    }

    pub(super) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn yielding(&self) -> bool {
        self.yielding.load(Ordering::Relaxed)
    }

    /// Has the connection make room for another one.
    pub(super) fn make_way(&self) {
        if !self.yielding.swap(true, Ordering::Relaxed) {
            self.leaving.fetch_add(1, Ordering::Relaxed);
        }
        self.wake();
    }

    /// The connection need not make room: it is being served, or it is gone.
    pub(super) fn stay(&self) {
        if self.yielding.swap(false, Ordering::Relaxed) {
            self.leaving.fetch_sub(1, Ordering::Relaxed);
        }
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

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Pretends that the phase began so long after the connection.
    #[cfg(test)]
    pub(super) fn began_after(&self, ms: u64) {
        self.since_ms.store(ms, Ordering::Relaxed);
    }
}
