//! The operating system's clocks: the one place that reads them.

use std::time::{Instant, SystemTime};

use crate::{Clock, Moment};

/// The operating system's monotonic clock and its date.
#[derive(Clone, Debug)]
pub struct SystemClock {
    beginning: Instant,
}

impl SystemClock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is where the system's clock is read")]
    pub fn new() -> Self {
        Self { beginning: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        self.beginning.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the system's date is read")]
    fn unix_ms(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}
