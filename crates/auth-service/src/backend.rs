//! Where sessions and the counts of failed logins live: in this process, or in a Redis that other
//! nodes share.

use std::sync::Arc;

use clock::Clock;
use session::{
    AttemptStore, MemoryAttempts, MemoryStore, RedisAddress, RedisAttempts, RedisConnection,
    RedisOptions, RedisStore, SessionStore, StoreError,
};

use crate::config::SessionBackend;

/// How many counts of failed logins are kept in memory.
const ATTEMPTS_KEPT: usize = 250_000;

/// Both stores, opened.
pub(crate) struct Backend {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) attempts: Arc<dyn AttemptStore>,
    /// What may cost sessions, in words for the operator.
    pub(crate) warnings: Vec<String>,
}

impl Backend {
    /// Opens what was chosen.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub(crate) async fn open(
        chosen: SessionBackend,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        match chosen {
            SessionBackend::Memory => Ok(Self {
                sessions: Arc::new(MemoryStore::new(Arc::clone(clock))),
                attempts: Arc::new(MemoryAttempts::new(Arc::clone(clock), ATTEMPTS_KEPT)),
                warnings: Vec::new(),
            }),
            SessionBackend::Redis { address, wait_for_replica } => {
                Self::redis(
                    address,
                    RedisOptions { wait_for_replica, ..RedisOptions::default() },
                    clock,
                )
                .await
            }
        }
    }

    async fn redis(
        address: RedisAddress,
        options: RedisOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let connection = RedisConnection::open(address, options, Arc::clone(clock)).await?;
        let warnings = connection.warnings().await;
        Ok(Self {
            sessions: Arc::new(RedisStore::new(connection.clone())),
            attempts: Arc::new(RedisAttempts::new(connection)),
            warnings,
        })
    }
}
