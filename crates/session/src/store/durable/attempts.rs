//! Counts of failed logins in memory, which begin anew with the process, beside what outlives it:
//! from where accounts were logged in to before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock as _;

use super::timeline::Timeline;
use crate::expiry::Ms;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::Change;
use crate::{AttemptKey, AttemptLimit, AttemptStore, MemoryAttempts, Reservation, StoreError};

/// Counts in memory; what it remembers is written to the session file.
pub struct DurableAttempts {
    memory: MemoryAttempts,
    sessions: Arc<MemoryStore>,
    timeline: Arc<Timeline>,
}

impl DurableAttempts {
    pub(super) fn new(
        sessions: Arc<MemoryStore>,
        timeline: Arc<Timeline>,
        capacity: usize,
        addresses: Vec<(AttemptKey, u64)>,
    ) -> Self {
        let memory = MemoryAttempts::new(Arc::clone(&timeline) as Arc<_>, capacity);
        let now = timeline.boot_time();
        for (key, until_ms) in addresses {
            memory.remember_now(key, Duration::from_millis(until_ms).saturating_sub(now));
        }
        Self { memory, sessions, timeline }
    }
}

#[async_trait]
impl AttemptStore for DurableAttempts {
    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<Reservation, StoreError> {
        self.memory.reserve(limits).await
    }

    async fn refund(&self, limits: &[AttemptLimit]) -> Result<(), StoreError> {
        self.memory.refund(limits).await
    }

    async fn clear(&self, key: AttemptKey) -> Result<(), StoreError> {
        self.memory.clear(key).await
    }

    async fn remember(&self, key: AttemptKey, period: Duration) -> Result<(), StoreError> {
        self.memory.remember(key, period).await?;
        let until = self.timeline.boot_time().saturating_add(period);
        let change = Change::Remembered(key, Ms::of(until).get());
        self.sessions.changes().push(change).written().await
    }

    async fn is_remembered(&self, key: AttemptKey) -> Result<bool, StoreError> {
        self.memory.is_remembered(key).await
    }
}
