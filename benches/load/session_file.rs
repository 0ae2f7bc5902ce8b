//! One session file for the whole run, filled once: its sessions outlive the services that made
//! them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use clock::{Clock as _, SystemClock};

use crate::figures::float;
use crate::filling::Users;
use crate::pinning::Pinning;
use crate::progress;
use crate::services::{Starter, forget_database};
use crate::world::stride;

/// How many tokens are minted to see how quickly that goes, and on how many connections.
const MINTED: usize = 50_000;
const CONNECTIONS: usize = 64;
/// How often the disk is asked to write something down.
const SYNCS: usize = 500;

/// A session file with live sessions in it.
pub(crate) struct SessionFile {
    /// As a setting names it.
    pub(crate) store: String,
    pub(crate) tokens: Vec<String>,
    pub(crate) figures: Figures,
}

/// What filling it showed.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Its size in the end.
    pub(crate) bytes: u64,
    /// What the disk does by itself.
    pub(crate) syncs_per_second: f64,
    /// Tokens that were minted at 64 connections, each on the disk before it was answered.
    pub(crate) minted_per_second: f64,
}

impl SessionFile {
    /// Fills a new file through an auth service that ends afterwards.
    pub(crate) fn fill(starter: Starter<'_>) -> Result<Self> {
        let starter = Starter { pinning: Pinning::Unpinned, ..starter };
        let path = starter.paths.scratch.join("sessions.db");
        let store = format!("sqlite:{}", path.display());
        let syncs_per_second = syncs(&starter.paths.scratch.join("syncs"))?;
        starter.paths.forget_users(&store);
        forget_database(&path);
        let live = starter.options.live;
        let auth = starter.auth("filling-durable", &store)?;
        let bar = progress::bar(0, "users");
        let mut users = Users::create(auth.public, &bar)?;
        bar.finish_and_clear();
        users.connections = CONNECTIONS;
        let ttl = || "6h".to_owned();
        let bar = progress::bar(live as u64, "live sessions in a file");
        let (first, clock) = (live.min(MINTED), SystemClock::new());
        let mut tokens = users.mint(first, stride(live), &bar, &ttl)?;
        let minted_per_second = float(first) / clock.now().as_secs_f64();
        tokens.extend(users.mint(live - first, stride(live), &bar, &ttl)?);
        bar.finish();
        // It ends, and with it the log beside the file.
        drop(auth);
        let bytes = fs::metadata(&path)?.len();
        let figures = Figures { bytes, syncs_per_second, minted_per_second };
        progress::say(&format!(
            "{live} sessions in a file of {} MB; {minted_per_second:.0} tokens minted a second at \
             {CONNECTIONS} connections, on a disk that syncs {syncs_per_second:.0} times a second",
            bytes / 1_000_000
        ));
        Ok(Self { store, tokens, figures })
    }
}

/// How often a second something small is on the disk.
fn syncs(path: &Path) -> Result<f64> {
    let mut file = File::create(path)?;
    let clock = SystemClock::new();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
    }
    let took = clock.now();
    fs::remove_file(path)?;
    Ok(float(SYNCS) / took.as_secs_f64())
}
