//! Where sessions and the counts of failed logins live: in this process, in a file beside it, or in
//! a Redis that other nodes share.

use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use session::{
    AttemptStore, CommitObserver, Durability, DurableStore, EventRetention, MemoryAttempts,
    MemoryStore, RedisAddress, RedisAttempts, RedisConnection, RedisOptions, RedisStore,
    SessionStore, SessionWriter,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::SessionBackend;
use crate::open_failure::OpenFailure;

/// How many counts of failed logins are stored in memory.
const ATTEMPTS_CAPACITY: usize = 250_000;

/// Both stores, opened.
pub(crate) struct Backend {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) attempts: Arc<dyn AttemptStore>,
    /// What may cost sessions, in words for the operator.
    pub(crate) warnings: Vec<String>,
    /// Sessions in a file, and what must run for them to be written.
    pub(crate) file: Option<(DurableStore, SessionWriter)>,
}

impl Backend {
    /// Opens what was chosen; `observe` is called after each commit to a file.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub(crate) async fn open(
        chosen: SessionBackend,
        clock: &Arc<dyn Clock>,
        retention: EventRetention,
        observe: CommitObserver,
    ) -> Result<Self, OpenFailure> {
        match chosen {
            SessionBackend::Memory => Ok(Self {
                sessions: Arc::new(MemoryStore::retaining(Arc::clone(clock), retention)),
                attempts: Arc::new(MemoryAttempts::new(Arc::clone(clock), ATTEMPTS_CAPACITY)),
                warnings: Vec::new(),
                file: None,
            }),
            SessionBackend::File { path, durability } => {
                Self::file(&path, durability, clock, retention, observe).await
            }
            SessionBackend::Redis { address, wait_for_replica } => {
                Self::redis(
                    address,
                    RedisOptions { wait_for_replica, ..RedisOptions::default() },
                    clock,
                    retention,
                )
                .await
            }
        }
    }

    /// Has sessions in a file written until the returned token is cancelled.
    pub(crate) fn write_beside(&mut self, tasks: &TaskTracker) -> CancellationToken {
        let cancel = CancellationToken::new();
        if let Some((_, writer)) = self.file.take() {
            tasks.spawn(writer.run(cancel.clone()));
        }
        cancel
    }

    async fn file(
        path: &Path,
        durability: Durability,
        clock: &Arc<dyn Clock>,
        retention: EventRetention,
        observe: CommitObserver,
    ) -> Result<Self, OpenFailure> {
        let clock = Arc::clone(clock);
        let opened =
            DurableStore::open(path, durability, clock, ATTEMPTS_CAPACITY, retention, observe)
                .await?;
        Ok(Self {
            sessions: Arc::new(opened.sessions.clone()),
            attempts: Arc::new(opened.attempts),
            warnings: Vec::new(),
            file: Some((opened.sessions, opened.writer)),
        })
    }

    async fn redis(
        address: RedisAddress,
        options: RedisOptions,
        clock: &Arc<dyn Clock>,
        retention: EventRetention,
    ) -> Result<Self, OpenFailure> {
        let connection = RedisConnection::open(address, options, Arc::clone(clock)).await?;
        let warnings = connection.warnings().await;
        Ok(Self {
            sessions: Arc::new(RedisStore::retaining(connection.clone(), retention)),
            attempts: Arc::new(RedisAttempts::new(connection)),
            warnings,
            file: None,
        })
    }
}
