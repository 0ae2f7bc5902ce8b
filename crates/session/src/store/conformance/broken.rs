//! Stores that are broken on purpose, each as a real one has been: the suite must find them out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use clock::{Clock as _, ManualClock};
use futures_util::future::Either;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Fixture, failures};
use crate::store::conformance::logout;
use crate::{
    ClientDigest, Condition, Cursor, Ending, Event, EventContext, EventRead, Insertion, Intent,
    MemoryStore, NewSession, Outcome, Outcomes, Page, Presented, ReadFrom, SecretDigest, Session,
    SessionId, SessionStore, StoreError, Swept, TouchContext, ValueChange, ValueWrite, Values,
    Verdict,
};

/// What is wrong with a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// It loads a session, and saves it whether or not it is still there.
    UpsertsOnTouch,
    /// It takes for live what has not been swept.
    TrustsItsSweeper,
    /// It takes an id in use.
    OverwritesOnInsert,
    /// It enforces the cap before it knows whether the new session stays.
    LooksAtTheMakerLast,
    /// It looks whether a token is live, and then removes the session by its id.
    LooksBeforeItEnds,
    /// It reports a removal once more.
    ReportsTwice,
    /// Its first sweep fails.
    FailsToSweep,
    /// It lists a subject's sessions before it ends them, and misses one that is inserted between.
    ListsBeforeItEnds,
}

/// A memory store with a fault.
struct Broken {
    fault: Fault,
    inner: MemoryStore,
    time: ManualClock,
    /// The time that the inner store is told.
    inner_time: ManualClock,
    /// Sessions as they were taken in.
    copies: Mutex<HashMap<SessionId, NewSession>>,
    sweeps: AtomicU64,
}

/// A fixture for a store whose first sweep fails.
pub(crate) fn failing_sweeper() -> Fixture {
    Broken::fixture(Fault::FailsToSweep)
}

/// A fixture for a store that misses a session where it first ends those of a subject.
pub(crate) fn listing_before_it_ends() -> Fixture {
    Broken::fixture(Fault::ListsBeforeItEnds)
}

impl Broken {
    fn fixture(fault: Fault) -> Fixture {
        let time = ManualClock::new();
        let inner_time =
            if fault == Fault::TrustsItsSweeper { ManualClock::new() } else { time.clone() };
        let inner = MemoryStore::new(Arc::new(inner_time.clone()));
        let (copies, sweeps) = (Mutex::default(), AtomicU64::new(0));
        let store = Self { fault, inner, time: time.clone(), inner_time, copies, sweeps };
        Fixture::manual(Arc::new(store), time)
    }

    async fn touch_one(&self, presented: Presented) -> Outcome {
        let look = Presented { intent: Intent::Look, ..presented };
        let loaded = self.inner.touch(&[look], TouchContext::default()).await.remove(0)?;
        if matches!(loaded, Verdict::Alive(_)) && presented.intent == Intent::Use {
            tokio::task::yield_now().await;
            let copy = self.copies.lock().get(&presented.id).cloned();
            if let Some(copy) = copy {
                self.inner.insert(&copy, 0, &logout()).await?;
            }
        }
        self.inner.touch(&[presented], TouchContext::default()).await.remove(0)
    }

    async fn look_and_remove(&self, presented: Presented) -> Outcome {
        let look = Presented { intent: Intent::Look, ..presented };
        let found = self.inner.touch(&[look], TouchContext::default()).await.remove(0)?;
        tokio::task::yield_now().await;
        if let Verdict::Alive(session) = &found {
            self.inner.remove(session.id, &logout()).await?;
        }
        Ok(found)
    }

    async fn insert_and_look(&self, new: &NewSession, cap: usize) -> Result<Insertion, StoreError> {
        let orphan = NewSession { maker: None, ..new.clone() };
        let created = self.inner.insert(&orphan, cap, &logout()).await?;
        let Some(maker) = new.maker else { return Ok(created) };
        let look = Presented { intent: Intent::Look, ..maker };
        match self.inner.touch(&[look], TouchContext::default()).await.remove(0)? {
            Verdict::Alive(_) => Ok(created),
            Verdict::Dead(dead) => {
                self.inner.remove(new.id, &logout()).await?;
                Ok(Insertion::Refused(dead))
            }
        }
    }
}

#[async_trait]
impl SessionStore for Broken {
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError> {
        if self.fault == Fault::OverwritesOnInsert {
            self.inner.remove(new.id, context).await?;
        }
        self.copies.lock().insert(new.id, new.clone());
        if self.fault == Fault::LooksAtTheMakerLast {
            return self.insert_and_look(new, cap).await;
        }
        self.inner.insert(new, cap, context).await
    }

    fn touch<'a>(&'a self, batch: &'a [Presented], context: TouchContext<'a>) -> Outcomes<'a> {
        Either::Right(Box::pin(async move {
            let mut answers = Vec::new();
            for (at, presented) in batch.iter().enumerate() {
                let seen_at = context.seen_at.get(at..).unwrap_or_default();
                let own = TouchContext { seen_at, ..context };
                answers.push(match (self.fault, presented.intent) {
                    (Fault::UpsertsOnTouch, _) => self.touch_one(*presented).await,
                    (Fault::LooksBeforeItEnds, Intent::End) => {
                        self.look_and_remove(*presented).await
                    }
                    _ => self.inner.touch(&[*presented], own).await.remove(0),
                });
            }
            answers
        }))
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome {
        self.inner.rotate(presented, digest, role, client, context).await
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError> {
        self.inner.end_reused(presented, client, grace, context).await
    }

    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        let removed = self.inner.remove(id, context).await?;
        if self.fault == Fault::ReportsTwice {
            let EventRead::Page(page) = self.inner.read_events(ReadFrom::Oldest, 9999).await?
            else {
                return Ok(removed);
            };
            if let Some(last) = page.events.last() {
                self.inner.append_event(last.event.clone()).await?;
            }
        }
        Ok(removed)
    }

    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let ended = self.inner.remove_subject(subject, ending, context).await?;
        if self.fault == Fault::ListsBeforeItEnds {
            let copy = ended.first().and_then(|id| self.copies.lock().remove(id));
            if let Some(copy) = copy {
                let missed = NewSession { id: SessionId::new(0, &[7; 10]), ..copy };
                self.inner.insert(&missed, 0, context).await?;
            }
        }
        Ok(ended)
    }

    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        self.inner.remove_many(ids, context).await
    }

    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        self.inner.remove_subjects(endings, context).await
    }

    async fn append_event(&self, event: Event) -> Result<(), StoreError> {
        self.inner.append_event(event).await
    }

    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError> {
        self.inner.read_events(from, limit).await
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.inner.event_signal()
    }

    async fn look_for_events(&self) -> Result<(), StoreError> {
        self.inner.look_for_events().await
    }

    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        self.inner.read_own_events(from, limit)
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        self.inner.scan(cursor).await
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        self.inner.list(subject).await
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        self.inner.values(id).await
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        self.inner.write_value(id, key, change, condition).await
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.inner.count().await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        if self.fault == Fault::TrustsItsSweeper {
            self.inner_time.advance(self.time.now().saturating_sub(self.inner_time.now()));
        }
        if self.sweeps.fetch_add(1, SeqCst) == 0 && self.fault == Fault::FailsToSweep {
            return Err(StoreError("out of order".into()));
        }
        self.inner.sweep().await
    }

    fn outlives_process(&self) -> bool {
        self.inner.outlives_process()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn identity(&self) -> Result<Option<Uuid>, StoreError> {
        self.inner.identity().await
    }

    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError> {
        self.inner.adopt(id).await
    }

    async fn reassign(&self, id: Uuid) -> Result<(), StoreError> {
        self.inner.reassign(id).await
    }

    async fn history(&self) -> Option<String> {
        self.inner.history().await
    }

    async fn bookmark(&self) -> Result<Option<String>, StoreError> {
        self.inner.bookmark().await
    }

    async fn set_bookmark(&self, text: &str) -> Result<(), StoreError> {
        self.inner.set_bookmark(text).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.checkpoint(name).await
    }

    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        self.inner.swap_checkpoint(name, before, text).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn backend(&self) -> &'static str {
        "broken"
    }
}

#[tokio::test]
async fn the_suite_finds_nothing_wrong_with_a_store_without_a_fault() {
    assert_eq!(failures(|| Broken::fixture(Fault::Nothing)).await, Vec::<&str>::new());
    assert_eq!(failures(Fixture::memory).await, Vec::<&str>::new());
}

#[tokio::test]
async fn the_memory_store_counts_the_time_that_the_machine_was_suspended() {
    assert_eq!(failures(Fixture::suspended_memory).await, Vec::<&str>::new());
}

#[tokio::test]
async fn the_suite_catches_a_store_that_upserts_on_touch() {
    let failed = failures(|| Broken::fixture(Fault::UpsertsOnTouch)).await;
    let caught = "a_removed_session_is_not_revived_by_a_concurrent_touch";
    assert!(failed.contains(&caught), "{failed:?}");
}

#[tokio::test]
async fn the_suite_catches_a_store_that_trusts_its_sweeper() {
    let failed = failures(|| Broken::fixture(Fault::TrustsItsSweeper)).await;
    let caught = "an_expired_session_is_dead_before_any_sweep";
    assert!(failed.contains(&caught), "{failed:?}");
}

#[tokio::test]
async fn the_suite_catches_a_store_that_overwrites_on_insert() {
    let failed = failures(|| Broken::fixture(Fault::OverwritesOnInsert)).await;
    let caught = "an_id_in_use_is_taken_and_nothing_changes";
    assert!(failed.contains(&caught), "{failed:?}");
}

#[tokio::test]
async fn the_suite_catches_a_store_that_enforces_the_cap_for_what_does_not_stay() {
    let failed = failures(|| Broken::fixture(Fault::LooksAtTheMakerLast)).await;
    let caught = "a_mint_whose_maker_is_dead_is_undone_and_ends_no_other";
    assert!(failed.contains(&caught), "{failed:?}");
}

#[tokio::test]
async fn the_suite_catches_a_store_that_reports_an_end_twice() {
    let failed = failures(|| Broken::fixture(Fault::ReportsTwice)).await;
    assert!(failed.contains(&"a_removal_is_one_event_with_its_cause"), "{failed:?}");
}

#[tokio::test]
async fn the_suite_catches_a_store_that_looks_before_it_ends() {
    let failed = failures(|| Broken::fixture(Fault::LooksBeforeItEnds)).await;
    for caught in [
        "an_end_with_either_secret_ends_the_session",
        "no_rotation_at_the_same_time_saves_a_session_from_its_end",
    ] {
        assert!(failed.contains(&caught), "{caught}: {failed:?}");
    }
}
