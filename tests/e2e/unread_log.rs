//! A log that nobody reads: standard output is a pipe whose reader stands still. It costs lines,
//! which are counted, and nothing else.

use std::io::{PipeReader, Read};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    AuthService, DEMO, Launch, Listener, Process, Request, TIMEOUT, eventually, now, unused_port,
};

/// More lines than a pipe and a queue hold, each as long as a stranger can make it.
const REFUSED: usize = 6_000;

/// A process whose output is not read, and its listeners; the first is the public one.
struct Unread {
    process: Process,
    reader: PipeReader,
    listeners: Vec<Listener>,
    /// Where its metrics are.
    internal: Listener,
}

impl Unread {
    /// Starts it with a port for each of these variables, the public listener's first, the one
    /// with the metrics last.
    fn start(mut launch: Launch, addresses: &[&str], with_errors: bool) -> Self {
        let listeners: Vec<_> =
            addresses.iter().map(|_| Listener { port: unused_port() }).collect();
        for (name, listener) in addresses.iter().zip(&listeners) {
            launch = launch.var(name, format!("127.0.0.1:{}", listener.port));
        }
        let (reader, writer) = std::io::pipe().unwrap();
        let stderr = if with_errors { writer.try_clone().unwrap().into() } else { Stdio::piped() };
        let process = launch.start_writing_to(writer.into(), stderr);
        for listener in &listeners {
            eventually("it listens", TIMEOUT, || listener.try_connect().ok());
        }
        let internal = *listeners.last().unwrap();
        Self { process, reader, listeners, internal }
    }

    fn dropped(&self, queue: &str) -> u64 {
        let series = format!("log_lines_dropped_total{{queue=\"{queue}\"}} ");
        let text = self.internal.get("/metrics").expect(200).text();
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// Requests that a stranger makes, each of which is a line.
    fn refuse(&self, count: usize) {
        let mut connection = self.listeners[0].connect();
        let request = Request::get("/nowhere").header("x-request-id", "r".repeat(128));
        for _ in 0..count {
            connection.send(&request).expect(404);
        }
    }

    fn every_listener_answers(&self) {
        for listener in &self.listeners {
            listener.get("/livez").expect(200);
        }
    }

    /// Signals it to end, which it does in time although its output is not read.
    fn end(&mut self) {
        self.process.signal("TERM");
        let signalled = now();
        assert_eq!(self.process.wait_for_end(TIMEOUT).code(), Some(0));
        assert!(signalled.elapsed() < Duration::from_secs(6), "{:?}", signalled.elapsed());
    }
}

fn auth(format: &str) -> Unread {
    let launch = Launch::auth().var("LOG_FORMAT", format).var("RUST_LOG", "info");
    Unread::start(launch, &["AUTH_PUBLIC_ADDR", "AUTH_INTERNAL_ADDR"], false)
}

#[test]
fn a_log_that_nobody_reads_stops_no_listener_and_no_end() {
    let auth = AuthService::start();
    for format in ["json", "pretty"] {
        let business = Launch::business(auth.internal.port);
        let pair =
            ["AUTH_PUBLIC_ADDR", "BUSINESS_ADDR", "BUSINESS_INTERNAL_ADDR", "AUTH_INTERNAL_ADDR"];
        for (launch, addresses) in [
            (Launch::auth(), &["AUTH_PUBLIC_ADDR", "AUTH_INTERNAL_ADDR"][..]),
            (business, &["BUSINESS_ADDR", "BUSINESS_INTERNAL_ADDR"]),
            (Launch::pair(), &pair),
        ] {
            let launch = launch.var("LOG_FORMAT", format).var("RUST_LOG", "info");
            let mut unread = Unread::start(launch, addresses, false);
            unread.refuse(REFUSED);
            unread.every_listener_answers();
            assert!(unread.dropped("other") > 0, "{addresses:?}");
            assert_eq!(unread.dropped("audit"), 0);
            unread.end();
        }
    }
}

#[test]
fn standard_error_in_the_same_pipe_changes_nothing() {
    let addresses = ["AUTH_PUBLIC_ADDR", "BUSINESS_ADDR", "AUTH_INTERNAL_ADDR"];
    let launch = Launch::pair().var("RUST_LOG", "info");
    let mut unread = Unread::start(launch, &addresses, true);
    unread.refuse(REFUSED);
    unread.every_listener_answers();
    unread.end();
}

#[test]
fn what_was_not_dropped_comes_out_once_somebody_reads_and_the_rest_is_said_once() {
    let mut unread = auth("json");
    unread.refuse(REFUSED);
    let login = format!(r#"{{"username":"{}","password":"{}"}}"#, DEMO.0, DEMO.1);
    let request = Request::post("/login").body("application/json", login);
    for _ in 0..3 {
        unread.listeners[0].send(request.clone()).expect(200);
    }
    let dropped = unread.dropped("other");
    unread.process.signal("TERM");
    let mut text = String::new();
    unread.reader.read_to_string(&mut text).unwrap();
    assert_eq!(unread.process.wait_for_end(TIMEOUT).code(), Some(0));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |message: &str| {
        let has = |line: &&Value| line["message"].as_str().unwrap_or_default().contains(message);
        lines.iter().filter(has).collect::<Vec<_>>()
    };
    assert_eq!(with("listening on").len(), 2);
    assert_eq!(with("refused").len() as u64, REFUSED as u64 - dropped);
    let reported = with("log lines were dropped");
    assert_eq!(reported.len(), 1, "{reported:?}");
    // "draining" may not have fitted either.
    assert!(
        (dropped..=dropped + 1).contains(&reported[0]["other"].as_u64().unwrap()),
        "{reported:?}"
    );
    assert_eq!(reported[0]["audit"], 0);
    let audit = lines.iter().position(|line| line["target"] == "audit").expect("audit lines");
    let last_refused = lines.iter().rposition(|line| line["message"] == "refused").unwrap();
    assert_eq!(lines.iter().filter(|line| line["target"] == "audit").count(), 3);
    assert!(audit < last_refused, "audit lines leave first while others are lost");
}

#[test]
fn the_last_lines_come_out_where_somebody_reads() {
    for launch in [Launch::auth(), Launch::pair()] {
        let mut process = launch.var("RUST_LOG", "info").start();
        process.listener("public");
        process.signal("TERM");
        assert_eq!(process.wait_for_end(TIMEOUT).code(), Some(0));
        let log = process.log();
        assert_eq!(log.last().unwrap()["message"], "stopped", "{log:?}");
    }
}

#[test]
fn a_start_that_fails_still_says_why_in_one_line() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = format!("127.0.0.1:{}", taken.local_addr().unwrap().port());
    for (launch, address) in [
        (Launch::auth(), "AUTH_PUBLIC_ADDR"),
        (Launch::business(1), "BUSINESS_ADDR"),
        (Launch::pair(), "AUTH_PUBLIC_ADDR"),
    ] {
        let ended = launch.clone().var(address, taken.clone()).run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        let ended = launch.var(address, "nowhere").run();
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
    }
}

#[test]
fn an_output_that_is_full_costs_the_lines_which_are_counted() {
    let (public, internal) = (Listener { port: unused_port() }, Listener { port: unused_port() });
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let launch = Launch::auth()
        .var("AUTH_PUBLIC_ADDR", format!("127.0.0.1:{}", public.port))
        .var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{}", internal.port));
    let mut process = launch.start_writing_to(full.into(), Stdio::piped());
    eventually("it listens", TIMEOUT, || internal.try_connect().ok());
    eventually("lost lines are counted", TIMEOUT, || {
        let text = internal.get("/metrics").expect(200).text();
        let lost =
            |line: &str| line.starts_with("log_lines_dropped_total") && !line.ends_with(" 0");
        text.lines().any(lost).then_some(())
    });
    process.signal("TERM");
    assert_eq!(process.wait_for_end(TIMEOUT).code(), Some(0));
}
