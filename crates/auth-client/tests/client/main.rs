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
mod resilience;
mod values;

use std::sync::Arc;
use std::time::Duration;

use auth_client::{AuthClient, AuthClientOptions};
use testkit::fake_auth::Upstream;

/// Small enough for a test to wait for, large enough for a busy machine.
const BUDGET: Duration = Duration::from_millis(400);

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
