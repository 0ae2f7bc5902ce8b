//! The only task that writes: one commit takes all changes that wait at a moment, uses are written at
//! ticks, and what could not be written is taken back.
//!
//! INVARIANT: nothing is answered before the commit that it is in. A commit that failed is never
//! made good by a later one: what it promised is taken back in memory, and out of the file, before
//! anything else is written.
//! INVARIANT: a commit that the disk holds up has failed for those who wait for it. What becomes of
//! it after that is waited for, and written over, before anything else is written.

mod jobs;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::jobs::{COMMIT_TIMEOUT, Ended, Jobs};
use super::about::About;
use super::file::{SessionFile, Whereabouts};
use super::repairs::{Repairer, Repairs};
use super::rows::{Numbers, Rows};
use super::seeded::Seeded;
use super::timeline::Timeline;
use super::uses::USES_A_BLOCK;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::{Change, Taken};
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
    timeline: Arc<Timeline>,
    condition: Arc<Condition>,
    whereabouts: Whereabouts,
    observe: CommitObserver,
    pub(super) seeded: Seeded,
    jobs: Jobs,
    /// What of the file must be put right before anything else is written.
    repairs: Repairs,
    /// What the latest commit ended as used up: an end that was put in meanwhile is no other event.
    used_up: HashSet<SessionId>,
    times: Times,
}

/// When things were done last.
#[derive(Default)]
struct Times {
    tick: Moment,
    tick_lag: Duration,
    commit: Moment,
    attempt: Moment,
    /// By the process's own clock, for what a recovery takes.
    recovery: Moment,
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
        let (whereabouts, seeded) = (file.whereabouts(), Seeded::from_environment());
        let repairer = Repairer {
            memory: Arc::clone(&memory),
            timeline: Arc::clone(&timeline),
            condition: Arc::clone(&condition),
        };
        let jobs = Jobs::new(file, repairer);
        Self {
            memory,
            timeline,
            condition,
            whereabouts,
            observe,
            seeded,
            jobs,
            repairs: Repairs::default(),
            used_up: HashSet::new(),
            times: Times::default(),
        }
    }

    /// Writes until `cancel`, then what is still queued, and closes the file.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        (self.times.tick, self.times.commit) = (self.memory.moment(), self.memory.moment());
        let memory = Arc::clone(&self.memory);
        let mut more = false;
        while !cancel.is_cancelled() {
            if !more || self.jobs.is_overdue() {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    ended = self.jobs.overdue() => self.end_overdue(ended).await,
                    _ = ticks.tick() => self.tick().await,
                    () = memory.changes().arrived() => {}
                }
            } else if self.memory.moment().saturating_sub(self.times.tick) > TICK {
                self.tick().await;
            }
            more = self.write_once(USES_AT_ONCE).await;
        }
        self.finish().await;
    }

    /// Writes all that is queued, the uses last.
    async fn finish(mut self) {
        self.memory.note_all_uses();
        if self.failure().is_some() {
            self.recover_at_last().await;
        }
        let uses = self.memory.changes().take_uses();
        while self.write_once(0).await {}
        self.memory.changes().close();
        self.commit_last_uses(&uses).await;
        if self.failure().is_some() {
            tracing::error!("the last changes of sessions could not be written to their file");
        }
        if let Err(reason) = self.jobs.close().await {
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
                self.recover();
            }
        } else if now.saturating_sub(self.times.commit) >= ANCHOR_INTERVAL {
            self.commit_anchor().await;
        } else if now.saturating_sub(self.times.vacuum) >= VACUUM_INTERVAL {
            self.times.vacuum = now;
            match self.jobs.vacuum().await {
                Err(reason) if self.jobs.is_overdue() => self.fail(&reason),
                Err(reason) => {
                    tracing::warn!(reason, "free pages of the session file are not given back");
                }
                Ok(()) => {}
            }
        }
    }

    /// Writes what waits, together, and so many uses with it; whether there is more.
    async fn write_once(&mut self, uses: usize) -> bool {
        let Some(mut taken) = self.memory.changes().take(uses) else {
            return false;
        };
        if let Some(reason) = self.failure() {
            self.refuse(&mut taken, &reason);
            return !self.memory.changes().is_empty();
        }
        self.seeded.alter(&self.memory, &mut taken);
        let used_up = taken.leave_one_event_an_end(&self.used_up);
        let mut rows = Rows::of(&taken.changes);
        self.seeded.restate(&mut rows);
        rows.events(taken.events().collect(), Numbers::of(&self.memory));
        let statements = rows.statements();
        let began = self.timeline.now();
        let outcome = self.jobs.commit(statements, self.timeline.anchor()).await;
        let outcome = self.seeded.outcome(outcome);
        self.count(began, outcome.is_ok());
        match outcome {
            Ok(()) => {
                self.times.commit = self.memory.moment();
                self.used_up = used_up;
                self.memory.publish(taken.take_events());
                self.memory.settle(&taken);
                taken.batch.settle(Ok(()));
            }
            Err(reason) => {
                self.fail(&reason);
                self.refuse(&mut taken, &reason);
            }
        }
        !self.memory.changes().is_empty()
    }

    /// Nothing can be written from now on.
    fn fail(&mut self, reason: &str) {
        tracing::error!(reason, "sessions cannot be written to their file");
        self.times.attempt = self.memory.moment();
        *self.condition.failure.lock() = Some(reason.to_owned());
    }

    /// Takes back what was to be written, and fails the requests that wait for it.
    fn refuse(&mut self, taken: &mut Taken, reason: &str) {
        // An end happens whether or not it can be written now; its event is written with it.
        let events = taken.take_events_of_ends();
        self.repairs.add_unopened(taken.opened());
        for repair in self.memory.take_back(taken) {
            self.repairs.add(repair);
        }
        for (id, event) in events {
            self.repairs.add_event(id, event);
        }
        taken.batch.settle(Err(StoreError(format!("the session file: {reason}"))));
    }

    /// Begins to open the file anew, and to put right what may be in it; what was begun before must
    /// be over first.
    fn recover(&mut self) {
        self.times.attempt = self.memory.moment();
        if !self.jobs.is_overdue() {
            self.times.recovery = self.timeline.now();
            self.jobs.recover(std::mem::take(&mut self.repairs));
        }
    }

    /// The same, and waits for it for a while.
    async fn recover_at_last(&mut self) {
        self.recover();
        // What the disk held up, and then the recovery.
        for _ in 0..2 {
            let overdue = tokio::time::timeout(COMMIT_TIMEOUT, self.jobs.overdue());
            let Ok(ended) = overdue.await else {
                return;
            };
            self.end_overdue(ended).await;
            if self.failure().is_none() {
                return;
            }
            self.recover();
        }
    }

    /// What took longer than anybody waits for it is over.
    async fn end_overdue(&mut self, mut ended: Ended) {
        // Whatever became of a commit, it is written over: the next tick begins with that.
        while let Some(repairs) = ended.repairs {
            let outcome = self.seeded.outcome(ended.outcome);
            self.count(self.times.recovery, outcome.is_ok());
            match outcome {
                Err(reason) => {
                    self.repairs.add_all(repairs);
                    *self.condition.failure.lock() = Some(reason);
                    return;
                }
                Ok(()) if self.repairs.is_empty() => {
                    tracing::info!("sessions are written to their file again");
                    self.times.commit = self.memory.moment();
                    *self.condition.failure.lock() = None;
                    return;
                }
                // What was refused meanwhile. Nothing more is until this is written.
                Ok(()) => {
                    self.times.recovery = self.timeline.now();
                    ended = self.jobs.repair(std::mem::take(&mut self.repairs)).await;
                }
            }
        }
    }

    /// Writes the uses beside the sessions, in place of those that an earlier stop left there.
    async fn commit_last_uses(&mut self, uses: &[Change]) {
        let mut rows = Rows::default();
        rows.drop_uses_at_stop();
        for (number, block) in uses.chunks(USES_A_BLOCK).enumerate() {
            if number > 0 {
                self.commit_apart(std::mem::take(&mut rows)).await;
            }
            rows.uses_at_stop(block);
        }
        self.commit_apart(rows).await;
    }

    async fn commit_anchor(&mut self) {
        self.commit_apart(Rows::default()).await;
    }

    /// Commits what no request waits for, with the clock, unless nothing can be written.
    async fn commit_apart(&mut self, rows: Rows<'_>) {
        if self.failure().is_some() {
            return;
        }
        let began = self.timeline.now();
        let outcome = self.jobs.commit(rows.statements(), self.timeline.anchor()).await;
        self.count(began, outcome.is_ok());
        self.times.commit = self.memory.moment();
        if let Err(reason) = outcome {
            self.fail(&reason);
        }
    }

    fn failure(&self) -> Option<String> {
        self.condition.failure.lock().clone()
    }

    fn count(&self, began: Moment, succeeded: bool) {
        let took = self.timeline.now().saturating_sub(began);
        let (file_bytes, tick_lag) = (self.whereabouts.bytes(), self.times.tick_lag);
        (self.observe)(Commit { took, succeeded, file_bytes, tick_lag });
    }
}
