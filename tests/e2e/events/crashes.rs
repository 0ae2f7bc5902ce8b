//! A node that is killed at any moment: in Redis each change is there with its event, or neither is.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{KEY, behind, stories};
use crate::harness::{Answer, AuthService, Connection, Listener, Request, let_time_pass};
use crate::redis::nodes::Site;

const WORKERS: usize = 4;
const KILLS: usize = 8;

/// What one worker was answered of a session.
#[derive(Clone, Debug, Default)]
struct Known {
    /// How many rotations were answered, and how many were asked for.
    rotations: (usize, usize),
    /// Whether its end was answered, or asked for.
    ended: bool,
    end_asked: bool,
}

/// One connection's worth of opening, rotating and ending, until there is no answer.
fn work(internal: Listener, public: Listener, seed: usize, known: &Mutex<BTreeMap<String, Known>>) {
    let (Ok(mut internal), Ok(mut public)) = (internal.try_connect(), public.try_connect()) else {
        return;
    };
    let mut number = seed;
    while live(&mut internal, &mut public, number, known).is_some() {
        number += WORKERS;
    }
}

/// The life of one session; `None` where an answer is missing.
fn live(
    internal: &mut Connection,
    public: &mut Connection,
    number: usize,
    known: &Mutex<BTreeMap<String, Known>>,
) -> Option<()> {
    let user = json!({"id": format!("user-{}", number % 5), "username": "eve", "roles": ["user"]});
    let kind = if number % 3 == 2 { "single_use" } else { "sliding" };
    let open = json!({"user": user, "kind": kind, "ttl": "10m"});
    let answer = answered(internal.try_send(&Request::post("/sessions").bearer(KEY).json(&open)))?;
    let answer = answer.expect(201).json();
    let id = answer["session"]["id"].as_str().unwrap().to_owned();
    let mut token = answer["token"].as_str().unwrap().to_owned();
    let note =
        |change: &dyn Fn(&mut Known)| change(known.lock().unwrap().entry(id.clone()).or_default());
    note(&|_| {});
    if kind == "single_use" {
        note(&|known| known.end_asked = true);
        let use_up = Request::post("/validateToken").bearer(KEY).json(&json!({"token": token}));
        let verdict = answered(internal.try_send(&use_up))?.expect(200).json();
        assert_eq!(verdict["authenticated"], true, "{verdict}");
    } else {
        for _ in 0..number % 4 {
            note(&|known| known.rotations.1 += 1);
            let rotate = Request::post("/session/rotate").bearer(&token);
            let answer = answered(public.try_send(&rotate))?.expect(200).json();
            answer["token"].as_str().unwrap().clone_into(&mut token);
            note(&|known| known.rotations.0 += 1);
        }
        if number.is_multiple_of(5) {
            return Some(());
        }
        note(&|known| known.end_asked = true);
        answered(public.try_send(&Request::post("/logout").bearer(&token)))?.expect(204);
    }
    note(&|known| known.ended = true);
    Some(())
}

/// An answer that says something: a 503 leaves open whether it was done.
fn answered(answer: std::io::Result<Answer>) -> Option<Answer> {
    answer.ok().filter(|answer| answer.status < 500)
}

/// The ids of the sessions that are there.
fn living(auth: &AuthService) -> Vec<String> {
    let (mut after, mut ids) = (String::new(), Vec::new());
    loop {
        let list = format!("/sessions?limit=500&opened_before=2999-01-01T00:00:00Z{after}");
        let page: Value = auth.internal.send(Request::get(&list).bearer(KEY)).expect(200).json();
        let sessions = page["sessions"].as_array().unwrap();
        ids.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", crate::harness::percent_encoded(next));
    }
    ids.sort();
    ids
}

#[test]
fn after_kills_each_session_has_exactly_the_events_of_its_changes() {
    let Some(site) = Site::open() else { return };
    let node = site.settled_node().var("AUTH_INTERNAL_KEY", KEY);
    let known = Mutex::new(BTreeMap::<String, Known>::new());
    for kill in 0..KILLS {
        let mut auth = AuthService::launch(&node);
        let (internal, public) = (auth.internal, auth.public);
        thread::scope(|scope| {
            let known = &known;
            for worker in 0..WORKERS {
                scope.spawn(move || work(internal, public, worker + 1_000 * kill, known));
            }
            // Another moment each time.
            let_time_pass(Duration::from_millis(500 + 83 * kill as u64));
            auth.kill();
        });
    }
    let auth = AuthService::launch(&node);
    let events = behind(&auth, "0", "&limit=1000&types=session.*");
    let (recorded, known) = (stories(&events), known.into_inner().unwrap());

    let is_alive = |story: &&Vec<String>| story.last().is_some_and(|last| last != "session.ended");
    let expected: Vec<&String> =
        recorded.iter().filter(|(_, story)| is_alive(story)).map(|(id, _)| id).collect();
    assert_eq!(
        living(&auth).iter().collect::<Vec<_>>(),
        expected,
        "sessions and their events differ"
    );
    for (id, story) in &recorded {
        let count = |kind: &str| story.iter().filter(|other| *other == kind).count();
        assert_eq!(
            (story[0].as_str(), count("session.issued")),
            ("session.issued", 1),
            "{id}: {story:?}"
        );
        assert!(
            count("session.ended") <= 1
                && !story[..story.len() - 1].contains(&"session.ended".into())
        );
        // Of a session whose opening was not answered nothing else was asked.
        let known = known.get(id).cloned().unwrap_or_default();
        let rotated = count("session.rotated");
        assert!(
            (known.rotations.0..=known.rotations.1).contains(&rotated),
            "{id}: {story:?}, {known:?}"
        );
        let ended = count("session.ended") == 1;
        assert!(ended || !known.ended, "{id}: its end is no event");
        assert!(!ended || known.end_asked, "{id}: nobody ended it");
    }
    assert!(known.keys().all(|id| recorded.contains_key(id)), "an opening is no event");
    let ended = known.values().filter(|known| known.ended).count();
    assert!(ended > KILLS, "only {ended} ended: this shows nothing");
    eprintln!("{KILLS} kills: {} sessions have the events of their changes", recorded.len());
}
