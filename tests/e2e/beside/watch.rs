//! Validations at a steady rate, each of them timed from when it was due: one that waits for a slow
//! one before it is slow as well.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{KEY, Service};
use crate::harness::{Request, let_time_pass, now};

const CONNECTIONS: u32 = 4;
/// How many there are a second.
const RATE: u32 = 1_000;

/// When each was due, and how long it took.
#[derive(Default)]
pub(super) struct Validations(Vec<(Instant, Duration)>);

impl Validations {
    /// Those that were due between these moments.
    pub(super) fn between(&self, from: Instant, until: Instant) -> Self {
        Self(self.0.iter().filter(|(due, _)| (from..until).contains(due)).copied().collect())
    }
}

impl fmt::Display for Validations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times: Vec<Duration> = self.0.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let at = |of_a_thousand: usize| {
            times.get(times.len().saturating_sub(1) * of_a_thousand / 1000).copied()
        };
        let [p50, p99, p999, longest] =
            [500, 990, 999, 1000].map(|share| at(share).unwrap_or_default());
        let count = times.len();
        write!(
            f,
            "{count} validations: p50 {p50:.2?}, p99 {p99:.2?}, p99.9 {p999:.2?}, longest {longest:.2?}"
        )
    }
}

/// Validates these tokens, which live, in turn while something else is done.
pub(super) fn watch<T>(
    service: &Service,
    tokens: &[String],
    work: impl FnOnce() -> T,
) -> (Validations, T) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let share = tokens.len().div_ceil(CONNECTIONS as usize);
        let watching: Vec<_> = tokens
            .chunks(share)
            .map(|part| scope.spawn(|| validate(service, part, &over)))
            .collect();
        let done = work();
        over.store(true, Ordering::Relaxed);
        let all = watching.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (Validations(all), done)
    })
}

fn validate(service: &Service, tokens: &[String], over: &AtomicBool) -> Vec<(Instant, Duration)> {
    let request =
        |token| Request::post("/validateToken").bearer(KEY).json(&json!({"token": token}));
    let requests: Vec<Request> = tokens.iter().map(request).collect();
    let mut connection = service.internal.connect();
    let (mut due, mut times) = (now(), Vec::new());
    for request in requests.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = connection.send(request).expect(200);
        assert!(answer.body.starts_with(b"{\"authenticated\":true"), "{answer:?}");
        times.push((due, due.elapsed()));
        due += Duration::from_secs(1) * CONNECTIONS / RATE;
        let_time_pass(due.saturating_duration_since(now()));
    }
    times
}
