//! Threads as a process has them: a runtime each, one client for all.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::task::{JoinHandle as Task, yield_now};
use tokio::time::timeout;

use testkit::fake_auth::{Call, Service};

/// Long enough for nothing here to be overdue.
const PATIENT: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

/// One test at a time gives its threads their numbers and so their shards.
static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// A client of this service with so many shards, of so many calls each.
pub(crate) fn client(url: &str, shards: usize, batches_in_flight: usize) -> AuthClient {
    let options = AuthClientOptions {
        timeout: PATIENT,
        max_in_flight: 4096,
        batches_in_flight,
        shards,
        ..AuthClientOptions::new(vec![url.parse().unwrap()])
    };
    AuthClient::new(options, Arc::new(clock::SystemClock::new())).unwrap()
}

/// A thread that runs what it is given until it is told to end.
pub(crate) struct Hand {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    pub(crate) fn hired() -> Self {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let (end, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let _ = runtime.block_on(told);
        });
        Self { handle, end: Some(end), thread: Some(thread) }
    }

    /// So many of them, not one of which has asked yet.
    pub(crate) fn several(count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::hired()).collect()
    }

    pub(crate) fn runs<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.handle.spawn(work)
    }

    pub(crate) fn asks(&self, client: &AuthClient, token: &str) -> Task<Outcome> {
        let (client, token) = (client.clone(), token.to_owned());
        self.runs(async move { client.validate(Question::new(&token)).await })
    }

    /// Asks one after the other, each in its place before the next.
    pub(crate) async fn asks_each(
        &self,
        client: &AuthClient,
        tokens: &[String],
    ) -> Vec<Task<Outcome>> {
        let (mut asked, before) = (Vec::new(), waiting(client));
        for token in tokens {
            asked.push(self.asks(client, token));
            until_waiting(client, before + asked.len()).await;
        }
        asked
    }

    /// How many tasks it still has.
    pub(crate) fn tasks(&self) -> usize {
        self.handle.metrics().num_alive_tasks()
    }

    /// Ends with its runtime and all that runs on it.
    pub(crate) fn leaves(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // What it panicked of has been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.end();
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each of the crew asks once and takes a shard by that, one after the other. Their calls are left
/// under way.
pub(crate) async fn first_calls(
    crew: &[Hand],
    client: &AuthClient,
    service: &mut Service,
) -> Vec<(Task<Outcome>, Call)> {
    let mut first = Vec::new();
    for (nth, hand) in crew.iter().enumerate() {
        let token = format!("first-{nth}");
        let asked = hand.asks(client, &token);
        let call = service.call().await;
        assert_eq!(call.tokens(), [token]);
        first.push((asked, call));
    }
    first
}

pub(crate) fn waiting(client: &AuthClient) -> usize {
    client.stats().upstreams.iter().map(|upstream| upstream.in_flight).sum()
}

pub(crate) async fn until_waiting(client: &AuthClient, questions: usize) {
    until(|| waiting(client) == questions, "a question gets lost").await;
}

pub(crate) async fn until(reached: impl Fn() -> bool, otherwise: &str) {
    let there = async {
        while !reached() {
            yield_now().await;
        }
    };
    timeout(PATIENT, there).await.expect(otherwise);
}

pub(crate) async fn user(asked: Task<Outcome>) -> String {
    match timeout(PATIENT, asked).await.expect("an answer in time").unwrap() {
        Ok(Answer::Alive(session)) => session.user.username.into_owned(),
        other => panic!("not alive: {other:?}"),
    }
}

pub(crate) fn tokens(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("{prefix}-{nth}")).collect()
}
