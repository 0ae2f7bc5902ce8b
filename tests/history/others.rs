//! What the same checker finds in other people's sessions: a login, uses and logouts by several
//! clients at once, on sessions that they share, with nothing disturbed.
//!
//! ```text
//! .ci/reliability others       # installs and builds what is asked, and writes the figures
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, thread};

use testkit::{Answer, Listener, Redis, Request, TIMEOUT, eventually, now, unused_port};

use crate::check::{PROPERTIES, check};
use crate::events::{Endpoint, Event, History, Kind, Moment, Operation, Outcome, Session, View};
use crate::random::Random;

const CLIENTS: u64 = 6;
/// Sessions at a time, of which everybody is at the first few.
const SLOTS: usize = 60;
const HOT: usize = 4;
const OWNERS: usize = 3;
/// After how many seconds without a use a session ends.
const IDLE_S: u64 = 3;
/// Both count in whole seconds, and both may.
const EPSILON: Duration = Duration::from_millis(1_250);
/// How long it goes on, unless `HISTORY_SECONDS` says.
const LASTS: Duration = Duration::from_secs(20);

/// A service that somebody else's sessions are in.
struct Other {
    name: &'static str,
    /// Whether a use renews its sessions.
    kind: Kind,
    process: Child,
    listener: Listener,
    _redis: Redis,
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Other {
    /// Starts it with a Redis of its own; `arguments` are made from that one's address and a port.
    fn start(
        name: &'static str,
        kind: Kind,
        program: &Path,
        arguments: impl Fn(&str, &str) -> Vec<String>,
    ) -> Option<Self> {
        let (redis, port) = (Redis::start(&[])?, unused_port());
        let arguments = arguments(&redis.url(), &port.to_string());
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let listener = Listener { port };
        let other = Self { name, kind, process, listener, _redis: redis };
        eventually(name, TIMEOUT, || listener.try_send(Request::get("/data")).ok());
        Some(other)
    }
}

/// What all clients share: the cookie of each slot's session, and what was opened.
struct Shared {
    slots: Vec<Mutex<Option<(usize, String)>>>,
    sessions: Mutex<Vec<Session>>,
}

struct Client<'a> {
    other: &'a Other,
    shared: &'a Shared,
    random: Random,
    moment: &'a (dyn Fn() -> Moment + Sync),
    events: Vec<Event>,
}

impl Client<'_> {
    fn work(mut self, lasts: Duration) -> Vec<Event> {
        while (self.moment)() < lasts {
            let limit = if self.random.below(2) == 0 { HOT } else { SLOTS };
            let (slot, choice) = (self.random.below(limit), self.random.below(100));
            let held = self.shared.slots[slot].lock().unwrap().clone();
            match (held, choice) {
                (Some((session, cookie)), 8..) => self.use_it(session, &cookie),
                (Some((session, cookie)), 2..) => self.end(session, &cookie),
                _ => self.open(slot),
            }
        }
        self.events
    }

    fn open(&mut self, slot: usize) {
        let owner = self.random.below(OWNERS);
        let start = (self.moment)();
        let answer = self.send(Request::post(&format!("/login/{}", owner + 1)));
        let end = (self.moment)();
        let Some(answer) = answer.filter(|answer| answer.status == 204) else { return };
        let cookie = answer.header("set-cookie").and_then(|text| text.split(';').next());
        let cookie = cookie.expect("a login sets a cookie").to_owned();
        let ttl = Duration::from_secs(IDLE_S);
        let (kind, max_lifetime) = (self.other.kind, Duration::from_hours(24));
        let opened = (start, end);
        let mut sessions = self.shared.sessions.lock().unwrap();
        sessions.push(Session { owner, kind, ttl, max_lifetime, opened });
        *self.shared.slots[slot].lock().unwrap() = Some((sessions.len() - 1, cookie));
    }

    fn use_it(&mut self, session: usize, cookie: &str) {
        let start = (self.moment)();
        let answer = self.send(Request::get("/data").header("Cookie", cookie));
        let outcome = match answer.as_ref().map(|answer| answer.status) {
            Some(200) => Outcome::True(View { owner: owner(answer.as_ref()), ..View::default() }),
            Some(401) => Outcome::False,
            _ => Outcome::Unknown,
        };
        self.record(session, Operation::Use(Endpoint::Session), start, outcome);
    }

    fn end(&mut self, session: usize, cookie: &str) {
        let start = (self.moment)();
        let answer = self.send(Request::post("/logout").header("Cookie", cookie));
        let is_done = answer.is_some_and(|answer| answer.status == 204);
        let outcome = if is_done { Outcome::True(View::default()) } else { Outcome::Unknown };
        self.record(session, Operation::End, start, outcome);
    }

    fn record(&mut self, session: usize, operation: Operation, start: Moment, outcome: Outcome) {
        let end = (self.moment)();
        self.events.push(Event { session, token: 0, operation, node: 0, start, end, outcome });
    }

    fn send(&self, request: Request) -> Option<Answer> {
        self.other.listener.try_send(request).ok()
    }
}

/// Whose session an answer says it is.
fn owner(answer: Option<&Answer>) -> Option<usize> {
    let user = answer?.json()["data"]["user"].take();
    let is_of = |owner: &usize| user == format!("user-{}@example.com", owner + 1);
    Some((0..OWNERS).find(is_of).unwrap_or(OWNERS))
}

fn judge(other: &Other, seed: u64, lasts: Duration) {
    let began = now();
    let moment = || began.elapsed();
    let slots = (0..SLOTS).map(|_| Mutex::default()).collect();
    let shared = Shared { slots, sessions: Mutex::default() };
    let events: Vec<Event> = thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|number| {
            let random = Random::new(seed, number);
            let (shared, moment) = (&shared, &moment);
            let client = Client { other, shared, random, moment, events: Vec::new() };
            scope.spawn(move || client.work(lasts))
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let is_end = |event: &&Event| event.operation == Operation::End && event.is_true();
    let (requests, ends) = (events.len(), events.iter().filter(is_end).count());
    let unclear = events.iter().filter(|event| event.is_unknown()).count();
    let sessions = shared.sessions.into_inner().unwrap();
    let history = History { sessions, events, epsilon: EPSILON, ..History::default() };
    let verdict = check(&history);
    let mut broken: BTreeMap<u8, usize> = BTreeMap::new();
    for violation in &verdict.violations {
        *broken.entry(violation.property as u8).or_default() += 1;
    }
    let looked = PROPERTIES.map(|property| (property as u8, verdict.looked(property)));
    let looked = looked.into_iter().filter(|(_, looked)| *looked > 0);
    let each = looked.map(|(property, looked)| {
        let broken = broken.get(&property).copied().unwrap_or_default();
        format!("{property}: {broken} of {looked}")
    });
    let each: Vec<String> = each.collect();
    eprintln!(
        "{}, seed {seed}: {requests} requests, {ends} logouts, {unclear} unclear; broken by property: {}",
        other.name,
        each.join(", ")
    );
    if let Some(first) = verdict.violations.first() {
        eprintln!("{first:?}\n{}", history.story(first.session));
    }
    assert!(requests > 500 && ends > 20 && unclear * 5 < requests, "too little was seen");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What is shown is a finding, not a failure: others promise what they promise.
#[test]
#[ignore = "it wants what others made: .ci/reliability others"]
fn sessions_of_others() {
    let seed = crate::seed();
    let lasts = crate::variable("HISTORY_SECONDS").map_or(LASTS, Duration::from_secs);
    let others = root().join("target/others");
    assert!(fs::exists(&others).unwrap(), ".ci/reliability others installs them");
    let idle = IDLE_S.to_string();
    let script = root().join("tests/history/others/with_flask_session.py").display().to_string();
    let python = others.join("python/bin/python");
    let flask = Other::start("Flask-Session", Kind::Sliding, &python, |redis, port| {
        vec![script.clone(), redis.to_owned(), idle.clone(), port.to_owned()]
    });
    judge(&flask.expect("it starts"), seed, lasts);
    let program = others.join("cargo/release/yardstick-axum-login");
    for (name, kind, save) in
        [("axum-login", Kind::Fixed, &[][..]), ("axum-login-saving", Kind::Sliding, &["--save"])]
    {
        let axum = Other::start(name, kind, &program, |redis, port| {
            let arguments = ["--idle", &idle, "--port", port, redis];
            arguments.iter().chain(save).map(|&argument| argument.to_owned()).collect()
        });
        judge(&axum.expect("it starts"), seed, lasts);
    }
}
