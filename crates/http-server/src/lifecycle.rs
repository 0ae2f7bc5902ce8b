//! A process's life: ready, draining, closing, stopped.
//!
//! | stage | begins with | what happens |
//! | --- | --- | --- |
//! | ready | the start | requests are served |
//! | draining | [`Lifecycle::drain`] | not ready; requests are served, with `Connection: close` |
//! | closing | the drain's delay later | listeners and idle connections close, requests in flight finish |
//! | closing last | nothing in flight, or ten seconds later | the same for listeners that the others depend on ([`Lifecycle::closing_last`]) |
//! | stopped | nothing in flight there either | background tasks end |

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listener_group::ListenerGroup;
use crate::registry::Registry;
use crate::workers::Workers;
use crate::{PROCESS_LOG_TARGET, StartError};

/// How long requests in flight may take once the listeners are closed.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// How long they may take at least at listeners that close last, where the others took all the time.
const IN_FLIGHT_LAST: Duration = Duration::from_secs(1);
/// How long background tasks may take to end.
const BACKGROUND: Duration = Duration::from_secs(2);

/// A process's life, shared by all that runs in it; a clone is the same life.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    shared: Arc<Shared>,
    /// What a listener that is served under this one closes with.
    group: Arc<ListenerGroup>,
}

#[derive(Debug)]
struct Shared {
    /// Read on every request, so it is no token, which would take a lock.
    draining: AtomicBool,
    drain_requested: CancellationToken,
    failed: AtomicBool,
    registry: Arc<Registry>,
    stopped: CancellationToken,
    tasks: TaskTracker,
    group: Arc<ListenerGroup>,
    last_group: Arc<ListenerGroup>,
    workers: OnceLock<Workers>,
    drain_delay: Duration,
    in_flight: Duration,
}

impl Lifecycle {
    /// A life that begins now; new requests are served for `drain_delay` after the drain's request.
    pub fn new(drain_delay: Duration) -> Self {
        Self::with_deadline(drain_delay, IN_FLIGHT)
    }

    /// The same, with another time for the requests in flight.
    pub fn with_deadline(drain_delay: Duration, in_flight: Duration) -> Self {
        let shared = Shared {
            draining: AtomicBool::new(false),
            drain_requested: CancellationToken::new(),
            failed: AtomicBool::new(false),
            registry: Arc::default(),
            stopped: CancellationToken::new(),
            tasks: TaskTracker::new(),
            group: Arc::default(),
            last_group: Arc::default(),
            workers: OnceLock::new(),
            drain_delay,
            in_flight,
        };
        Self { group: Arc::clone(&shared.group), shared: Arc::new(shared) }
    }

    /// The same life, for the listeners that the others of this process depend on: they close once
    /// the others have no connection any more.
    #[must_use]
    pub fn closing_last(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), group: Arc::clone(&self.shared.last_group) }
    }

    /// Has connections served by so many threads, of which the one that accepts them is the first.
    /// Without this call there is no other.
    ///
    /// # Errors
    ///
    /// The system gives no more threads.
    pub fn with_workers(self, count: usize) -> Result<Self, StartError> {
        let workers = Workers::start(count, &self.shared.stopped)?;
        let _ = self.shared.workers.set(workers);
        Ok(self)
    }

    /// Whether new requests are welcome: false once a drain was requested.
    pub fn ready(&self) -> bool {
        !self.draining()
    }

    /// Whether a drain was requested.
    pub fn draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Whether a task without which the process is of no use has ended.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Cancelled once a drain is requested: what would go on for as long as its client wants ends
    /// then.
    pub fn drain_token(&self) -> CancellationToken {
        self.shared.drain_requested.clone()
    }

    /// Cancelled once no request is in flight any more: background tasks end then.
    pub fn token(&self) -> CancellationToken {
        self.shared.stopped.clone()
    }

    /// What tracks background tasks; [`Lifecycle::drained`] waits for them.
    pub fn tracker(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Runs a task that ends by itself. [`Lifecycle::drained`] waits for it; where it panics, the
    /// process drains and its log says which task it was.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.watch(name, task, |_| None);
    }

    /// Runs a task without which the process is of no use: where it panics, or ends before the
    /// drain, the process drains as failed and its log says which task it was.
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.watch(name, task, |life| (!life.draining()).then_some("ended"));
    }

    /// Runs a task; `end` tells what is wrong with its end, where something is.
    fn watch<F>(
        &self,
        name: &'static str,
        task: F,
        end: impl Fn(&Self) -> Option<&'static str> + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        self.shared.tasks.spawn(async move {
            // In a set of its own, which tells of a panic and aborts the task with this one.
            let mut watched = JoinSet::new();
            watched.spawn(task);
            let wrong = match watched.join_next().await {
                Some(Err(_)) => Some("panicked"),
                Some(Ok(())) | None => end(&lifecycle),
            };
            let Some(wrong) = wrong else { return };
            tracing::error!(target: PROCESS_LOG_TARGET, task = name, "a task that must not end has {wrong}");
            lifecycle.shared.failed.store(true, Ordering::Relaxed);
            lifecycle.drain();
        });
    }

    /// Requests the drain, as a signal does.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.drain_requested.cancel();
    }

    /// Waits until a drain is requested.
    pub async fn drain_requested(&self) {
        self.shared.drain_requested.cancelled().await;
    }

    /// Carries out the drain that was requested, stage by stage, up to the end of all tasks.
    pub async fn drained(&self) {
        let shared = &self.shared;
        tracing::info!(target: PROCESS_LOG_TARGET, "draining");
        if !self.failed() {
            tokio::time::sleep(shared.drain_delay).await;
        }
        let begun = Instant::now();
        shared.group.close();
        let mut open = shared.group.wait_until_closed(shared.in_flight).await;
        let rest = shared.in_flight.saturating_sub(begun.elapsed());
        shared.last_group.close();
        open += shared.last_group.wait_until_closed(rest.max(IN_FLIGHT_LAST)).await;
        if open > 0 {
            tracing::warn!(target: PROCESS_LOG_TARGET, connections = open, "connections are cut off at the end of the drain");
        }
        shared.stopped.cancel();
        shared.tasks.close();
        if tokio::time::timeout(BACKGROUND, shared.tasks.wait()).await.is_err() {
            let tasks = shared.tasks.len();
            tracing::warn!(target: PROCESS_LOG_TARGET, tasks, "tasks did not end in time");
        }
        tracing::info!(target: PROCESS_LOG_TARGET, "stopped");
    }

    /// The listeners that close together with one that is served under this.
    pub(crate) fn listener_group(&self) -> &ListenerGroup {
        &self.group
    }

    /// The thread that serves the next connection; `None` for the one that has accepted it.
    pub(crate) fn next_worker(&self) -> Option<&Handle> {
        self.shared.workers.get()?.next()
    }

    /// The connections that are open in the whole process.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_mins(1);

    async fn run(life: &Lifecycle) {
        life.drain_requested().await;
        life.drained().await;
    }

    fn start(life: &Lifecycle) -> JoinSet<()> {
        let (mut running, life) = (JoinSet::new(), life.clone());
        running.spawn(async move { run(&life).await });
        running
    }

    #[tokio::test]
    async fn requests_are_welcome_until_the_drain_and_served_until_its_delay_is_over() {
        let life = Lifecycle::new(SHORT);
        assert!(life.ready());
        let mut running = start(&life);
        life.drain();
        assert!(!life.ready() && !life.listener_group().is_closing());
        life.listener_group().closing_token().cancelled().await;
        assert!(life.listener_group().is_closing());
        running.join_next().await.unwrap().unwrap();
        assert!(!life.failed());
    }

    #[tokio::test]
    async fn the_delay_is_kept() {
        let life = Lifecycle::new(LONG);
        let mut running = start(&life);
        life.drain();
        let closing = life.listener_group().closing_token().cancelled();
        assert!(tokio::time::timeout(SHORT, closing).await.is_err());
        assert!(running.try_join_next().is_none());
    }

    #[tokio::test]
    async fn background_tasks_end_after_the_last_connection() {
        let life = Lifecycle::with_deadline(Duration::ZERO, LONG);
        let (token, closing) = (life.token(), life.listener_group().closing_token().clone());
        let connection = life.listener_group().connections().spawn({
            let token = token.clone();
            async move {
                closing.cancelled().await;
                tokio::time::sleep(SHORT).await;
                token.is_cancelled()
            }
        });
        let (sender, ended) = tokio::sync::oneshot::channel();
        life.spawn("background", async move {
            token.cancelled().await;
            sender.send(()).unwrap();
        });
        life.drain();
        run(&life).await;
        assert!(!connection.await.unwrap());
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_never_ends_is_cut_off() {
        let life = Lifecycle::with_deadline(Duration::ZERO, SHORT);
        life.listener_group().connections().spawn(std::future::pending::<()>());
        life.drain();
        tokio::time::timeout(LONG, run(&life)).await.expect("the deadline holds");
        assert!(!life.failed());
    }

    #[tokio::test]
    async fn a_critical_task_that_ends_or_panics_takes_the_process_down() {
        let ended = Lifecycle::new(LONG);
        ended.spawn_critical("sweeper", async {});
        run(&ended).await;
        assert!(ended.failed());
        let panicked = Lifecycle::new(LONG);
        panicked.spawn_critical("sweeper", async { panic!("on purpose") });
        run(&panicked).await;
        assert!(panicked.failed());
    }

    #[tokio::test]
    async fn a_task_may_end_by_itself_and_takes_the_process_down_only_where_it_panics() {
        let life = Lifecycle::new(LONG);
        let (sender, ended) = tokio::sync::oneshot::channel();
        life.spawn("warm-up", async move { sender.send(()).unwrap() });
        ended.await.unwrap();
        tokio::task::yield_now().await;
        assert!(life.ready());
        life.spawn("warm-up", async { panic!("on purpose") });
        run(&life).await;
        assert!(life.failed());
    }

    #[tokio::test]
    async fn a_critical_task_that_ends_with_the_process_is_no_failure() {
        let life = Lifecycle::new(Duration::ZERO);
        let token = life.token();
        life.spawn_critical("sweeper", async move { token.cancelled().await });
        life.drain();
        run(&life).await;
        assert!(!life.failed());
    }
}
