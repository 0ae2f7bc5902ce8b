//! Which request a line of the log names where one thread works for several, and where a handler
//! panics: from a process of its own for each format, since a process has one log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use server_runtime::{
    Lifecycle, Listener, Metrics, RequestLayer, Settings, settings, shutdown, telemetry,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What is written, in this order, and for whom.
const WRITTEN: [(&str, Option<&str>); 7] = [
    ("listening on", None),
    ("it begins", Some("r-waits")),
    ("it runs", Some("r-runs")),
    ("panicked: on purpose", Some("r-panics")),
    ("it begins", Some("r-leaves")),
    ("it goes on", Some("r-waits")),
    ("draining", None),
];

/// The output of a process that logs in this format, without the lines of the test harness.
fn written(format: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_logs", "--ignored", "--nocapture"])
        .envs([("LOG_FORMAT", format), ("RUST_LOG", "debug"), ("RUST_TEST_THREADS", "2")])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let levels = ["DEBUG", "INFO", "ERROR"];
    let is_log = |line: &&str| levels.iter().any(|level| line.contains(level));
    text.lines().filter(is_log).map(str::to_owned).collect()
}

/// The lines with any of these messages, with the request that each names.
fn named<'a>(
    lines: &'a [String],
    request: impl Fn(&'a str) -> Option<String>,
) -> Vec<(&'static str, Option<String>)> {
    let message = |line: &str| WRITTEN.iter().find(|(message, _)| line.contains(message));
    lines.iter().filter_map(|line| Some((message(line)?.0, request(line)))).collect()
}

fn expected() -> Vec<(&'static str, Option<String>)> {
    WRITTEN.iter().map(|(message, id)| (*message, id.map(str::to_owned))).collect()
}

#[test]
fn as_json_a_line_names_the_request_that_it_was_written_for() {
    let lines = written("json");
    let request = |line: &str| {
        assert!(line.matches("request_id").count() <= 1, "{line}");
        let line: Value = serde_json::from_str(line).expect("an object");
        line.get("request_id").map(|id| id.as_str().unwrap().to_owned())
    };
    assert_eq!(named(&lines, request), expected());
    for (message, id) in [
        ("failed", "r-panics"),
        ("the client went before the answer", "r-leaves"),
        ("\"route\":\"/runs\"", "r-runs"),
        ("\"route\":\"/waits\"", "r-waits"),
    ] {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(message)).collect();
        assert!(found.len() == 1 && request(found[0]).as_deref() == Some(id), "{found:?}");
    }
}

#[test]
fn for_people_a_line_names_the_request_that_it_was_written_for() {
    let lines = written("pretty");
    let request =
        |line: &str| line.split(' ').next().filter(|id| id.starts_with("r-")).map(str::to_owned);
    assert_eq!(named(&lines, request), expected());
}

#[derive(Clone)]
struct Gate {
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    async fn is_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }
}

fn router(gate: Gate) -> Router {
    let waits = async move || {
        tracing::info!("it begins");
        gate.reached.add_permits(1);
        gate.open.acquire().await.unwrap().forget();
        tracing::info!("it goes on");
    };
    let panics = async || -> () {
        tokio::task::yield_now().await;
        panic!("on purpose")
    };
    Router::new()
        .route("/waits", get(waits))
        .route("/runs", get(async || tracing::info!("it runs")))
        .route("/panics", get(panics))
        .layer(RequestLayer::new(&Metrics::new("0"), Arc::new(clock::ManualClock::new())))
}

fn read_settings() -> Settings {
    let command = clap::Command::new("test").args(Settings::args(settings::COMMON));
    let matches = command.get_matches_from(["test"]);
    Settings::read(settings::COMMON, &matches, &|name| std::env::var_os(name)).unwrap()
}

async fn asks(listener: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(listener).await.unwrap();
    let head = format!(
        "GET /{path} HTTP/1.1\r\nhost: x\r\nx-request-id: r-{path}\r\nconnection: close\r\n\r\n"
    );
    tcp.write_all(head.replace("GET /leaves", "GET /waits").as_bytes()).await.unwrap();
    tcp
}

async fn is_answered(mut tcp: TcpStream) {
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[tokio::test]
#[ignore = "run by the tests above, in a process of its own"]
async fn the_process_that_logs() {
    let _telemetry = telemetry::init(&read_settings(), ("lines", "0")).unwrap();
    let gate = Gate { reached: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) };
    let life = Lifecycle::new(Duration::ZERO).with_workers(1).unwrap();
    let listener = Listener::bind("test", ([127, 0, 0, 1], 0).into()).await.unwrap();
    let addr = listener.local_addr();
    listener.serve(router(gate.clone()), &life);

    let waits = asks(addr, "waits").await;
    gate.is_reached().await;
    is_answered(asks(addr, "runs").await).await;
    is_answered(asks(addr, "panics").await).await;
    let leaves = asks(addr, "leaves").await;
    gate.is_reached().await;
    gate.open.add_permits(1);
    is_answered(waits).await;
    drop(leaves);
    life.drain();
    shutdown::run(&life, shutdown::Signals::catch().unwrap()).await;
}
