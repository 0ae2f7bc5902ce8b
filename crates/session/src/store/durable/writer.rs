//! The only task that writes: one commit takes all changes that wait at a moment, uses are written at
//! ticks, and what could not be written is taken back.
//!
//! INVARIANT: nothing is answered before the commit that it is in. A commit that failed is never
//! made good by a later one: what it promised is taken back in memory, and out of the file, before
//! anything else is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::about::{About, BOOKMARK, HISTORY, IDENTITY};
use super::file::SessionFile;
use super::rows::Rows;
use super::seeded::Seeded;
use super::timeline::Timeline;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::Taken;
use crate::store::memory::journaled::{Repair, Standing};
use crate::{SessionId, StoreError};

/// How often is looked which uses are due.
const TICK: Duration = Duration::from_millis(100);
/// How many uses one commit takes with it: others wait for it.
const USES_AT_ONCE: usize = 5_000;
/// The clock is written down at least this often, whether or not anything else is.
const ANCHOR_INTERVAL: Duration = Duration::from_secs(30);
/// The pause before a file that failed is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// How often is looked whether the file has much to give back.
const VACUUM_INTERVAL: Duration = Duration::from_secs(5);

/// A commit, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// How long it took.
    pub took: Duration,
    /// Whether it was written.
    pub succeeded: bool,
    /// The size of the file and of the log beside it.
    pub file_bytes: u64,
    /// How much later than it should the latest tick came.
    pub tick_lag: Duration,
}

/// Called after each commit.
pub type CommitObserver = Box<dyn Fn(Commit) + Send + Sync>;

/// What the store and its writer have in common.
#[derive(Default)]
pub(super) struct Condition {
    pub(super) about: Mutex<About>,
    /// Why nothing can be written, while that is so.
    pub(super) failure: Mutex<Option<String>>,
}

/// Writes down what is done to the sessions of a [`DurableStore`](super::DurableStore), which
/// answers nothing that must be written unless this runs.
pub struct SessionWriter {
    memory: Arc<MemoryStore>,
    file: SessionFile,
    timeline: Arc<Timeline>,
    condition: Arc<Condition>,
    observe: CommitObserver,
    pub(super) seeded: Seeded,
    /// What of the file must be put right before anything else is written.
    repairs: HashMap<SessionId, Repair>,
    times: Times,
}

/// When things were done last.
#[derive(Default)]
struct Times {
    tick: Moment,
    tick_lag: Duration,
    commit: Moment,
    attempt: Moment,
    vacuum: Moment,
}

impl SessionWriter {
    pub(super) fn new(
        memory: Arc<MemoryStore>,
        file: SessionFile,
        timeline: Arc<Timeline>,
        condition: Arc<Condition>,
        observe: CommitObserver,
    ) -> Self {
        let seeded = Seeded::from_environment();
        let (repairs, times) = (HashMap::new(), Times::default());
        Self { memory, file, timeline, condition, observe, seeded, repairs, times }
    }

    /// Writes until `cancel`, then what is still queued, and closes the file.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        (self.times.tick, self.times.commit) = (self.memory.moment(), self.memory.moment());
        let memory = Arc::clone(&self.memory);
        let mut more = false;
        while !cancel.is_cancelled() {
            if !more {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    _ = ticks.tick() => self.tick().await,
                    () = memory.changes().arrived() => {}
                }
            } else if self.memory.moment().saturating_sub(self.times.tick) > TICK {
                self.tick().await;
            }
            more = self.write_once().await;
        }
        self.finish().await;
    }

    /// Writes all uses and all other queued changes.
    async fn finish(mut self) {
        self.memory.note_all_uses();
        if self.failure().is_some() {
            self.recover().await;
        }
        while self.write_once().await {}
        self.memory.changes().close();
        if self.failure().is_some() {
            tracing::error!("the last changes of sessions could not be written to their file");
        } else {
            self.commit_anchor().await;
        }
        if let Err(reason) = self.file.close().await {
            tracing::warn!(reason, "the session file was not closed in order");
        }
    }

    async fn tick(&mut self) {
        let (since, now) = (self.times.tick, self.memory.moment());
        self.times.tick_lag = now.saturating_sub(since).saturating_sub(TICK);
        self.memory.note_due_uses(since, now);
        self.times.tick = now;
        if self.failure().is_some() {
            if now.saturating_sub(self.times.attempt) >= BETWEEN_TRIES {
                self.recover().await;
            }
        } else if now.saturating_sub(self.times.commit) >= ANCHOR_INTERVAL {
            self.commit_anchor().await;
        } else if now.saturating_sub(self.times.vacuum) >= VACUUM_INTERVAL {
            self.times.vacuum = now;
            if let Err(reason) = self.file.vacuum().await {
                tracing::warn!(reason, "free pages of the session file are not given back");
            }
        }
    }

    /// Writes what waits, together; whether there is more.
    async fn write_once(&mut self) -> bool {
        let Some(mut taken) = self.memory.changes().take(USES_AT_ONCE) else {
            return false;
        };
        if let Some(reason) = self.failure() {
            self.refuse(&mut taken, &reason);
            return self.memory.changes().uses() > 0;
        }
        self.seeded.alter(&self.memory, &mut taken);
        let mut rows = Rows::of(&taken.changes);
        self.seeded.restate(&mut rows);
        let began = self.timeline.now();
        let outcome = self.file.commit(&rows, &self.timeline.anchor()).await;
        let outcome = self.seeded.outcome(outcome);
        drop(rows);
        self.count(began, outcome.is_ok());
        match outcome {
            Ok(()) => {
                self.times.commit = self.memory.moment();
                self.memory.settle(&taken);
                taken.batch.settle(Ok(()));
            }
            Err(reason) => {
                tracing::error!(reason, "sessions cannot be written to their file");
                self.times.attempt = self.memory.moment();
                *self.condition.failure.lock() = Some(reason.clone());
                self.refuse(&mut taken, &reason);
            }
        }
        self.memory.changes().uses() > 0
    }

    /// Takes back what was to be written, and fails the requests that wait for it.
    fn refuse(&mut self, taken: &mut Taken, reason: &str) {
        for repair in self.memory.take_back(taken) {
            let (Repair::Restate(id) | Repair::Delete(id)) = repair;
            // What ended is deleted, whatever else was to be written of it.
            let recorded = self.repairs.entry(id).or_insert(repair);
            if repair == Repair::Delete(id) {
                *recorded = repair;
            }
        }
        taken.batch.settle(Err(StoreError(format!("the session file: {reason}"))));
    }

    /// Opens the file anew and puts right what may be in it.
    async fn recover(&mut self) {
        self.times.attempt = self.memory.moment();
        let standing: Vec<(SessionId, Option<Standing>)> = self
            .repairs
            .values()
            .map(|repair| match repair {
                Repair::Restate(id) => (*id, self.memory.standing(*id)),
                Repair::Delete(id) => (*id, None),
            })
            .collect();
        let about = self.condition.about.lock().clone();
        let identity = about.identity.map(|id| id.to_string());
        let mut rows = Rows::default();
        for (id, standing) in &standing {
            match standing {
                Some(standing) => rows.restate(*id, standing),
                None => rows.delete(*id),
            }
        }
        rows.describe(IDENTITY, identity.as_deref());
        rows.describe(BOOKMARK, about.bookmark.as_deref());
        rows.describe(HISTORY, about.history.as_deref());
        let began = self.timeline.now();
        let recovered = self.file.recover(&rows, &self.timeline.anchor()).await;
        let recovered = self.seeded.outcome(recovered);
        self.count(began, recovered.is_ok());
        match recovered {
            Ok(()) => {
                tracing::info!("sessions are written to their file again");
                self.repairs.clear();
                self.times.commit = self.memory.moment();
                *self.condition.failure.lock() = None;
            }
            Err(reason) => *self.condition.failure.lock() = Some(reason),
        }
    }

    async fn commit_anchor(&mut self) {
        let began = self.timeline.now();
        let outcome = self.file.commit(&Rows::default(), &self.timeline.anchor()).await;
        self.count(began, outcome.is_ok());
        self.times.commit = self.memory.moment();
        if let Err(reason) = outcome {
            tracing::error!(reason, "sessions cannot be written to their file");
            *self.condition.failure.lock() = Some(reason);
        }
    }

    fn failure(&self) -> Option<String> {
        self.condition.failure.lock().clone()
    }

    fn count(&self, began: Moment, succeeded: bool) {
        let took = self.timeline.now().saturating_sub(began);
        let (file_bytes, tick_lag) = (self.file.bytes(), self.times.tick_lag);
        (self.observe)(Commit { took, succeeded, file_bytes, tick_lag });
    }
}
