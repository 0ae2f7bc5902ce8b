//! One connection's worth of minting, using, rotating, ending and storing, until the service is gone.

#![expect(clippy::option_option, reason = "the outer one: the service is gone")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Value, json};

use super::history::{History, TTL, Tracked};
use crate::harness::{Answer, Connection, Listener, Request, now};

/// No more sessions than this at a time.
const MOST: usize = 60;

pub(super) struct Worker<'a> {
    public: Listener,
    internal: Listener,
    login: &'a str,
    random: u64,
}

/// Both connections of a worker.
struct Connections {
    public: Connection,
    internal: Connection,
}

impl<'a> Worker<'a> {
    pub(super) fn new(public: Listener, internal: Listener, login: &'a str, seed: u64) -> Self {
        Self { public, internal, login, random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// Works until there is no answer; what is wrong before the kill.
    pub(super) fn work(mut self, history: &mut History, killed: &AtomicBool) -> Vec<String> {
        let mut wrong = Vec::new();
        let (Ok(public), Ok(internal)) = (self.public.try_connect(), self.internal.try_connect())
        else {
            return wrong;
        };
        let mut connections = Connections { public, internal };
        while !killed.load(SeqCst) {
            match self.step(&mut connections, history) {
                Some(found) => wrong.extend(found),
                None => break,
            }
        }
        wrong
    }

    /// One request; `None` where there was no answer.
    fn step(&mut self, to: &mut Connections, history: &mut History) -> Option<Option<String>> {
        let choice = self.below(100);
        if history.live.is_empty() || (choice < 20 && history.live.len() < MOST) {
            return self.mint(to, history);
        }
        let at = self.below(history.live.len());
        // Whatever is not answered is not claimed: it comes back only with its answer.
        let tracked = history.live.swap_remove(at);
        history.answered += 1;
        match choice {
            _ if tracked.single_use => use_up(to, history, tracked),
            0..60 => use_once(to, history, tracked),
            60..70 => rotate(to, history, tracked),
            70..82 => store(to, history, tracked, self.random >> 40),
            _ => log_out(to, history, tracked),
        }
    }

    fn mint(&mut self, to: &mut Connections, history: &mut History) -> Option<Option<String>> {
        let single_use = self.below(4) == 0;
        let kind = if single_use { "single_use" } else { "sliding" };
        let ttl = if single_use { "10m".to_owned() } else { format!("{}s", TTL.as_secs()) };
        let body = json!({"kind": kind, "ttl": ttl});
        let sent_at = now();
        let answer = to.public.try_send(&Request::post("/tokens").bearer(self.login).json(&body));
        let answer = answered(answer)?.expect(201);
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let used_by = now();
        let tracked =
            Tracked { token, single_use, used_by, used_from: sent_at, uses: 0, value: None };
        history.live.push(tracked);
        Some(None)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap() % limit
    }
}

fn use_once(
    to: &mut Connections,
    history: &mut History,
    mut tracked: Tracked,
) -> Option<Option<String>> {
    let sent_at = now();
    let Some(verdict) = validate(to, &tracked.token) else {
        // It may have been used.
        (tracked.used_by, tracked.uses) = (now(), tracked.uses + 1);
        history.live.push(tracked);
        return None;
    };
    if verdict["authenticated"] != true {
        let idle = sent_at.duration_since(tracked.used_from) > TTL * 8 / 10;
        return Some((!idle).then(|| format!("a live session is dead: {verdict}")));
    }
    (tracked.used_from, tracked.used_by, tracked.uses) = (sent_at, now(), tracked.uses + 1);
    history.live.push(tracked);
    Some(None)
}

fn use_up(to: &mut Connections, history: &mut History, tracked: Tracked) -> Option<Option<String>> {
    let verdict = validate(to, &tracked.token)?;
    history.dead.push(tracked.token);
    let alive = verdict["authenticated"] == true;
    Some((!alive).then(|| format!("a single-use token is dead at its first use: {verdict}")))
}

fn rotate(
    to: &mut Connections,
    history: &mut History,
    mut tracked: Tracked,
) -> Option<Option<String>> {
    let sent_at = now();
    let request = Request::post("/session/rotate").bearer(&tracked.token);
    let answer = answered(to.public.try_send(&request))?;
    if answer.status != 200 {
        return Some(None);
    }
    let new = answer.json()["token"].as_str().unwrap().to_owned();
    history.dead.push(std::mem::replace(&mut tracked.token, new));
    (tracked.used_from, tracked.used_by, tracked.uses) = (sent_at, now(), tracked.uses + 1);
    history.live.push(tracked);
    Some(None)
}

fn store(
    to: &mut Connections,
    history: &mut History,
    mut tracked: Tracked,
    value: u64,
) -> Option<Option<String>> {
    let request = Request::put("/session/data/k").bearer(&tracked.token).json(&json!(value));
    let sent_at = now();
    let answer = answered(to.internal.try_send(&request));
    // It is a use of the session, too, and may have been one where nothing was answered.
    (tracked.used_by, tracked.uses) = (now(), tracked.uses + 1);
    tracked.value = None;
    if answer.as_ref().is_some_and(|answer| answer.status == 204) {
        (tracked.used_from, tracked.value) = (sent_at, Some(value));
    }
    history.live.push(tracked);
    answer.map(|_| None)
}

fn log_out(
    to: &mut Connections,
    history: &mut History,
    tracked: Tracked,
) -> Option<Option<String>> {
    let request = Request::post("/logout").bearer(&tracked.token);
    let answer = answered(to.public.try_send(&request))?;
    if answer.status == 204 {
        history.dead.push(tracked.token);
    }
    Some(None)
}

fn validate(to: &mut Connections, token: &str) -> Option<Value> {
    let request = Request::post("/validateToken").json(&json!({"token": token}));
    answered(to.internal.try_send(&request)).map(|answer| answer.json())
}

/// An answer that says something.
fn answered(answer: std::io::Result<Answer>) -> Option<Answer> {
    answer.ok().filter(|answer| answer.status < 500)
}
