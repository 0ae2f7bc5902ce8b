//! Threads as a process has them: a runtime each, one client for all.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::task::{JoinHandle as Task, yield_now};
use tokio::time::timeout;

use testkit::fake_auth::{Exchange, Service};

/// Long enough for nothing here to be overdue.
const LONG_BUDGET: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

/// One test at a time gives its threads their numbers and so their shards.
static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// A client of this service with so many shards, each with so many batches in flight.
pub(crate) fn client(url: &str, shards: usize, batches_in_flight: usize) -> AuthClient {
    let options = AuthClientOptions {
        timeout: LONG_BUDGET,
        max_in_flight: 4096,
        batches_in_flight,
        shards,
        ..AuthClientOptions::new(vec![url.parse().unwrap()])
    };
    AuthClient::new(options, Arc::new(clock::SystemClock::new())).unwrap()
}

/// A thread with a runtime of its own, which runs what it is given until it is stopped.
pub(crate) struct RuntimeThread {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RuntimeThread {
    pub(crate) fn start() -> Self {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let _ = runtime.block_on(ended);
        });
        Self { handle, end: Some(end), thread: Some(thread) }
    }

    /// So many of them, none of which has a shard yet.
    pub(crate) fn start_several(count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::start()).collect()
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.handle.spawn(work)
    }

    pub(crate) fn validate(&self, client: &AuthClient, token: &str) -> Task<Outcome> {
        let (client, token) = (client.clone(), token.to_owned());
        self.spawn(async move { client.validate(Question::new(&token)).await })
    }

    /// Validates one token after the other, each queued before the next is sent.
    pub(crate) async fn validate_in_order(
        &self,
        client: &AuthClient,
        tokens: &[String],
    ) -> Vec<Task<Outcome>> {
        let (mut pending, before) = (Vec::new(), waiting(client));
        for token in tokens {
            pending.push(self.validate(client, token));
            until_waiting(client, before + pending.len()).await;
        }
        pending
    }

    /// How many tasks it still has.
    pub(crate) fn tasks(&self) -> usize {
        self.handle.metrics().num_alive_tasks()
    }

    /// Ends with its runtime and all that runs on it.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed.
            let _ = thread.join();
        }
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        self.end();
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each thread validates one token and takes a shard by that, one after the other. Their requests
/// stay in flight.
pub(crate) async fn first_exchanges(
    threads: &[RuntimeThread],
    client: &AuthClient,
    service: &mut Service,
) -> Vec<(Task<Outcome>, Exchange)> {
    let mut first = Vec::new();
    for (nth, thread) in threads.iter().enumerate() {
        let token = format!("first-{nth}");
        let pending = thread.validate(client, &token);
        let exchange = service.next_exchange().await;
        assert_eq!(exchange.tokens(), [token]);
        first.push((pending, exchange));
    }
    first
}

pub(crate) fn waiting(client: &AuthClient) -> usize {
    client.stats().upstreams.iter().map(|upstream| upstream.in_flight).sum()
}

pub(crate) async fn until_waiting(client: &AuthClient, questions: usize) {
    until(|| waiting(client) == questions, "a question is lost").await;
}

pub(crate) async fn until(reached: impl Fn() -> bool, otherwise: &str) {
    let there = async {
        while !reached() {
            yield_now().await;
        }
    };
    timeout(LONG_BUDGET, there).await.expect(otherwise);
}

pub(crate) async fn user(pending: Task<Outcome>) -> String {
    match timeout(LONG_BUDGET, pending).await.expect("an answer in time").unwrap() {
        Ok(Answer::Alive(session)) => session.user.username.into_owned(),
        other => panic!("not alive: {other:?}"),
    }
}

pub(crate) fn tokens(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("{prefix}-{nth}")).collect()
}
