//! What one connection is doing, and how other tasks signal it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It waits for a request.
    Idle,
    /// It has read a part of a request's head.
    Head,
    /// A handler waits for the rest of a request's body.
    Body,
    /// A request is being answered.
    Busy,
}

/// What other tasks may read of one connection. Only the connection's own task writes the phase.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after `opened`.
    since_ms: AtomicU64,
    /// Since when the client has not read what was written, in milliseconds after `opened`.
    blocked_ms: AtomicU64,
    /// Whether it has ever carried a request.
    used: AtomicBool,
    /// Whether it is to be evicted unless a request is being answered.
    eviction_requested: AtomicBool,
    /// How many connections of the process are to be evicted and still open.
    evicting: Arc<AtomicUsize>,
    /// How many requests it has carried.
    requests: AtomicU64,
    /// The number of the first of them, from 0, whose head is malformed in a way that the parser accepts.
    malformed_head: AtomicU64,
    /// Whether the stream is to ask the kernel for bytes that the runtime has no event for yet.
    unread_check_requested: AtomicBool,
    /// What the kernel answered.
    unread: AtomicBool,
    /// Wakes the connection's task. A task has one waker for life.
    waker: OnceLock<Waker>,
}

/// What `malformed_head` holds while no head is.
const NONE_MALFORMED: u64 = u64::MAX;
/// What `blocked_ms` holds while nothing is blocked.
const NOT_BLOCKED: u64 = u64::MAX;

impl Activity {
    pub(crate) fn new(evicting: Arc<AtomicUsize>) -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            blocked_ms: AtomicU64::new(NOT_BLOCKED),
            used: AtomicBool::new(false),
            eviction_requested: AtomicBool::new(false),
            evicting,
            requests: AtomicU64::new(0),
            malformed_head: AtomicU64::new(NONE_MALFORMED),
            unread_check_requested: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Busy,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        if phase == Phase::Busy {
            // A request in progress has no deadline here, so its beginning is not read.
            self.used.store(true, Ordering::Relaxed);
        } else {
            self.since_ms.store(self.age_ms(), Ordering::Relaxed);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// When the phase began.
    pub(crate) fn since(&self) -> Instant {
        self.opened + Duration::from_millis(self.since_ms.load(Ordering::Relaxed))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// From now on the client does not read what is written.
    pub(crate) fn set_blocked(&self) {
        self.blocked_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    /// All that was written is on its way.
    pub(crate) fn set_unblocked(&self) {
        self.blocked_ms.store(NOT_BLOCKED, Ordering::Relaxed);
    }

    /// Since when the client has not read what was written; `None` while it does.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        let ms = self.blocked_ms.load(Ordering::Relaxed);
        (ms != NOT_BLOCKED).then(|| self.opened + Duration::from_millis(ms))
    }

    pub(crate) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn eviction_requested(&self) -> bool {
        self.eviction_requested.load(Ordering::Relaxed)
    }

    /// Asks the connection to make room for another one.
    pub(crate) fn request_eviction(&self) {
        if !self.eviction_requested.swap(true, Ordering::Relaxed) {
            self.evicting.fetch_add(1, Ordering::Relaxed);
        }
        self.wake();
    }

    /// Withdraws the eviction: the connection is being served, or it is closed.
    pub(crate) fn cancel_eviction(&self) {
        if self.eviction_requested.swap(false, Ordering::Relaxed) {
            self.evicting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sets the first request whose head the parser should have refused.
    pub(crate) fn set_malformed_head(&self, number: u64) {
        self.malformed_head.store(number, Ordering::Relaxed);
    }

    /// Counts a request; whether its head is one that the parser should have refused.
    pub(crate) fn begin_request(&self) -> bool {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        number >= self.malformed_head.load(Ordering::Relaxed)
    }

    /// Has the stream ask the kernel for unread bytes when it is next read from.
    pub(crate) fn request_unread_check(&self) {
        self.unread.store(false, Ordering::Relaxed);
        self.unread_check_requested.store(true, Ordering::Relaxed);
    }

    /// Whether the check was requested since the last call.
    pub(crate) fn take_unread_check(&self) -> bool {
        self.unread_check_requested.load(Ordering::Relaxed)
            && self.unread_check_requested.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Lets other tasks wake the one that polls now; only the first call has an effect.
    pub(crate) fn register_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Sets that the phase began so long after the connection.
    #[cfg(test)]
    pub(crate) fn began_after(&self, ms: u64) {
        self.since_ms.store(ms, Ordering::Relaxed);
    }
}
