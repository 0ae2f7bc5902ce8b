//! What is measured beside what: each row is a server that is asked in one way, and the processes
//! whose time its answers take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::filling::write_tokens;
use crate::http::{Connection, request};
use crate::pinning::Pinning;
use crate::wrk::{Shape, write_script};

/// The names of all rows, in the order in which they are shown, with what they stand for.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("hello", "axum “hello”"),
    ("echo", "axum JSON echo"),
    ("livez", "business-service, `/livez` (asks nobody)"),
    ("validate", "auth-service, `/validateToken`"),
    ("data", "both services, `/data`"),
    ("data-unbatched", "both services, `/data`, one call a request"),
    ("pair", "`reinflate`, `/data`"),
    ("validate-durable", "auth-service, `/validateToken`, session file"),
    ("validate-redis", "auth-service, `/validateToken`, Redis"),
    ("data-redis", "both services, `/data`, Redis"),
    ("validate-before", "the build of before: auth-service, `/validateToken`"),
    ("data-before", "the build of before: both services, `/data`"),
    ("pair-before", "the build of before: `reinflate`, `/data`"),
    ("validate-redis-before", "the build of before: auth-service, `/validateToken`, Redis"),
    ("data-redis-before", "the build of before: both services, `/data`, Redis"),
    ("validate-profiled", "optimised by a profile: auth-service, `/validateToken`"),
    ("data-profiled", "optimised by a profile: both services, `/data`"),
    ("pair-profiled", "optimised by a profile: `reinflate`, `/data`"),
    ("validate-redis-profiled", "optimised by a profile: auth-service, `/validateToken`, Redis"),
    ("data-redis-profiled", "optimised by a profile: both services, `/data`, Redis"),
    ("axum-login", "axum-login with tower-sessions, memory"),
    ("axum-login-saved", "the same, each use saved"),
    ("axum-login-redis", "axum-login with tower-sessions, Redis"),
    ("axum-login-saved-redis", "the same, each use saved"),
    ("nginx", "nginx, a small file"),
    ("nginx-auth", "nginx, the same file behind `auth_request`"),
    ("flask", "two Flask services, gunicorn"),
];

/// Rows whose course against connections is shown.
const EVERYWHERE: &[&str] = &[
    "hello",
    "validate",
    "data",
    "data-unbatched",
    "validate-redis",
    "data-redis",
    "validate-before",
    "data-before",
];

/// Rows that the services are most often held against.
const AT_BOTH: &[&str] = &[
    "validate-durable",
    "validate-profiled",
    "data-profiled",
    "axum-login",
    "axum-login-redis",
    "nginx-auth",
];

/// A row that can be measured.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) pids: Vec<u32>,
    pub(crate) script: PathBuf,
    probe: Vec<Vec<u8>>,
}

impl Row {
    /// A row, with the script that asks for it.
    pub(crate) fn new(
        name: &'static str,
        address: SocketAddr,
        pids: Vec<u32>,
        shape: Shape,
        tokens: &[String],
        scratch: &Path,
    ) -> Result<Self> {
        let file = scratch.join(format!("{name}.tokens"));
        let script = scratch.join(format!("{name}.lua"));
        write_tokens(&file, tokens)?;
        write_script(&script, shape, &file)?;
        let every = tokens.len().div_ceil(10).max(1);
        let probe = tokens.iter().step_by(every).map(|token| one(shape, token)).collect();
        Ok(Self { name, address, pids, script, probe })
    }

    /// Asks for some of the tokens by hand: each must succeed, and none must be refused in a body
    /// that comes with a 200. The generator does not look that closely.
    pub(crate) fn check(&self) -> Result<()> {
        for request in &self.probe {
            let answer = Connection::open(self.address)?.send(request)?;
            let answer = answer.expect(200).with_context(|| self.name.to_owned())?;
            let body = String::from_utf8_lossy(&answer.body);
            anyhow::ensure!(!body.contains("\"authenticated\":false"), "{}: {body}", self.name);
        }
        Ok(())
    }

    /// Whether the row is measured with so many connections, where several are asked for. Every
    /// row at every number would take three quarters of an hour.
    pub(crate) fn is_measured_at(&self, connections: u16, pinning: Pinning) -> bool {
        match self.name {
            name if EVERYWHERE.contains(&name) => pinning == Pinning::Pinned || connections != 16,
            name if AT_BOTH.contains(&name) => [64, 256].contains(&connections),
            _ => connections == 64,
        }
    }
}

fn one(shape: Shape, token: &str) -> Vec<u8> {
    match shape {
        Shape::Get { path, header } => request("GET", path, &[(header, token)], ""),
        Shape::Post { path } => {
            let body = format!(r#"{{"token":"{token}"}}"#);
            request("POST", path, &[("content-type", "application/json")], &body)
        }
    }
}
