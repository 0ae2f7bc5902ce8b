//! Signals, and the exit code of a process that drained.

use std::process::ExitCode;
use std::time::Duration;

use http_server::Lifecycle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::telemetry::{self, ALWAYS};

/// How long the log may take where the process is to end at once.
const LAST_LINES: Duration = Duration::from_millis(200);

/// SIGTERM and Ctrl-C, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// The signals to end cannot be caught.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be caught: {0}")]
pub struct Uncaught(std::io::Error);

impl Signals {
    /// Begins to catch them. A process does so before it listens, since a supervisor may send a
    /// signal as soon as it listens.
    ///
    /// # Errors
    ///
    /// The system does not let them be caught.
    pub fn catch() -> Result<Self, Uncaught> {
        let caught = |kind| signal(kind).map_err(Uncaught);
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }
}

/// SIGHUP, caught from now on: it asks for secrets to be read again, and ends nothing.
///
/// # Errors
///
/// The system does not let it be caught.
pub(crate) fn hang_ups() -> Result<Signal, Uncaught> {
    signal(SignalKind::hangup()).map_err(Uncaught)
}

/// Waits for SIGTERM, Ctrl-C, [`Lifecycle::drain`] or the failure of a critical task; drains; gives
/// the exit code: 0, or 1 after a failure. A second signal ends the process at once with 1.
pub async fn run(lifecycle: &Lifecycle, signals: Signals) -> ExitCode {
    let Signals { mut terminate, mut interrupt } = signals;
    tokio::select! {
        _ = terminate.recv() => lifecycle.drain(),
        _ = interrupt.recv() => lifecycle.drain(),
        () = lifecycle.drain_requested() => {}
    }
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = lifecycle.drained() => {
            return if lifecycle.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    }
    tracing::warn!(target: ALWAYS, "a second signal to end: ending at once");
    telemetry::drain(LAST_LINES);
    // Returning would wait for the threads that still work.
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code_of(life: &Lifecycle) -> String {
        format!("{:?}", run(life, Signals::catch().unwrap()).await)
    }

    #[tokio::test]
    async fn the_exit_code_tells_a_drain_from_a_failure() {
        let drained = Lifecycle::new(Duration::ZERO);
        drained.drain();
        assert_eq!(code_of(&drained).await, format!("{:?}", ExitCode::SUCCESS));
        let failed = Lifecycle::new(Duration::ZERO);
        failed.spawn_critical("sweeper", async {});
        assert_eq!(code_of(&failed).await, format!("{:?}", ExitCode::FAILURE));
    }
}
