//! The operating system's clocks: the one place that reads them.

use std::time::{Instant, SystemTime};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

use crate::{Boot, Clock, Moment};

/// The operating system's monotonic clocks and its date.
#[derive(Clone, Debug)]
pub struct SystemClock {
    beginning: Instant,
    /// The boot time at the beginning.
    #[cfg(target_os = "linux")]
    booted: Moment,
}

impl SystemClock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is where the system's clock is read")]
    pub fn new() -> Self {
        Self {
            beginning: Instant::now(),
            #[cfg(target_os = "linux")]
            booted: since_boot(),
        }
    }
}

/// `CLOCK_BOOTTIME`, read without a system call like the other clocks. Linux's `Instant` is
/// `CLOCK_MONOTONIC`, which stands still while the machine is suspended.
#[cfg(target_os = "linux")]
fn since_boot() -> Moment {
    // It is never negative.
    Moment::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
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

    #[cfg(target_os = "linux")]
    fn boot_time(&self) -> Moment {
        since_boot().saturating_sub(self.booted)
    }

    /// Elsewhere there is no portable clock that counts suspended time.
    #[cfg(not(target_os = "linux"))]
    fn boot_time(&self) -> Moment {
        self.now()
    }

    /// A file of the kernel's is read: for once, at a start.
    #[cfg(target_os = "linux")]
    fn boot(&self) -> Option<Boot> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Boot { id: id.trim_end().to_owned(), since: since_boot() })
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the system's date is read")]
    fn unix_ms(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}
