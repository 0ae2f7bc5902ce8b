//! A process's life: ready, draining, closing, stopped.
//!
//! | stage | begins with | what happens |
//! | --- | --- | --- |
//! | ready | the start | requests are served |
//! | draining | SIGTERM, Ctrl-C, [`Lifecycle::drain`] | not ready; requests are served, with `Connection: close` |
//! | closing | the drain's delay later | listeners and idle connections close, requests in flight finish |
//! | last | nothing in flight, or ten seconds later | the same for listeners that the others depend on ([`Lifecycle::last`]) |
//! | stopped | nothing in flight there either | background tasks end |

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::doors::Doors;
use crate::listen::{Registry, StartError};
use crate::telemetry::{self, ALWAYS};
use crate::workers::Workers;

/// How long requests in flight may take once the listeners are closed.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// How long they may take at least where the others depend on it and have had all of that time.
const IN_FLIGHT_LAST: Duration = Duration::from_secs(1);
/// How long background tasks may take to end.
const BACKGROUND: Duration = Duration::from_secs(2);
/// How long the log may take where the process is to end at once.
const LAST_LINES: Duration = Duration::from_millis(200);

/// A process's life, shared by all that runs in it; a clone is the same life.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    shared: Arc<Shared>,
    /// What a listener that is served under it closes with.
    doors: Arc<Doors>,
}

#[derive(Debug)]
struct Shared {
    /// Read on every request, so it is no token, which would lock.
    draining: AtomicBool,
    told_to_end: CancellationToken,
    failed: AtomicBool,
    registry: Arc<Registry>,
    stopped: CancellationToken,
    tasks: TaskTracker,
    doors: Arc<Doors>,
    last_doors: Arc<Doors>,
    workers: OnceLock<Workers>,
    drain_delay: Duration,
    in_flight: Duration,
}

impl Lifecycle {
    /// A life that begins now; new requests are served for `drain_delay` after the signal.
    pub fn new(drain_delay: Duration) -> Self {
        Self::with_deadline(drain_delay, IN_FLIGHT)
    }

    /// The same, with another time for the requests in flight.
    pub fn with_deadline(drain_delay: Duration, in_flight: Duration) -> Self {
        let shared = Shared {
            draining: AtomicBool::new(false),
            told_to_end: CancellationToken::new(),
            failed: AtomicBool::new(false),
            registry: Arc::default(),
            stopped: CancellationToken::new(),
            tasks: TaskTracker::new(),
            doors: Arc::default(),
            last_doors: Arc::default(),
            workers: OnceLock::new(),
            drain_delay,
            in_flight,
        };
        Self { doors: Arc::clone(&shared.doors), shared: Arc::new(shared) }
    }

    /// The same life, for the listeners that the others of this process depend on: they go on
    /// until nobody is connected to those.
    #[must_use]
    pub fn last(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), doors: Arc::clone(&self.shared.last_doors) }
    }

    /// Has connections served by so many threads, of which the one that accepts them is the first.
    /// Without it there is no other.
    ///
    /// # Errors
    ///
    /// The system gives no more threads.
    pub fn with_workers(self, count: usize) -> Result<Self, StartError> {
        let workers = Workers::start(count, &self.shared.stopped)?;
        let _ = self.shared.workers.set(workers);
        Ok(self)
    }

    /// Whether new requests are welcome: false from the signal on.
    pub fn ready(&self) -> bool {
        !self.draining()
    }

    /// Whether the process has been told to end.
    pub fn draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Cancelled once no request is in flight any more: background tasks end then.
    pub fn token(&self) -> CancellationToken {
        self.shared.stopped.clone()
    }

    /// What background tasks are tracked by; [`run`] waits for them.
    pub fn tracker(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Runs a task without which the process is of no use: where it panics, or ends before the
    /// drain, the process ends with exit code 1 and its log says which task it was.
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        let task = tokio::spawn(task);
        self.shared.tasks.spawn(async move {
            let ended = match task.await {
                Ok(()) if lifecycle.draining() => return,
                Ok(()) => "ended",
                Err(_) => "panicked",
            };
            tracing::error!(target: ALWAYS, task = name, "a task that must not end has {ended}");
            lifecycle.shared.failed.store(true, Ordering::Relaxed);
            lifecycle.drain();
        });
    }

    /// Begins the drain as a signal would.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.told_to_end.cancel();
    }

    /// The listeners that close together with one that is served under this.
    pub(crate) fn doors(&self) -> &Doors {
        &self.doors
    }

    /// The thread that serves the next connection; `None` for the one that has accepted it.
    pub(crate) fn next_worker(&self) -> Option<&Handle> {
        self.shared.workers.get()?.next()
    }

    /// The connections that are open in the whole process.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

/// SIGTERM and Ctrl-C, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to catch them. A process does so before it listens: whoever has seen it listen may
    /// tell it to end.
    ///
    /// # Errors
    ///
    /// The system does not let them be caught.
    pub fn catch() -> Result<Self, StartError> {
        let caught = |kind| signal(kind).map_err(|error| StartError::Signals(error.to_string()));
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }
}

/// Waits for SIGTERM, Ctrl-C, [`Lifecycle::drain`] or the failure of a critical task; drains; gives
/// the exit code: 0, or 1 after a failure. A second signal ends the process at once with 1.
pub async fn run(lifecycle: &Lifecycle, signals: Signals) -> ExitCode {
    let Signals { mut terminate, mut interrupt } = signals;
    tokio::select! {
        _ = terminate.recv() => lifecycle.drain(),
        _ = interrupt.recv() => lifecycle.drain(),
        () = lifecycle.shared.told_to_end.cancelled() => {}
    }
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        code = drained(lifecycle) => return code,
    }
    tracing::warn!(target: ALWAYS, "told to end twice: ending at once");
    telemetry::drain(LAST_LINES);
    // Returning would wait for the threads that still work.
    std::process::exit(1)
}

/// Drains a life that has been told to end, stage by stage.
async fn drained(lifecycle: &Lifecycle) -> ExitCode {
    let shared = &lifecycle.shared;
    tracing::info!(target: ALWAYS, "draining");
    if !lifecycle.failed() {
        tokio::time::sleep(shared.drain_delay).await;
    }
    let begun = Instant::now();
    shared.doors.close();
    let mut left = shared.doors.left_after(shared.in_flight).await;
    let rest = shared.in_flight.saturating_sub(begun.elapsed());
    shared.last_doors.close();
    left += shared.last_doors.left_after(rest.max(IN_FLIGHT_LAST)).await;
    if left > 0 {
        tracing::warn!(target: ALWAYS, left, "connections are cut off at the end of the drain");
    }
    shared.stopped.cancel();
    shared.tasks.close();
    if tokio::time::timeout(BACKGROUND, shared.tasks.wait()).await.is_err() {
        tracing::warn!(target: ALWAYS, left = shared.tasks.len(), "tasks did not end in time");
    }
    tracing::info!(target: ALWAYS, "stopped");
    if lifecycle.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_mins(1);

    /// `ExitCode` has no equality.
    fn is(code: ExitCode, expected: ExitCode) -> bool {
        format!("{code:?}") == format!("{expected:?}")
    }

    fn spawn_run(life: &Lifecycle) -> tokio::task::JoinHandle<ExitCode> {
        let life = life.clone();
        tokio::spawn(async move { run(&life, Signals::catch().unwrap()).await })
    }

    #[tokio::test]
    async fn requests_are_welcome_until_the_drain_and_served_until_its_delay_is_over() {
        let life = Lifecycle::new(SHORT);
        assert!(life.ready());
        let running = spawn_run(&life);
        life.drain();
        assert!(!life.ready() && !life.doors().closing());
        life.doors().closing_token().cancelled().await;
        assert!(life.doors().closing());
        assert!(is(running.await.unwrap(), ExitCode::SUCCESS));
    }

    #[tokio::test]
    async fn the_delay_is_kept() {
        let life = Lifecycle::new(LONG);
        let running = spawn_run(&life);
        life.drain();
        let closed = tokio::time::timeout(SHORT, life.doors().closing_token().cancelled()).await;
        assert!(closed.is_err() && !running.is_finished());
    }

    #[tokio::test]
    async fn background_tasks_end_after_the_last_connection() {
        let life = Lifecycle::with_deadline(Duration::ZERO, LONG);
        let (token, closing) = (life.token(), life.doors().closing_token().clone());
        let connection = life.doors().connections().spawn({
            let token = token.clone();
            async move {
                closing.cancelled().await;
                tokio::time::sleep(SHORT).await;
                token.is_cancelled()
            }
        });
        let background = life.tracker().spawn(async move { token.cancelled().await });
        life.drain();
        assert!(is(run(&life, Signals::catch().unwrap()).await, ExitCode::SUCCESS));
        assert!(!connection.await.unwrap());
        background.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_never_ends_is_cut_off() {
        let life = Lifecycle::with_deadline(Duration::ZERO, SHORT);
        life.doors().connections().spawn(std::future::pending::<()>());
        life.drain();
        let run = tokio::time::timeout(LONG, run(&life, Signals::catch().unwrap())).await;
        assert!(is(run.expect("the deadline holds"), ExitCode::SUCCESS));
    }

    #[tokio::test]
    async fn a_critical_task_that_ends_or_panics_takes_the_process_down() {
        let ended = Lifecycle::new(LONG);
        ended.spawn_critical("sweeper", async {});
        assert!(is(run(&ended, Signals::catch().unwrap()).await, ExitCode::FAILURE));
        let panicked = Lifecycle::new(LONG);
        panicked.spawn_critical("sweeper", async { panic!("on purpose") });
        assert!(is(run(&panicked, Signals::catch().unwrap()).await, ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn a_critical_task_that_ends_with_the_process_is_no_failure() {
        let life = Lifecycle::new(Duration::ZERO);
        let token = life.token();
        life.spawn_critical("sweeper", async move { token.cancelled().await });
        life.drain();
        assert!(is(run(&life, Signals::catch().unwrap()).await, ExitCode::SUCCESS));
    }
}
