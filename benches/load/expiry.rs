//! Many sessions that end in the same moment, among those that live on.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clock::{Clock, Moment, SystemClock};

use crate::figures::float;
use crate::http::{Connection, request};
use crate::progress;
use crate::watching::{Latency, Timed, between, watch};
use crate::world::World;

const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(4);
/// How long the service may take to notice: a sweep a second, and what that sweep takes.
const SWEEP: Duration = Duration::from_secs(2);

/// What was seen.
pub(crate) struct Expiry {
    /// How many sessions ended at once.
    pub(crate) sessions: usize,
    /// How many the service has swept since.
    pub(crate) swept: u64,
    /// How long its sweeps took in all meanwhile, in milliseconds.
    pub(crate) sweep_ms: f64,
    pub(crate) ended: Moment,
    pub(crate) timed: Vec<Timed>,
    pub(crate) before: Latency,
    pub(crate) during: Latency,
}

impl Expiry {
    /// How long validations were watched.
    pub(crate) fn watched(&self) -> Duration {
        let first = self.timed.first().map_or(Duration::ZERO, |(due, _)| *due);
        self.timed.last().map_or(Duration::ZERO, |(due, _)| due.saturating_sub(first))
    }
}

/// Mints sessions that all end together, and watches validations until they are gone.
pub(crate) fn measure(world: &World<'_>, sessions: usize) -> Result<Expiry> {
    let clock = SystemClock::new();
    let seconds = float(sessions) / world.minted_per_second * 1.3;
    let ended = clock.now() + Duration::from_secs_f64(seconds) + BEFORE + Duration::from_secs(1);
    let bar = progress::bar(sessions as u64, "sessions that end together");
    let ttl = || format!("{}ms", ended.saturating_sub(clock.now()).as_millis().max(1));
    world.users.mint(sessions, sessions, &bar, &ttl)?;
    bar.finish_and_clear();
    ensure!(clock.now() + BEFORE / 2 < ended, "minting took too long to see them end");
    let internal = world.auth.internal;
    let first = Sweeps::read(internal)?;
    let until = ended + AFTER;
    let wait = || {
        thread::sleep(until.saturating_sub(clock.now()));
        Ok(())
    };
    let (timed, ()) = watch(&clock, internal, &world.tokens, wait)?;
    let last = Sweeps::read(internal)?;
    Ok(Expiry {
        sessions,
        swept: last.swept - first.swept,
        sweep_ms: (last.seconds - first.seconds) * 1000.0,
        ended,
        before: between(&timed, Moment::ZERO, ended),
        during: between(&timed, ended, ended + SWEEP),
        timed,
    })
}

/// What the service says of its sweeper.
struct Sweeps {
    swept: u64,
    seconds: f64,
}

impl Sweeps {
    fn read(internal: SocketAddr) -> Result<Self> {
        let answer = Connection::open(internal)?.send(&request("GET", "/metrics", &[], ""))?;
        let text = String::from_utf8(answer.expect(200)?.body)?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.with_context(|| format!("no metric {name}"))
        };
        Ok(Self {
            swept: value("auth_sessions_swept_total ")?.trim().parse()?,
            seconds: value("auth_sweep_duration_seconds_sum ")?.trim().parse()?,
        })
    }
}
