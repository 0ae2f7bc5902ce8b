//! Validations while logins come faster than passwords can be hashed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clock::{Clock, Moment, SystemClock};

use crate::figures::float;
use crate::http::{Connection, request};
use crate::pinning::Pinning;
use crate::services::DEMO_LOGIN;
use crate::watching::{Latency, Timed, between, watch};
use crate::world::World;

const BASELINE: Duration = Duration::from_secs(2);
const FLOOD: Duration = Duration::from_secs(4);
const CLIENTS: usize = 64;

/// What was seen.
pub(crate) struct Flood {
    pub(crate) pinning: Pinning,
    /// Logins that succeeded, a second.
    pub(crate) logins: f64,
    /// Logins that were turned away because too many were waiting, a second.
    pub(crate) turned_away: f64,
    pub(crate) began: Moment,
    pub(crate) ended: Moment,
    pub(crate) timed: Vec<Timed>,
    pub(crate) before: Latency,
    pub(crate) during: Latency,
}

/// Floods the service several times and gives back the run with the middle p99: one short stall of
/// the machine would be all that a single run shows.
pub(crate) fn measure(world: &World<'_>, pinning: Pinning, times: usize) -> Result<Flood> {
    let mut floods = (0..times.max(1)).map(|_| once(world, pinning)).collect::<Result<Vec<_>>>()?;
    floods.sort_by(|one, other| one.during.p99.total_cmp(&other.during.p99));
    Ok(floods.swap_remove(floods.len() / 2))
}

/// Watches validations in quiet, in a flood of logins, and in quiet again.
fn once(world: &World<'_>, pinning: Pinning) -> Result<Flood> {
    let clock = SystemClock::new();
    let (succeeded, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let (timed, (began, ended)) = watch(&clock, world.auth.internal, &world.tokens, || {
        thread::sleep(BASELINE);
        let began = clock.now();
        flood(world.auth.public, &succeeded, &refused)?;
        let ended = clock.now();
        thread::sleep(BASELINE);
        Ok((began, ended))
    })?;
    let seconds = ended.saturating_sub(began).as_secs_f64();
    let rate = |count: &AtomicU64| float(count.load(Ordering::Relaxed)) / seconds;
    Ok(Flood {
        pinning,
        logins: rate(&succeeded),
        turned_away: rate(&refused),
        began,
        ended,
        before: between(&timed, Moment::ZERO, began),
        during: between(&timed, began, ended),
        timed,
    })
}

fn flood(public: SocketAddr, succeeded: &AtomicU64, refused: &AtomicU64) -> Result<()> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = || log_in_again_and_again(public, succeeded, refused, &over);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        thread::sleep(FLOOD);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow!("a logging in thread panicked"))??;
        }
        Ok(())
    })
}

fn log_in_again_and_again(
    public: SocketAddr,
    succeeded: &AtomicU64,
    refused: &AtomicU64,
    over: &AtomicBool,
) -> Result<()> {
    let mut connection = Connection::open(public)?;
    let login = request("POST", "/login", &[("content-type", "application/json")], DEMO_LOGIN);
    while !over.load(Ordering::Relaxed) {
        match connection.send(&login)?.status {
            200 => succeeded.fetch_add(1, Ordering::Relaxed),
            503 => refused.fetch_add(1, Ordering::Relaxed),
            status => bail!("a login was answered with {status}"),
        };
    }
    Ok(())
}
