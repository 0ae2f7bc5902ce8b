//! What has to be installed, and what may be.

use anyhow::{Result, bail};

use crate::options::Options;
use crate::pinning::cores;
use crate::process::installed;
use crate::progress;

/// A command, the Debian package that has it, and the rows that need it.
const WANTED: &[(&str, &str, &[&str])] = &[
    (
        "redis-server",
        "redis-server",
        &["validate-redis", "data-redis", "axum-login-redis", "axum-login-saved-redis"],
    ),
    ("nginx", "nginx", &["nginx", "nginx-auth"]),
];

/// Without these nothing can be measured, or nothing drawn.
const NEEDED: &[(&str, &str)] = &[
    ("wrk", "wrk"),
    ("taskset", "util-linux"),
    ("setpriv", "util-linux"),
    ("getconf", "libc-bin"),
    ("python3", "python3"),
];

/// Says what is missing, and fails where nothing goes without it.
pub(crate) fn missing(options: &Options) -> Result<Vec<String>> {
    for (command, package) in NEEDED {
        if installed(command).is_none() {
            bail!("{command} is not installed: apt-get install {package}");
        }
    }
    if cores() < 2 {
        bail!("servers and generator need a core each");
    }
    let mut missing = Vec::new();
    for (command, package, rows) in WANTED {
        let wanted: Vec<&str> = rows.iter().copied().filter(|row| options.wants(row)).collect();
        if !wanted.is_empty() && installed(command).is_none() {
            let rows = wanted.join(", ");
            progress::say(&format!("left out: {rows} ({command}: apt-get install {package})"));
            missing.push(format!("{rows}, since {command} was not installed"));
        }
    }
    Ok(missing)
}
