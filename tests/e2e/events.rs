//! What happened: pages that may be waited for, streams that are gone on with, and what nobody is
//! shown.

mod cluster;
mod crashes;
mod failover;
mod many;
mod outages;
mod stream;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::stream::Stream;
use crate::harness::{Answer, AuthService, DEMO, Launch, Redis, Request, TIMEOUT, eventually};

const KEY: &str = "an-internal-key-of-a-test";

fn launch() -> Launch {
    Launch::auth().var("AUTH_INTERNAL_KEY", KEY)
}

fn try_read(auth: &AuthService, query: &str) -> Answer {
    auth.internal.send(Request::get(&format!("/events{query}")).bearer(KEY))
}

fn read(auth: &AuthService, query: &str) -> Value {
    try_read(auth, query).expect(200).json()
}

/// All events that there are behind a position, page by page.
fn behind(auth: &AuthService, position: &str, query: &str) -> Vec<Value> {
    let (mut next, mut all) = (position.to_owned(), Vec::new());
    loop {
        let page = read(auth, &format!("?after={next}{query}"));
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            return all;
        }
        all.extend(events.iter().cloned());
        page["next"].as_str().unwrap().clone_into(&mut next);
    }
}

/// The types of each session's events, in the order in which they came.
fn stories<'a>(events: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Vec<String>> {
    let mut stories = BTreeMap::<String, Vec<String>>::new();
    for event in events {
        let session = event["session"]["id"].as_str().unwrap().to_owned();
        stories.entry(session).or_default().push(event["type"].as_str().unwrap().to_owned());
    }
    stories
}

/// The types and causes of a page's events.
fn short(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap().iter();
    let short = events.map(|event| {
        format!("{} {}", event["type"].as_str().unwrap(), event["cause"].as_str().unwrap_or("-"))
    });
    short.collect()
}

#[test]
fn a_login_and_a_logout_are_an_event_each_that_says_who_and_why() {
    let auth = AuthService::launch(&launch());
    let login = json!({"username": DEMO.0, "password": DEMO.1});
    let request = Request::post("/login").json(&login).header("X-Request-Id", "r-in");
    let answer = auth.public.send(request.header("User-Agent", "Lynx")).expect(200).json();
    let token = answer["token"].as_str().unwrap();
    let request = Request::post("/logout").bearer(token).header("X-Request-Id", "r-out");
    auth.public.send(request).expect(204);
    let page = read(&auth, "?after=0");
    assert_eq!(short(&page), ["session.issued login", "session.ended logout"]);
    let [issued, ended] = &page["events"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!(issued["session"]["id"], answer["session"]["id"]);
    assert_eq!(issued["user"]["username"], DEMO.0);
    assert_eq!(issued["client"], json!({"ip": "127.0.0.1", "user_agent": "Lynx"}));
    assert_eq!((&issued["request_id"], &ended["request_id"]), (&json!("r-in"), &json!("r-out")));
    assert_eq!((&ended["session"], &ended["user"]), (&issued["session"], &issued["user"]));
    assert_eq!(ended["by"], Value::Null);
    assert_eq!(page["next"], ended["position"]);
    let text = page.to_string();
    assert!(!text.contains(&token[26..58]) && !text.contains("digest"), "{text}");
}

#[test]
fn no_user_agent_ends_a_line_of_a_stream_or_of_the_log() {
    let auth = AuthService::launch(&launch().var("RUST_LOG", "info"));
    let agent = "x\u{2028}\u{2028}data: y\u{85}event: z\u{9b}31m";
    let login = json!({"username": DEMO.0, "password": DEMO.1});
    let request = Request::post("/login").json(&login).header("User-Agent", agent);
    auth.public.send(request).expect(200);
    let text = try_read(&auth, "?after=0").expect(200).text();
    assert!(text.contains(r"x\u2028\u2028data: y\u0085event: z\u009b31m"), "{text}");
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["events"][0]["client"]["user_agent"], agent);
    let lines = auth.log_lines_with("session.issued", 1);
    assert!(lines[0].contains(r"x\u2028\u2028data: y\u0085event: z\u009b31m"), "{lines:?}");
}

#[test]
fn nobody_reads_events_without_a_key_and_not_where_none_is_set() {
    let auth = AuthService::launch(&launch());
    assert_eq!(auth.internal.get("/events?after=0").status, 401);
    let wrong = Request::get("/events?after=0").bearer("another-key-than-that-of-the-test");
    assert_eq!(auth.internal.send(wrong).status, 401);
    let by_token = Request::get("/events?after=0").bearer(&auth.token());
    assert_eq!(auth.internal.send(by_token).status, 401);
    assert_eq!(auth.public.send(Request::get("/events").bearer(KEY)).status, 404);
    let open = AuthService::launch(&Launch::auth().without("AUTH_INTERNAL_KEY"));
    open.internal.get("/events?after=0").expect_problem(403, "forbidden");
}

#[test]
fn what_is_not_understood_is_an_error_and_positions_of_others_are_gone() {
    let auth = AuthService::launch(&launch());
    auth.token();
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?wait=61s",
        "?wait=5",
        "?types=session",
        "?types=session.ended,nothing.*",
        "?types=",
        "?after=0&after=1",
        "?before=0",
    ] {
        try_read(&auth, query).expect_problem(400, "invalid_request");
    }
    let end = read(&auth, "")["next"].as_str().unwrap().to_owned();
    for position in ["1", "x.1.2", &format!("{end}1"), &format!("1{end}"), "%00", "..%2f"] {
        try_read(&auth, &format!("?after={position}")).expect_problem(410, "gone");
    }
    assert_eq!(read(&auth, &format!("?after={end}"))["events"], json!([]));
}

#[test]
fn a_page_is_waited_for_and_comes_with_the_event() {
    let auth = AuthService::launch(&launch());
    let start = read(&auth, "")["next"].as_str().unwrap().to_owned();
    let query = format!("?after={start}&wait=60s&types=session.ended");
    thread::scope(|threads| {
        let waiting = threads.spawn(|| read(&auth, &query));
        // It cannot be seen from outside that it waits: this only makes it likely.
        let token = auth.token();
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "a login is of another type");
        auth.logout(&token);
        assert_eq!(short(&waiting.join().unwrap()), ["session.ended logout"]);
    });
    assert_eq!(
        read(&auth, &format!("?after={start}&wait=300ms&types=user.*"))["events"],
        json!([])
    );
}

#[test]
fn a_reader_gets_everything_page_by_page() {
    let auth = AuthService::launch(&launch().var("AUTH_MAX_SESSIONS_PER_USER", "3"));
    for _ in 0..20 {
        auth.token();
    }
    let (mut next, mut all) = ("0".to_owned(), Vec::new());
    loop {
        let page = read(&auth, &format!("?after={next}&limit=7"));
        if page["events"].as_array().unwrap().is_empty() {
            break;
        }
        all.extend(short(&page));
        page["next"].as_str().unwrap().clone_into(&mut next);
    }
    assert_eq!(all.iter().filter(|event| *event == "session.issued login").count(), 20);
    assert_eq!(all.iter().filter(|event| *event == "session.ended limit").count(), 17);
    assert_eq!(all.len(), 37);
}

#[test]
fn a_stream_goes_on_behind_the_last_event_that_its_reader_had() {
    let auth = AuthService::launch(&launch());
    let mut stream = Stream::open(&auth, "", "");
    let token = auth.token();
    let (id, kind, issued) = stream.next();
    assert_eq!((&*kind, &issued["position"]), ("session.issued", &json!(id)));
    drop(stream);
    auth.logout(&token);
    auth.token();
    // The header goes before the parameter.
    let mut stream = Stream::open(&auth, "?after=0", &format!("Last-Event-ID: {id}\r\n"));
    let (_, kind, ended) = stream.next();
    assert_eq!((&*kind, &ended["session"]["id"]), ("session.ended", &issued["session"]["id"]));
    assert_eq!(stream.next().1, "session.issued");
    let mut only = Stream::open(&auth, "?after=0&types=session.ended", "");
    assert_eq!(only.next().2, ended);
}

#[test]
fn a_stream_whose_reader_missed_something_says_so_and_goes_on() {
    let auth = AuthService::launch(&launch().var("AUTH_EVENTS_LIMIT", "100"));
    let first = {
        auth.token();
        read(&auth, "?after=0&limit=1")["next"].as_str().unwrap().to_owned()
    };
    for _ in 0..60 {
        let token = auth.token();
        auth.logout(&token);
    }
    try_read(&auth, &format!("?after={first}")).expect_problem(410, "gone");
    let mut stream = Stream::open(&auth, "", &format!("Last-Event-ID: {first}\r\n"));
    let (id, kind, reset) = stream.next();
    assert_eq!((&*id, &*kind), ("", "reset"));
    let oldest = reset["oldest"].as_str().unwrap();
    let page = read(&auth, &format!("?after={oldest}&limit=1"));
    assert_eq!(stream.next().2, page["events"][0]);
}

#[test]
fn a_stream_ends_when_the_service_does() {
    let mut auth = AuthService::launch(&launch());
    let stream = Stream::open(&auth, "", "");
    auth.signal("TERM");
    assert!(stream.ends());
    assert!(auth.wait_for_end(Duration::from_secs(8)).success());
}

#[test]
fn events_of_a_file_outlive_a_kill_and_those_of_memory_are_another_history() {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let on_file = launch()
        .var("AUTH_DATABASE_URL", format!("sqlite:{}", path("users.db")))
        .var("AUTH_SESSION_STORE", format!("sqlite:{}", path("sessions.db")));
    let mut auth = AuthService::launch(&on_file);
    let token = auth.token();
    let before = read(&auth, "?after=0");
    auth.kill();
    let auth = AuthService::launch(&on_file);
    assert_eq!(read(&auth, "?after=0"), before);
    auth.logout(&token);
    let next = before["next"].as_str().unwrap();
    assert_eq!(short(&read(&auth, &format!("?after={next}"))), ["session.ended logout"]);
    let memory = AuthService::launch(&launch());
    memory.token();
    try_read(&memory, &format!("?after={next}")).expect_problem(410, "gone");
}

#[test]
fn an_event_of_one_node_is_read_at_another_and_an_emptied_redis_is_another_history() {
    let Some(redis) = Redis::start(&[]) else { return };
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = directory.path().join("users.db").display().to_string();
    let launch = launch()
        .var("AUTH_DATABASE_URL", format!("sqlite:{users}"))
        .var("AUTH_SESSION_STORE", redis.url());
    let (one, two) = (AuthService::launch(&launch), AuthService::launch(&launch));
    let mut stream = Stream::open(&two, "?after=0", "");
    let token = one.token();
    let (_, kind, issued) = stream.next();
    assert_eq!(kind, "session.issued");
    one.logout(&token);
    let (id, kind, ended) = stream.next();
    assert_eq!((&*kind, &ended["session"]), ("session.ended", &issued["session"]));
    assert_eq!(short(&read(&one, "?after=0")), ["session.issued login", "session.ended logout"]);
    assert_eq!(read(&one, &format!("?after={id}"))["events"], json!([]));
    // What an emptied server has lost of its events, without the id of the users' database.
    let events = ["known:events:recent-event-list", "known:events:count-and-history"];
    assert_eq!(redis.cli(&["del", events[0], events[1]]), "2");
    one.token();
    eventually("the other history", TIMEOUT, || {
        (try_read(&two, &format!("?after={id}")).status == 410).then_some(())
    });
    let (id, kind, _) = stream.next();
    assert_eq!((&*id, &*kind), ("", "reset"));
    assert_eq!(stream.next().1, "session.issued");
}
