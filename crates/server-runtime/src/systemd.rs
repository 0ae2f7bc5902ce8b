//! What systemd hears of the process: that it is ready, that it lives, and that it ends. Elsewhere
//! nobody listens, and nothing is sent.

use std::net::SocketAddr;
use std::time::Duration;

use http_server::Lifecycle;
use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};

use crate::healthcheck;

/// How often a process that is not ready yet looks whether it is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How long a start waits to be ready: after that it counts as started all the same, since it serves,
/// and what it waits for may be another service that is away.
const UNTIL_STARTED: Duration = Duration::from_secs(10);

/// Notifies systemd until the process ends, where it was started by one that asks for it. What is said
/// of the process is what its listener at `addr` answers.
pub(crate) async fn notify(addr: SocketAddr, lifecycle: Lifecycle) {
    // Without it, nobody is asked whether the process is ready either: that is work for others too.
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let ending = lifecycle.drain_requested();
    tokio::select! {
        () = ending => {}
        () = report(addr) => {}
    }
    lifecycle.drain_requested().await;
    send(&[NotifyState::Stopping]);
}

async fn report(addr: SocketAddr) {
    let is_ready = timeout(UNTIL_STARTED, until_ready(addr)).await.is_ok();
    let status = if is_ready { "ready" } else { "serving; not ready, see /readyz" };
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let Some(limit) = limit else { return };
    let half = limit / 2;
    let mut beats = interval_at(Instant::now() + half, half);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        // A request goes the way of everybody's: where nothing accepts or serves any more, systemd
        // hears nothing.
        if healthcheck::get(addr, "/livez", half / 2).await.is_ok() {
            send(&[NotifyState::Watchdog]);
        }
    }
}

async fn until_ready(addr: SocketAddr) {
    let mut looks = interval(BETWEEN_LOOKS);
    loop {
        looks.tick().await;
        if healthcheck::get(addr, "/readyz", UNTIL_STARTED).await.is_ok() {
            return;
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
