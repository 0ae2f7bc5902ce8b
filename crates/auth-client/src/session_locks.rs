//! A lock for each session whose values are being changed. Changes of one process never conflict
//! then, and each session has one such request in flight, however many it receives.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many changes of one session may run or wait.
pub(crate) const MAX_CHANGES: usize = 8;

/// One lock for each session that is being changed.
#[derive(Default)]
pub(crate) struct SessionLocks {
    /// Keyed with randomness of this process: no token is stored, and none can be made to collide.
    hasher: RandomState,
    sessions: Mutex<HashMap<u64, Session>>,
}

struct Session {
    lock: Arc<Semaphore>,
    changes: usize,
}

/// One change: it holds the lock until this is dropped.
pub(crate) struct SessionGuard<'a> {
    session_locks: &'a SessionLocks,
    session: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl SessionLocks {
    /// Locks the session that this credential opens; `None` at once where as many wait as may.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves the queue of those that wait.
    pub(crate) async fn lock(&self, credential: &[u8]) -> Option<SessionGuard<'_>> {
        let (mut change, lock) = self.enter(self.hasher.hash_one(credential))?;
        change.permit = lock.acquire_owned().await.ok();
        Some(change)
    }

    fn enter(&self, session: u64) -> Option<(SessionGuard<'_>, Arc<Semaphore>)> {
        let mut sessions = self.sessions.lock();
        let entry = sessions
            .entry(session)
            .or_insert_with(|| Session { lock: Arc::new(Semaphore::new(1)), changes: 0 });
        if entry.changes >= MAX_CHANGES {
            return None;
        }
        entry.changes += 1;
        Some((SessionGuard { session_locks: self, session, permit: None }, Arc::clone(&entry.lock)))
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        let mut sessions = self.session_locks.sessions.lock();
        if let Some(entry) = sessions.get_mut(&self.session) {
            entry.changes -= 1;
            if entry.changes == 0 {
                sessions.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_turn_at_a_time_and_others_have_theirs() {
        let session_locks = SessionLocks::default();
        let first = session_locks.lock(b"a").await.unwrap();
        let other = session_locks.lock(b"b").await.unwrap();
        let mut second = Box::pin(session_locks.lock(b"a"));
        assert!(polled(&mut second).is_none());
        drop(other);
        assert!(polled(&mut second).is_none());
        drop(first);
        drop(second.await.unwrap());
        assert!(session_locks.sessions.lock().is_empty());
    }

    #[tokio::test]
    async fn only_so_many_wait_and_who_gives_up_waits_no_longer() {
        let session_locks = SessionLocks::default();
        let first = session_locks.lock(b"a").await.unwrap();
        let mut waiting: Vec<_> =
            (1..MAX_CHANGES).map(|_| Box::pin(session_locks.lock(b"a"))).collect();
        for change in &mut waiting {
            assert!(polled(change).is_none());
        }
        assert!(session_locks.lock(b"a").await.is_none());
        assert!(session_locks.lock(b"b").await.is_some());
        waiting.pop();
        let mut late = Box::pin(session_locks.lock(b"a"));
        assert!(polled(&mut late).is_none());
        drop((waiting, late, first));
        assert!(session_locks.sessions.lock().is_empty());
    }

    /// What a future has come to, if it has.
    fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
