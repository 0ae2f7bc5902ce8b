//! What else the machine was doing: the processor time that neither the servers of a row nor the
//! generator account for. It says whether a figure can be trusted.

use std::fs;

use anyhow::{Context, Result};

use crate::figures::float;
use crate::process::{children_ticks, cpu_ticks};
use crate::progress;

/// Past this part of the machine a figure is in doubt. Less is the kernel's own.
pub(crate) const DISTURBED: f64 = 0.03;

/// Measures something, and says so if it was disturbed.
pub(crate) fn watched<T>(
    what: &str,
    servers: &[u32],
    measure: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let before = Accounts::read(servers)?;
    let outcome = measure()?;
    let elsewhere = Accounts::read(servers)?.elsewhere_since(&before);
    if elsewhere > DISTURBED {
        let part = elsewhere * 100.0;
        progress::say(&format!("DISTURBED: {what}: {part:.0} % of the machine went elsewhere"));
    }
    Ok(outcome)
}

/// A moment of the machine's accounts, in clock ticks.
pub(crate) struct Accounts {
    /// What all processes have used.
    used: u64,
    /// What the hypervisor gave to others while we wanted it.
    stolen: u64,
    /// What there was to use.
    all: u64,
    /// What these servers, we, and the programs that we waited for have used.
    ours: u64,
}

impl Accounts {
    /// Reads the accounts of the machine and of these servers.
    pub(crate) fn read(servers: &[u32]) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("no /proc/stat")?;
        let fields: Vec<u64> =
            line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let me = std::process::id();
        Ok(Self {
            used: fields.iter().take(3).sum(),
            stolen: fields.get(7).copied().unwrap_or_default(),
            // What guests use is in the other fields already.
            all: fields.iter().take(8).sum(),
            ours: cpu_ticks(servers) + cpu_ticks(&[me]) + children_ticks(me),
        })
    }

    /// The part of the machine that went elsewhere since an earlier moment.
    pub(crate) fn elsewhere_since(&self, earlier: &Self) -> f64 {
        let used = (self.used - earlier.used).saturating_sub(self.ours - earlier.ours);
        let elsewhere = used + self.stolen.saturating_sub(earlier.stolen);
        float(elsewhere) / float(self.all.saturating_sub(earlier.all)).max(1.0)
    }
}
