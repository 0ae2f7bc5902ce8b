//! What many do at once while the workload goes on, and a process without file descriptors.

use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::{Connection, LONG_PASSWORD, Request, let_time_pass};

use crate::events::Opening;
use crate::site::{OWNERS, Site, owner_name};
use crate::workload::{ANSWER, Board};

/// How many log in at once, and how many connections say nothing, or half of something.
const LOGINS: usize = 24;
const CONNECTIONS: usize = 300;
/// Fewer than every process has open.
const FEW: &str = "16";

/// Logs in many times at once, half of them with a wrong password. Any answer will do: what the
/// crowd does to others is what is looked at.
pub(crate) fn log_in_at_once(site: &Site, board: &Board, at: usize) {
    let listener = site.addresses[at].public;
    thread::scope(|scope| {
        for number in 0..LOGINS {
            scope.spawn(move || {
                let wrong = if number % 2 == 0 { "" } else { "x" };
                let password = format!("{LONG_PASSWORD}{wrong}");
                let owner = number % OWNERS;
                let body = json!({"username": owner_name(owner), "password": password});
                let start = board.moment();
                let _ = listener.try_send(Request::post("/login").json(&body));
                let end = board.moment() + ANSWER;
                board.opened(Opening { owner, start, end, is_sure: false });
            });
        }
    });
}

/// Holds many connections open for a while: half of them idle, half in the middle of a head.
pub(crate) fn hold_connections(site: &Site, at: usize, lasts: Duration) {
    let listener = site.addresses[at].public;
    let open = (0..CONNECTIONS).filter_map(|_| listener.try_connect().ok());
    let mut open: Vec<Connection> = open.collect();
    for connection in open.iter_mut().step_by(2) {
        connection.write(b"GET /session HTTP/1.1\r\nHost: loc");
    }
    let_time_pass(lasts);
}

/// Lets a node open no more files, and so accept no connection, for a while.
pub(crate) fn take_descriptors(site: &Site, at: usize, lasts: Duration) {
    let id = site.node(at).id().to_string();
    let limit = |files: &str| {
        let limited = Command::new("prlimit").args(["--pid", &id, files]).status();
        assert!(limited.is_ok_and(|status| status.success()), "prlimit {files}");
    };
    let before = Command::new("prlimit")
        .args(["--pid", &id, "--nofile", "--output", "SOFT", "--noheadings", "--raw"])
        .output()
        .expect("prlimit runs");
    let before = String::from_utf8(before.stdout).expect("a number").trim().to_owned();
    limit(&format!("--nofile={FEW}:"));
    hold_connections(site, at, lasts);
    limit(&format!("--nofile={before}:"));
}
