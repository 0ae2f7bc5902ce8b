//! What the store promises beyond what every store does: what a restart takes back, and what not.

mod conformance;
mod events;
mod faults;
mod files;
mod measure;
mod nonsense;
mod races;
mod restarts;
mod size;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::ManualClock;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::conformance::Fixture;

/// A service's session file, its store and its writer.
struct Running {
    store: DurableStore,
    attempts: DurableAttempts,
    fixture: Fixture,
    clock: ManualClock,
    /// While it is set, commits are told to have failed.
    failing: Arc<AtomicBool>,
    cancel: CancellationToken,
    writing: JoinHandle<()>,
}

/// A directory with a session file, and the time that it lives in.
struct Machine {
    directory: TempDir,
    clock: ManualClock,
}

impl Machine {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::new() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("sessions.db")
    }

    async fn start(&self) -> Running {
        start(&self.path(), &self.clock).await.unwrap()
    }

    /// Why a service does not start on this file.
    async fn refusal(&self) -> String {
        match start(&self.path(), &self.clock).await {
            Ok(_) => panic!("it starts"),
            Err(error) => error.to_string(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the handle is kept, and a kill aborts by it")]
async fn start(path: &Path, clock: &ManualClock) -> Result<Running, SessionFileError> {
    let observe = Box::new(|_| {});
    let time = Arc::new(clock.clone());
    // Few enough not to be what a file is large by.
    let retention = EventRetention { limit: 1_000, ..EventRetention::default() };
    let opened =
        DurableStore::open(path, Durability::Normal, time, 1000, retention, observe).await?;
    let failing = Arc::clone(&opened.writer.seeded.failing);
    let cancel = CancellationToken::new();
    let writing = tokio::spawn(opened.writer.run(cancel.clone()));
    let fixture = Fixture::manual(Arc::new(opened.sessions.clone()), clock.clone());
    let (store, attempts) = (opened.sessions, opened.attempts);
    let clock = clock.clone();
    Ok(Running { store, attempts, fixture, clock, failing, cancel, writing })
}

impl Running {
    /// Ends as a service does that is told to.
    async fn stop(self) {
        self.cancel.cancel();
        self.writing.await.unwrap();
    }

    /// Ends as a service does that is killed: what is not written by now never is.
    async fn kill(self) {
        self.writing.abort();
        assert!(self.writing.await.unwrap_err().is_cancelled());
    }
}
