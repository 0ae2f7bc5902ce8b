//! Everything that one run has measured, and the one file that it is written to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::expiry::Expiry;
use crate::filling::IN_USE;
use crate::flask;
use crate::flood::Flood;
use crate::machine;
use crate::options::Options;
use crate::rounds::Sample;
use crate::rows::ROWS;
use crate::services::Paths;
use crate::session_file;
use crate::starts::Start;
use crate::watching::{Latency, RATE, Timed, windows};

/// How long the windows are whose percentiles are drawn.
const WINDOW: Duration = Duration::from_millis(500);

/// What there is to report.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) samples: Vec<Sample>,
    /// Resident bytes of the auth service against its live sessions.
    pub(crate) growth: Vec<(usize, u64)>,
    /// Resident bytes of Redis, empty and full.
    pub(crate) redis: Option<(u64, u64)>,
    pub(crate) durable: Option<session_file::Figures>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) floods: Vec<Flood>,
    pub(crate) starts: Vec<Start>,
    /// Rows that are missing, and why.
    pub(crate) missing: Vec<String>,
    /// Measurements that failed.
    pub(crate) failed: Vec<String>,
}

impl Results {
    /// All of it, for `render.py` and for whoever wants to work out something else. Latencies are
    /// microseconds, other times are seconds unless their names say more.
    pub(crate) fn json(&self, options: &Options, paths: &Paths) -> Value {
        let mut machine = machine::facts(&paths.repository);
        let packages = flask::versions(&paths.scratch);
        if !packages.is_empty() {
            machine.push(("Python packages", packages));
        }
        json!({
            "rows": ROWS,
            "rounds": options.rounds, "seconds": options.seconds, "rate": RATE,
            "live": options.live, "in_use": options.live.min(IN_USE),
            "samples": self.samples.iter().map(sample).collect::<Vec<_>>(),
            "growth": self.growth,
            "redis": self.redis,
            "durable": self.durable.map(durable),
            "expiry": self.expiry.as_ref().map(expiry),
            "floods": self.floods.iter().map(flood).collect::<Vec<_>>(),
            "starts": self.starts.iter().map(start).collect::<Vec<_>>(),
            "machine": machine,
            "missing": self.missing,
            "failed": self.failed,
        })
    }
}

fn sample(sample: &Sample) -> Value {
    json!({
        "pinning": sample.pinning.letter(), "row": sample.row, "round": sample.round,
        "connections": sample.connections, "requests": sample.seen.requests,
        "per_second": sample.seen.per_second, "p50_us": sample.seen.p50,
        "p99_us": sample.seen.p99, "p999_us": sample.seen.p999, "cpu_us": sample.cpu,
        "elsewhere": sample.elsewhere,
    })
}

fn durable(durable: session_file::Figures) -> Value {
    json!({
        "bytes": durable.bytes, "syncs_per_second": durable.syncs_per_second,
        "minted_per_second": durable.minted_per_second,
    })
}

fn expiry(expiry: &Expiry) -> Value {
    json!({
        "sessions": expiry.sessions, "swept": expiry.swept, "sweep_ms": expiry.sweep_ms,
        "watched": expiry.watched().as_secs(), "ended": since_first(&expiry.timed, expiry.ended),
        "before": latency(&expiry.before), "during": latency(&expiry.during),
        "windows": over_time(&expiry.timed),
    })
}

fn flood(flood: &Flood) -> Value {
    json!({
        "pinning": flood.pinning.letter(), "logins": flood.logins,
        "turned_away": flood.turned_away, "began": since_first(&flood.timed, flood.began),
        "ended": since_first(&flood.timed, flood.ended), "before": latency(&flood.before),
        "during": latency(&flood.during), "windows": over_time(&flood.timed),
    })
}

fn start(start: &Start) -> Value {
    json!({
        "name": start.name, "ready_ms": start.ready_ms, "resident": start.resident,
        "binary": start.binary,
    })
}

fn latency(latency: &Latency) -> Value {
    json!({
        "p50": latency.p50, "p99": latency.p99, "p999": latency.p999, "longest": latency.longest,
    })
}

fn over_time(timed: &[Timed]) -> Vec<Value> {
    let window = |(at, seen): &(Duration, Latency)| json!([since_first(timed, *at), latency(seen)]);
    windows(timed, WINDOW).iter().map(window).collect()
}

fn since_first(timed: &[Timed], moment: Duration) -> f64 {
    let first = timed.first().map_or(Duration::ZERO, |(due, _)| *due);
    moment.saturating_sub(first).as_secs_f64()
}
