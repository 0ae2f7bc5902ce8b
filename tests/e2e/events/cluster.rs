//! A Redis Cluster, where the events of different sessions are on different servers: a stream, pages
//! and a webhook have each of them once, those of a session in their order.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stream::Stream;
use super::{KEY, behind, launch, stories};
use crate::harness::{AuthService, Request, redis_cluster};
use crate::webhooks::receiver::{Post, Receiver};

const USERS: usize = 4;
const SESSIONS: usize = 12;

/// What happens to each session.
const STORY: [&str; 4] = ["session.issued", "session.rotated", "session.rotated", "session.ended"];

/// Opens sessions of several users, rotates and ends them, by turns and at both nodes.
fn live_through(nodes: &[AuthService; 2]) -> BTreeSet<String> {
    let open = |number: usize| {
        let user =
            json!({"id": format!("user-{}", number % USERS), "username": "eve", "roles": ["user"]});
        let request = Request::post("/sessions").bearer(KEY).json(&json!({"user": user}));
        nodes[number % 2].internal.send(request).expect(201).json()
    };
    let opened: Vec<Value> = (0..SESSIONS).map(open).collect();
    let token = |answer: &Value| answer["token"].as_str().unwrap().to_owned();
    let mut tokens: Vec<String> = opened.iter().map(token).collect();
    for turn in 0..2 {
        for (number, held) in tokens.iter_mut().enumerate() {
            let rotate = Request::post("/session/rotate").bearer(held);
            *held = token(&nodes[(number + turn) % 2].public.send(rotate).expect(200).json());
        }
    }
    for (number, held) in tokens.iter().enumerate() {
        nodes[number % 2].logout(held);
    }
    opened.iter().map(|answer| answer["session"]["id"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_whole<'a>(
    what: &str,
    sessions: &BTreeSet<String>,
    events: impl IntoIterator<Item = &'a Value>,
) {
    let stories = stories(events);
    assert_eq!(stories.keys().collect::<Vec<_>>(), sessions.iter().collect::<Vec<_>>(), "{what}");
    assert!(stories.values().all(|story| story == &STORY), "{what}: {stories:?}");
}

#[test]
fn each_event_of_a_cluster_comes_once_and_in_order_from_wherever_it_is_read() {
    let Some(servers) = redis_cluster(0, &[]) else { return };
    let hosts: Vec<_> = servers.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = format!("sqlite:{}", home.path().join("users.db").display());
    let receiver = Receiver::start();
    let launch = receiver
        .of(launch())
        .var("AUTH_SESSION_STORE", format!("redis-cluster://{}", hosts.join(",")))
        .var("AUTH_DATABASE_URL", users)
        .var("AUTH_WEBHOOK_TYPES", "session.*");
    let nodes = [(); 2].map(|()| AuthService::launch(&launch));
    let mut stream = Stream::open(&nodes[1], "?after=0", "");
    let sessions = live_through(&nodes);
    let total = SESSIONS * STORY.len();

    let streamed: Vec<_> = (0..total).map(|_| stream.next()).collect();
    assert_whole("the stream", &sessions, streamed.iter().map(|(_, _, event)| event));
    let posts = receiver.taken_at_least(total);
    let ids: BTreeSet<&str> = posts.iter().map(Post::id).collect();
    assert_eq!((posts.len(), ids.len()), (total, total));
    let posted: Vec<Value> = posts.iter().map(Post::json).collect();
    assert_whole("the webhook", &sessions, &posted);

    assert_whole("pages", &sessions, &behind(&nodes[0], "0", "&limit=7"));
    // Behind each event that was read there is all that had not been read by then, and nothing else.
    for (at, (position, ..)) in streamed.iter().enumerate() {
        let left = streamed[at + 1..].iter().map(|(_, _, event)| event);
        assert_eq!(
            stories(&behind(&nodes[0], position, "&limit=5")),
            stories(left),
            "behind event {at}"
        );
        let resumed = streamed.get(at + 1).map(|_| {
            let header = format!("Last-Event-ID: {position}\r\n");
            let mut stream = Stream::open(&nodes[0], "", &header);
            (at + 1..total).map(|_| stream.next().2).collect::<Vec<_>>()
        });
        let left = streamed[at + 1..].iter().map(|(_, _, event)| event);
        assert_eq!(stories(&resumed.unwrap_or_default()), stories(left), "resumed at event {at}");
    }
}
