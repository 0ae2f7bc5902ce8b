//! The boot of the machine, as far as it outlives a process.

use std::time::Duration;

/// How long the machine has been up, and in which of its boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Names the boot.
    pub id: String,
    /// The time since it began, suspended time included.
    pub since: Duration,
}
