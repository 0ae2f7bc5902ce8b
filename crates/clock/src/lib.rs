//! Time as a parameter: monotonic for deadlines, wall for display.
//!
//! Nothing else in the workspace reads the system's clocks: a lint bans it. What decides takes a
//! [`Clock`], so that a test can hand it a [`ManualClock`] and move time by itself.

mod boot;
mod manual;
mod system;

use std::time::Duration;

pub use boot::Boot;
pub use manual::ManualClock;
pub use system::SystemClock;

/// A moment of a clock that never goes back: the time since that clock's own beginning.
///
/// Two moments can be compared only if one clock gave them both. It says nothing of the date.
pub type Moment = Duration;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic time, which no adjustment of the date moves, and which stands still while the
    /// machine is suspended. Timeouts are decided by it, and durations measured.
    fn now(&self) -> Moment;

    /// The same with the time that the machine was suspended. What must end at its time whether or
    /// not anybody was awake, a session above all, is decided by it. Its moments are not those of
    /// [`now`](Self::now).
    fn boot_time(&self) -> Moment;

    /// The date: milliseconds since 1970-01-01T00:00:00Z. For display only; it may jump.
    fn unix_ms(&self) -> i64;

    /// The machine's boot, by which two processes that lived in one of them can tell how much time
    /// lies between them; `None` where nobody knows it.
    fn boot(&self) -> Option<Boot> {
        None
    }

    /// How long the machine was suspended since the clock's beginning, to within what passes
    /// between two readings.
    fn suspended(&self) -> Duration {
        let now = self.now();
        self.boot_time().saturating_sub(now)
    }
}
