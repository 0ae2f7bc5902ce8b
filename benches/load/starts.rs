//! How long each program takes to be ready, what it weighs when nothing happens, and on disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clock::{Clock, SystemClock};

use crate::figures::{float, median};
use crate::pinning::Pinning;
use crate::process::{Server, resident};
use crate::services::{Paths, Starter, forget_settings, ready};

const TIMES: usize = 5;
/// What a start left behind is done by then.
const SETTLED: Duration = Duration::from_secs(1);

/// One program's figures.
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) ready_ms: f64,
    pub(crate) resident: f64,
    pub(crate) binary: u64,
}

/// Starts each program several times with the settings it has by itself, but for its ports and its
/// database, which is in memory.
pub(crate) fn measure(starter: Starter<'_>) -> Result<Vec<Start>> {
    let starter = Starter { pinning: Pinning::Unpinned, ..starter };
    let auth = starter.auth("auth-for-starts", "memory")?;
    let auth_address = format!("http://{}", auth.internal);
    let Paths { auth, business, pair, .. } = starter.paths;
    let scratch = &starter.paths.scratch;
    let programs = [
        ("auth-service", auth, "(public)"),
        ("business-service", business, "(business)"),
        ("reinflate", pair, "(business)"),
    ];
    // Another directory of binaries need not have all.
    let programs = programs.into_iter().filter(|(_, binary, _)| binary.exists());
    let measured = programs
        .map(|(name, binary, listener)| program(name, binary, listener, &auth_address, scratch));
    measured.collect()
}

fn program(
    name: &'static str,
    binary: &Path,
    listener: &str,
    auth_address: &str,
    scratch: &Path,
) -> Result<Start> {
    let clock = SystemClock::new();
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let mut command = Command::new(binary);
        forget_settings(&mut command);
        command.env("LOG_FORMAT", "json").env("AUTH_DATABASE_URL", "sqlite::memory:");
        for address in
            ["AUTH_PUBLIC_ADDR", "AUTH_INTERNAL_ADDR", "BUSINESS_ADDR", "BUSINESS_INTERNAL_ADDR"]
        {
            command.env(address, "127.0.0.1:0");
        }
        if name == "business-service" {
            command.env("BUSINESS_AUTH_URL", auth_address);
        }
        let began = clock.now();
        let mut server = Server::start(command, scratch.join(format!("{name}-start.log")))?;
        let address = server.address(listener)?;
        server.wait(|| ready(address))?;
        times.push(clock.now().saturating_sub(began).as_secs_f64() * 1000.0);
        thread::sleep(SETTLED);
        memory.push(float(resident(server.pid())?));
    }
    Ok(Start {
        name,
        ready_ms: median(times).unwrap_or_default(),
        resident: median(memory).unwrap_or_default(),
        binary: fs::metadata(binary)?.len(),
    })
}
