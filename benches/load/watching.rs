//! Validations at a steady rate, each one timed: what a client sees while something else happens
//! to the service. A request that could not leave in time, because the one before it had no answer
//! yet, counts from when it should have left.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clock::{Clock, Moment, SystemClock};

use crate::http::{Connection, request};

const CONNECTIONS: u32 = 16;
const PAUSE: Duration = Duration::from_millis(2);

/// Validations a second, as long as the service keeps up.
pub(crate) const RATE: u32 = 8_000;

/// When a validation was due, and how long its answer took, in microseconds.
pub(crate) type Timed = (Moment, f64);

/// Percentiles of some validations, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) longest: f64,
}

/// Watches the service while `meanwhile` runs.
pub(crate) fn watch<T>(
    clock: &SystemClock,
    internal: SocketAddr,
    tokens: &[String],
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<(Vec<Timed>, T)> {
    let over = AtomicBool::new(false);
    // All are ready before the first begins, or getting ready would be timed.
    let watchers: Vec<Watcher> =
        (0..CONNECTIONS).map(|n| Watcher::open(internal, tokens, n)).collect::<Result<_>>()?;
    thread::scope(|scope| {
        let start = |watcher: Watcher| scope.spawn(|| watcher.watch(clock, &over));
        let watching: Vec<_> = watchers.into_iter().map(start).collect();
        let outcome = meanwhile();
        over.store(true, Ordering::Relaxed);
        let mut timed = Vec::new();
        for watcher in watching {
            timed.extend(watcher.join().map_err(|_| anyhow!("a watching thread panicked"))??);
        }
        timed.sort_by_key(|(due, _)| *due);
        Ok((timed, outcome?))
    })
}

/// One connection with the requests that it sends in turn.
struct Watcher {
    connection: Connection,
    requests: Vec<Vec<u8>>,
    delay: Duration,
}

impl Watcher {
    fn open(internal: SocketAddr, tokens: &[String], number: u32) -> Result<Self> {
        let headers = [("content-type", "application/json")];
        let body = |token: &String| format!(r#"{{"token":"{token}"}}"#);
        let ask = |token| request("POST", "/validateToken", &headers, &body(token));
        let mine = tokens.iter().skip(number as usize).step_by(CONNECTIONS as usize);
        let requests = mine.map(ask).collect();
        let connection = Connection::open(internal)?;
        Ok(Self { connection, requests, delay: PAUSE * number / CONNECTIONS })
    }

    fn watch(mut self, clock: &SystemClock, over: &AtomicBool) -> Result<Vec<Timed>> {
        let mut timed = Vec::new();
        let mut due = clock.now() + self.delay;
        for request in self.requests.iter().cycle() {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let now = clock.now();
            let since = if now < due {
                thread::sleep(due.saturating_sub(now));
                clock.now()
            } else {
                due
            };
            let answer = self.connection.send(request)?.expect(200)?;
            let alive = answer.body.starts_with(b"{\"authenticated\":true");
            ensure!(alive, "a live token was refused");
            timed.push((due, clock.now().saturating_sub(since).as_secs_f64() * 1e6));
            due += PAUSE;
        }
        Ok(timed)
    }
}

/// The percentiles of what was due between two moments.
pub(crate) fn between(timed: &[Timed], from: Moment, until: Moment) -> Latency {
    let within = timed.iter().filter(|(due, _)| (from..until).contains(due));
    let mut values: Vec<f64> = within.map(|(_, latency)| *latency).collect();
    values.sort_by(f64::total_cmp);
    let at = |per_mille: usize| {
        let index = (values.len() * per_mille / 1000).min(values.len().saturating_sub(1));
        values.get(index).copied().unwrap_or_default()
    };
    Latency { p50: at(500), p99: at(990), p999: at(999), longest: at(1000) }
}

/// The percentiles of one window after the other, by the window's middle.
pub(crate) fn windows(timed: &[Timed], width: Duration) -> Vec<(Moment, Latency)> {
    let (Some((first, _)), Some((last, _))) = (timed.first(), timed.last()) else {
        return Vec::new();
    };
    let mut windows = Vec::new();
    let mut from = *first;
    // The last one is not whole.
    while from + width <= *last {
        windows.push((from + width / 2, between(timed, from, from + width)));
        from += width;
    }
    windows
}
