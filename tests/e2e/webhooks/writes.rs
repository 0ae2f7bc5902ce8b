//! How often it is written down how far a URL is, and what a crash and a stop make of that.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::receiver::{Post, Receiver, sessions};
use crate::harness::{AuthService, Launch, Request, TIMEOUT, eventually};

const KEY: &str = "an-internal-key-of-a-test";
const EVENTS: usize = 300;
/// How many events are posted again at most after a crash, with the one that is under way.
const UNSAVED: usize = 101;

fn launch(receiver: &Receiver, home: &TempDir) -> Launch {
    let path = |name: &str| format!("sqlite:{}", home.path().join(name).display());
    receiver
        .of(Launch::auth())
        .var("AUTH_INTERNAL_KEY", KEY)
        .var("AUTH_MAX_SESSIONS_PER_USER", "0")
        .var("AUTH_SESSION_STORE", path("sessions.db"))
        .var("AUTH_DATABASE_URL", path("users.db"))
}

/// Uses up so many tokens in one step; the sessions, in their order.
fn use_up(auth: &AuthService, count: usize) -> Vec<String> {
    let user = json!({"id": "7", "username": "eve", "roles": ["user"]});
    let session = json!({"user": user, "client": {"ip": "203.0.113.9"}, "kind": "single_use"});
    let open = |_| {
        let request = Request::post("/sessions").bearer(KEY).json(&session);
        auth.internal.send(request).expect(201).json()
    };
    let opened: Vec<Value> = (0..count).map(open).collect();
    let tokens: Vec<&Value> = opened.iter().map(|one| &one["token"]).collect();
    let request = Request::post("/validateToken").bearer(KEY).json(&json!({"tokens": tokens}));
    auth.internal.send(request).expect(200);
    opened.iter().map(|one| one["session"]["id"].as_str().unwrap().to_owned()).collect()
}

fn commits(auth: &AuthService) -> f64 {
    let text = auth.internal.send(Request::get("/metrics").bearer(KEY)).expect(200).text();
    let series = "auth_session_commits_total{result=\"success\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.parse().ok());
    value.expect("it is counted")
}

/// How often each session was posted, under one id alone.
fn times(posts: &[Post]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::<String, Vec<&str>>::new();
    for post in posts {
        let session = post.json()["session"]["id"].as_str().unwrap().to_owned();
        ids.entry(session).or_default().push(post.id());
    }
    assert!(ids.values().all(|ids| ids.iter().all(|id| *id == ids[0])), "an event has two ids");
    ids.into_iter().map(|(session, ids)| (session, ids.len())).collect()
}

#[test]
fn many_events_are_acknowledged_in_one_write_and_none_comes_again_after_a_stop() {
    let (receiver, home) = (Receiver::start(), TempDir::with_prefix("reinflate-e2e-").unwrap());
    let mut auth = AuthService::launch(&launch(&receiver, &home));
    use_up(&auth, 1);
    receiver.taken_at_least(1);
    let ended = use_up(&auth, EVENTS);
    let before = commits(&auth);
    let taken = receiver.taken_at_least(1 + EVENTS);
    let count = commits(&auth) - before;
    assert_eq!(sessions(&taken)[1..], ended);
    assert!(count < 60.0, "{count} commits for {EVENTS} events");
    auth.signal("TERM");
    assert!(auth.wait_for_end(TIMEOUT).success());
    let auth = AuthService::launch(&launch(&receiver, &home));
    use_up(&auth, 1);
    let posts = receiver.taken_at_least(2 + EVENTS);
    assert!(times(&posts).values().all(|times| *times == 1), "an event was posted again");
}

#[test]
fn after_a_crash_a_few_events_come_again_under_their_ids_and_none_is_left_out() {
    let (receiver, home) = (Receiver::start(), TempDir::with_prefix("reinflate-e2e-").unwrap());
    let mut auth = AuthService::launch(&launch(&receiver, &home));
    let ended = use_up(&auth, EVENTS);
    receiver.tried_at_least(EVENTS / 2);
    auth.kill();
    let _auth = AuthService::launch(&launch(&receiver, &home));
    let posts = eventually("all are posted", 3 * TIMEOUT, || {
        Some(receiver.taken()).filter(|posts| times(posts).len() == EVENTS)
    });
    let again = posts.len() - EVENTS;
    assert!(again <= UNSAVED, "{again} events came again");
    let mut first = Vec::new();
    for session in sessions(&posts) {
        if !first.contains(&session) {
            first.push(session);
        }
    }
    assert_eq!(first, ended, "in order");
}
