//! Upgrades: what the version before has stored is opened by this one, and nodes of both serve one
//! Redis and one database of users side by side, for as long as one after the other is replaced.
//!
//! `PREVIOUS_BIN` names the directory with the binaries of the last release. Without it this version
//! stands in for it, which tells of nothing but the tests themselves; the files in `tests/stored`
//! are those of versions past in any case.

mod beside;
mod stored;

use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::{AuthService, LONG_PASSWORD, Launch, Request};

/// A launch of the last release.
pub(crate) fn previous(launch: Launch) -> Launch {
    if let Some(directory) = std::env::var_os("PREVIOUS_BIN") {
        return launch.binaries_in(PathBuf::from(directory));
    }
    eprintln!("PREVIOUS_BIN is not set: this version stands in for the last release");
    launch
}

/// Where one service after the other finds the same users and sessions.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::with_prefix("reinflate-e2e-").unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A service with its users here, and its sessions there.
    fn launch(&self, sessions: String) -> Launch {
        Launch::auth()
            .var("AUTH_DEMO", "false")
            .var("AUTH_COOKIE_SECURE", "false")
            .var("AUTH_DATABASE_URL", format!("sqlite:{}", self.path("users.db").display()))
            .var("AUTH_SESSION_STORE", sessions)
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_FRESH_FOR", "1h")
            .var("AUTH_FIXED_TOKEN_MAX_TTL", "36500d")
            .var("AUTH_LOGINS_PER_ADDRESS", "0")
            .var("RUST_LOG", "info")
    }

    fn in_a_file(&self) -> Launch {
        self.launch(format!("sqlite:{}", self.path("sessions.db").display()))
    }
}

/// Adds a user with the usual password.
#[track_caller]
fn add_user(launch: &Launch, name: &str) {
    let add = launch.clone().arg("users").arg("add").arg(name);
    let added = add.run_with_input(&format!("{LONG_PASSWORD}\n"));
    assert_eq!(added.code, Some(0), "{added:?}");
}

fn put_value(auth: &AuthService, token: &str, value: &serde_json::Value) {
    let put = Request::put("/session/data/cart").bearer(token).json(value);
    auth.internal.send(put).expect(204);
}

fn value(auth: &AuthService, token: &str) -> serde_json::Value {
    auth.internal.send(Request::get("/session/data/cart").bearer(token)).expect(200).json()
}
