//! Many readers at once: each event is read from the store once for all of them.

use serde_json::json;

use super::stream::Stream;
use super::{KEY, launch};
use crate::harness::{AuthService, Request};

const READERS: usize = 50;
const EVENTS: usize = 200;

fn open_session(auth: &AuthService) -> String {
    let user = json!({"id": "7", "username": "eve", "roles": ["user"]});
    let session = json!({"user": user, "client": {"ip": "203.0.113.9"}, "kind": "sliding"});
    let request = Request::post("/sessions").bearer(KEY).json(&session);
    let opened = auth.internal.send(request).expect(201).json();
    opened["session"]["id"].as_str().unwrap().to_owned()
}

fn reads(auth: &AuthService) -> f64 {
    let text = auth.internal.send(Request::get("/metrics").bearer(KEY)).expect(200).text();
    let series = "auth_store_op_duration_seconds_count{op=\"read_events\",backend=\"memory\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.parse().ok());
    value.expect("it is counted")
}

#[test]
fn what_many_readers_do_not_want_is_read_once_for_all_of_them() {
    let auth = AuthService::launch(&launch().var("AUTH_MAX_SESSIONS_PER_USER", "0"));
    let mut readers: Vec<Stream> =
        (0..READERS).map(|_| Stream::open(&auth, "?types=session.ended", "")).collect();
    let before = reads(&auth);
    let mut last = String::new();
    for _ in 0..EVENTS {
        last = open_session(&auth);
    }
    auth.internal.send(Request::delete(&format!("/sessions/{last}")).bearer(KEY)).expect(200);
    for reader in &mut readers {
        assert_eq!(reader.next().2["session"]["id"], last);
    }
    let count = reads(&auth) - before;
    // Readers that had not come to the end when they were counted read a page or two each.
    let most = f64::from(u32::try_from(2 * EVENTS + 4 * READERS).unwrap());
    assert!(count < most, "{count} reads of {EVENTS} events for {READERS} readers");
}
