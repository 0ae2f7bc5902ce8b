//! The options of a directory, with their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::DatabaseUrl;

/// Called with how long each password's work in the pool took, waiting not included.
pub type HashObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// How a directory is opened.
#[derive(Clone, Debug)]
pub struct DirectoryOptions {
    /// Where users are stored. By default in memory.
    pub database: DatabaseUrl,
    /// Whether the demo user may log in. By default not.
    pub demo: bool,
    /// How many characters a new password has at least: 8 to 128, by default 15.
    pub password_min_length: usize,
    /// How passwords are hashed.
    pub hashing: HashingOptions,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            database: DatabaseUrl::in_memory(),
            demo: false,
            password_min_length: 15,
            hashing: HashingOptions::default(),
        }
    }
}

/// How passwords are hashed, and how many at once.
#[derive(Clone)]
pub struct HashingOptions {
    /// Argon2id's memory in KiB, by default 19,456. Each permit keeps that much.
    pub memory_kib: u32,
    /// Argon2id's passes over the memory, by default 2.
    pub passes: u32,
    /// Argon2id's lanes, by default 1.
    pub parallelism: u32,
    /// How many passwords are hashed at once, by default one fewer than there are cores, at least one.
    pub permits: usize,
    /// How many may wait for that, by default 64 for each permit. One more is refused at once.
    pub waiting: usize,
    /// How long one may wait, by default 5 s.
    pub wait: Duration,
    /// Called with how long each took.
    pub observer: Option<HashObserver>,
}

impl Default for HashingOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One core is left to those who are logged in already.
        let permits = cores.saturating_sub(1).max(1);
        Self {
            memory_kib: 19_456,
            passes: 2,
            parallelism: 1,
            permits,
            waiting: 64 * permits,
            wait: Duration::from_secs(5),
            observer: None,
        }
    }
}

impl fmt::Debug for HashingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingOptions")
            .field("memory_kib", &self.memory_kib)
            .field("passes", &self.passes)
            .field("lanes", &self.parallelism)
            .field("permits", &self.permits)
            .field("waiting", &self.waiting)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
