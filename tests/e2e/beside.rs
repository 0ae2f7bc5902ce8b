//! Figures: how long validations take beside what else a service does, and what that comes to itself.
//!
//! Each is for a release build, which `RELEASE_BIN` names, on a machine that does nothing else:
//!
//! ```text
//! cargo build --release --bin auth-service
//! RELEASE_BIN=$PWD/target/release cargo test --test e2e -- --ignored --nocapture --test-threads=1 beside::
//! ```

mod ends;
mod readers;
mod stream;
mod watch;

use std::fs;
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{
    Connection, Launch, Listener, Process, Request, TIMEOUT, eventually, unused_port,
};

const KEY: &str = "an-internal-key-of-a-test";
/// On how many connections sessions are opened, and how many requests are sent on each before an
/// answer is read.
const CONNECTIONS: usize = 4;
const AT_ONCE: usize = 32;

/// A service as it is by default, with a key, whose log goes nowhere.
struct Service {
    process: Process,
    internal: Listener,
}

impl Service {
    fn start(launch: Launch) -> Self {
        let [public, internal] = [(); 2].map(|()| Listener { port: unused_port() });
        let address = |listener: Listener| format!("127.0.0.1:{}", listener.port);
        let directory = std::env::var_os("RELEASE_BIN");
        let launch = directory
            .into_iter()
            .fold(launch, |launch, directory| launch.binaries_in(directory.into()));
        let launch = launch
            .var("AUTH_PUBLIC_ADDR", address(public))
            .var("AUTH_INTERNAL_ADDR", address(internal))
            .var("AUTH_INTERNAL_KEY", KEY)
            .var("AUTH_MAX_SESSIONS_PER_USER", "0")
            .var("AUTH_TOKEN_TTL", "1h")
            .var("AUTH_TOKEN_MAX_LIFETIME", "2h")
            .var("RUST_LOG", "info");
        let process = launch.start_writing_to(Stdio::null(), Stdio::null());
        eventually("it is ready", TIMEOUT, || {
            let ready = internal.try_send(Request::get("/readyz").bearer(KEY)).ok()?;
            (ready.status == 200).then_some(())
        });
        Self { process, internal }
    }

    /// Opens a session for each of these numbers, which says what it is, and gives the tokens.
    fn open(
        &self,
        numbers: std::ops::Range<usize>,
        what: impl Fn(usize) -> Value + Sync,
    ) -> Vec<String> {
        let (all, what) = (numbers.collect::<Vec<_>>(), &what);
        let share = all.len().div_ceil(CONNECTIONS).max(1);
        thread::scope(|scope| {
            let parts = all.chunks(share);
            let parts: Vec<_> =
                parts.map(|part| scope.spawn(move || self.open_some(part, what))).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
        })
    }

    fn open_some(&self, numbers: &[usize], what: impl Fn(usize) -> Value) -> Vec<String> {
        let mut connection = self.internal.connect();
        let mut tokens = Vec::with_capacity(numbers.len());
        for numbers in numbers.chunks(AT_ONCE) {
            let requests = numbers.iter().flat_map(|number| {
                let request = Request::post("/sessions").bearer(KEY).json(&what(*number));
                request.encode(self.internal.port)
            });
            assert!(connection.write(&requests.collect::<Vec<u8>>()));
            tokens.extend(numbers.iter().map(|_| token_of(&mut connection)));
        }
        tokens
    }

    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.internal.send(Request::get("/metrics").bearer(KEY)).expect(200).text();
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok();
        text.lines().find_map(value)
    }

    /// Its memory.
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The token in the next answer, without reading all of it as JSON.
fn token_of(connection: &mut Connection) -> String {
    let text = connection.read_answer(false).expect("an answer").expect(201).text();
    let (_, rest) = text.split_once("\"token\":\"").expect("a token");
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// A session of one of many users.
fn session(number: usize, kind: &str, ttl: &str) -> Value {
    let user =
        json!({"id": format!("user-{}", number % 20_000), "username": "eve", "roles": ["user"]});
    json!({"user": user, "client": {"ip": "203.0.113.9"}, "kind": kind, "ttl": ttl})
}

/// A number from the environment.
fn wanted(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
