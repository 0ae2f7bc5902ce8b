//! Changes of one session's values, one at a time. Those that a process makes by itself then never
//! conflict, and one session has one call of them under way, however many requests it sends.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many changes of one session may be under way or wait.
pub(crate) const CHANGES_OF_A_SESSION: usize = 8;

/// Whose turn it is, for each session that is being changed.
#[derive(Default)]
pub(crate) struct Turns {
    /// Keyed with randomness of this process: no token is stored, and none can be made to collide.
    hasher: RandomState,
    sessions: Mutex<HashMap<u64, Session>>,
}

struct Session {
    turn: Arc<Semaphore>,
    changes: usize,
}

/// One change, under way until this is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    session: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for the turn of a change to the session that this credential opens; `None` at once
    /// where as many wait as may.
    ///
    /// # Cancel safety
    ///
    /// Whoever gives up waits no longer.
    pub(crate) async fn wait(&self, credential: &[u8]) -> Option<Turn<'_>> {
        let (mut change, turn) = self.enter(self.hasher.hash_one(credential))?;
        change.permit = turn.acquire_owned().await.ok();
        Some(change)
    }

    fn enter(&self, session: u64) -> Option<(Turn<'_>, Arc<Semaphore>)> {
        let mut sessions = self.sessions.lock();
        let entry = sessions
            .entry(session)
            .or_insert_with(|| Session { turn: Arc::new(Semaphore::new(1)), changes: 0 });
        if entry.changes >= CHANGES_OF_A_SESSION {
            return None;
        }
        entry.changes += 1;
        Some((Turn { turns: self, session, permit: None }, Arc::clone(&entry.turn)))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut sessions = self.turns.sessions.lock();
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
        let turns = Turns::default();
        let first = turns.wait(b"a").await.unwrap();
        let other = turns.wait(b"b").await.unwrap();
        let mut second = Box::pin(turns.wait(b"a"));
        assert!(polled(&mut second).is_none());
        drop(other);
        assert!(polled(&mut second).is_none());
        drop(first);
        drop(second.await.unwrap());
        assert!(turns.sessions.lock().is_empty());
    }

    #[tokio::test]
    async fn only_so_many_wait_and_who_gives_up_waits_no_longer() {
        let turns = Turns::default();
        let first = turns.wait(b"a").await.unwrap();
        let mut waiting: Vec<_> =
            (1..CHANGES_OF_A_SESSION).map(|_| Box::pin(turns.wait(b"a"))).collect();
        for change in &mut waiting {
            assert!(polled(change).is_none());
        }
        assert!(turns.wait(b"a").await.is_none());
        assert!(turns.wait(b"b").await.is_some());
        waiting.pop();
        let mut late = Box::pin(turns.wait(b"a"));
        assert!(polled(&mut late).is_none());
        drop((waiting, late, first));
        assert!(turns.sessions.lock().is_empty());
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
