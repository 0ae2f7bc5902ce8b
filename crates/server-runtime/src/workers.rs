//! How many threads serve connections.

use std::thread;

use crate::settings::{BadSetting, Settings, WORKERS};

/// The most threads that may be requested.
pub(crate) const MAX_WORKERS: usize = 256;

/// How many threads serve connections: what `WORKERS` says, or one for each core.
///
/// # Errors
///
/// It says something else than a number from 1 to 256.
pub fn count(settings: &Settings) -> Result<usize, BadSetting> {
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    Ok(settings.get(&WORKERS)?.unwrap_or_else(cores))
}
