//! The counts of all nodes that share a Redis or Valkey, each by the server's own clock.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::pace::{Pace, micros};
use super::{AttemptKey, AttemptLimit, AttemptStore, Reservation};
use crate::StoreError;
use crate::redis_connection::{RedisConnection, Reply, ScriptRequest, script};

script!(RESERVE, "", "redis/reserve.lua");
script!(REFUND, " flags=allow-oom", "redis/refund.lua");
script!(REMEMBER, "", "redis/remember.lua");

/// The longest that an attempt counts and a key is remembered, in microseconds: 35 years, beyond
/// which the server's numbers would no longer be exact.
const LONGEST_US: u64 = 1 << 50;

/// Counts attempts in Redis, so that any number of nodes are one. What no longer counts goes by
/// itself.
pub struct RedisAttempts {
    connection: RedisConnection,
}

/// Whether attempts are counted, or looked at.
#[derive(Clone, Copy)]
enum Mode {
    Count,
    Look,
}

impl RedisAttempts {
    /// Counts there.
    pub const fn new(connection: RedisConnection) -> Self {
        Self { connection }
    }

    /// The longest wait of some limits whose keys one script may name: 0 where there is none.
    async fn wait_us(&self, limits: &[AttemptLimit], mode: Mode) -> Result<u64, StoreError> {
        let keys: Vec<Vec<u8>> = limits.iter().map(|limit| count_key(limit.key)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let request = ScriptRequest::on_all(&RESERVE, &keys).arg(match mode {
            Mode::Count => "count",
            Mode::Look => "look",
        });
        let request = limits.iter().fold(request, |request, limit| {
            let (interval_us, burst) = measures(limit);
            request.arg(interval_us).arg(burst)
        });
        match self.connection.run_one(request).await? {
            Value::Int(wait) => u64::try_from(wait).map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }
}

#[async_trait]
impl AttemptStore for RedisAttempts {
    /// # Cancel safety
    ///
    /// Cancelled, it may have counted the attempt under some of the limits.
    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<Reservation, StoreError> {
        let mut counted = 0;
        let mut wait_us = 0;
        for joined in self.connection.groups(limits) {
            let mode = if wait_us == 0 { Mode::Count } else { Mode::Look };
            match self.wait_us(joined, mode).await {
                Ok(0) if wait_us == 0 => counted += joined.len(),
                Ok(wait) => wait_us = wait.max(wait_us),
                Err(error) => {
                    // What cannot be taken back refuses an attempt too early, never too late.
                    let _ = self.refund(&limits[..counted]).await;
                    return Err(error);
                }
            }
        }
        if wait_us == 0 {
            return Ok(Reservation::Admitted);
        }
        self.refund(&limits[..counted]).await?;
        Ok(Reservation::Throttled { retry_after: Duration::from_micros(wait_us) })
    }

    async fn refund(&self, limits: &[AttemptLimit]) -> Result<(), StoreError> {
        let request = |limit: &AttemptLimit| {
            ScriptRequest::on(&REFUND, &count_key(limit.key)).arg(measures(limit).0)
        };
        let requests: Vec<ScriptRequest> = limits.iter().map(request).collect();
        done(self.connection.run(&requests).await)
    }

    async fn clear(&self, key: AttemptKey) -> Result<(), StoreError> {
        let request = ScriptRequest::command("DEL", &count_key(key));
        self.connection.run_one(request).await.map(|_| ())
    }

    async fn remember(&self, key: AttemptKey, period: Duration) -> Result<(), StoreError> {
        let period_ms = micros(period).min(LONGEST_US).div_ceil(1000).max(1);
        let request = ScriptRequest::on(&REMEMBER, &remembered_key(key)).arg(period_ms);
        self.connection.run_one(request).await.map(|_| ())
    }

    async fn is_remembered(&self, key: AttemptKey) -> Result<bool, StoreError> {
        let request = ScriptRequest::command("EXISTS", &remembered_key(key));
        match self.connection.run_one(request).await? {
            Value::Int(count) => Ok(count == 1),
            _ => Err(unreadable()),
        }
    }
}

/// How long an attempt counts, and how many at once are admitted.
fn measures(limit: &AttemptLimit) -> (u64, u32) {
    let burst = limit.burst.get();
    let longest_us = (LONGEST_US / u64::from(burst)).max(1);
    (Pace::of(limit).interval_us().min(longest_us), burst)
}

fn count_key(key: AttemptKey) -> Vec<u8> {
    named("attempts", key)
}

fn remembered_key(key: AttemptKey) -> Vec<u8> {
    named("known", key)
}

fn named(kind: &str, key: AttemptKey) -> Vec<u8> {
    let digest = u128::from_be_bytes(*key.as_bytes());
    format!("{kind}:{digest:032x}").into_bytes()
}

fn done(answers: Vec<Reply>) -> Result<(), StoreError> {
    answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
}

fn unreadable() -> StoreError {
    StoreError("stored attempt count is unreadable".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::attempts::conformance::{Fixture, attempt_store_conformance};
    use crate::store::redis::server;

    async fn fixture() -> Option<Fixture> {
        let connection = server::fresh_database().await?;
        let pass = |time| Box::pin(tokio::time::sleep(time)) as _;
        Some(Fixture::new(Arc::new(RedisAttempts::new(connection)), Box::new(pass)))
    }

    attempt_store_conformance!(fixture());
}
