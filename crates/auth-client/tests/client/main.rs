//! The client against fake auth services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

mod answers;
mod batch_requests;
mod batches;
mod concurrency;
mod draining;
mod events;
mod in_process;
mod keys;
#[cfg(feature = "axum")]
mod layer_and_extractor;
mod packed;
mod resilience;
mod values;

use std::sync::Arc;
use std::time::Duration;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use testkit::fake_auth::Upstream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a validation comes to.
type Outcome = Result<Answer, AuthUnavailable>;

/// Small enough for a test to wait for, large enough for a busy machine.
const BUDGET: Duration = Duration::from_millis(400);
/// How long something takes at most that waits for nothing, and how much later than due it may end.
const AT_ONCE: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_millis(100);

fn options(upstreams: &[&Upstream]) -> AuthClientOptions {
    let urls = upstreams.iter().map(|upstream| upstream.url.parse().unwrap()).collect();
    AuthClientOptions { timeout: BUDGET, ..AuthClientOptions::new(urls) }
}

fn client_with(options: AuthClientOptions) -> AuthClient {
    AuthClient::new(options, Arc::new(clock::SystemClock::new())).unwrap()
}

fn client(upstreams: &[&Upstream]) -> AuthClient {
    client_with(options(upstreams))
}

/// Without batching: one request for each question.
fn one_by_one(upstreams: &[&Upstream]) -> AuthClient {
    client_with(AuthClientOptions { batching: false, ..options(upstreams) })
}

/// Validates so many tokens at once and gives the outcomes with the time each took.
async fn crowd(
    client: &AuthClient,
    size: usize,
    token: impl Fn(usize) -> String,
) -> Vec<(Outcome, Duration)> {
    let mut crowd = JoinSet::new();
    for nth in 0..size {
        let (client, token) = (client.clone(), token(nth));
        crowd.spawn(async move {
            let started = Instant::now();
            (client.validate(Question::new(&token)).await, started.elapsed())
        });
    }
    crowd.join_all().await
}
