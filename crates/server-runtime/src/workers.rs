//! How many threads serve connections.

use std::thread;

use crate::settings::{BadSetting, Settings};

/// The most threads that may be requested.
const MAX_WORKERS: usize = 256;

/// How many threads serve connections: what `WORKERS` says, or one for each core.
///
/// # Errors
///
/// It says something else than a number from 1 to 256.
pub fn count(settings: &Settings) -> Result<usize, BadSetting> {
    let number = |text: &str| text.parse().ok().filter(|count| (1..=MAX_WORKERS).contains(count));
    let given = settings.value("WORKERS", number)?;
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    Ok(given.unwrap_or_else(cores))
}
