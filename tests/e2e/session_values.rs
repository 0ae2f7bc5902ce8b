//! What backends keep in a session: values with versions, on the internal listener.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, Request, is_alive};

fn path(key: &str) -> String {
    format!("/session/data/{key}")
}

fn put(auth: &AuthService, token: &str, key: &str, value: &Value) -> Answer {
    auth.internal.send(Request::put(&path(key)).bearer(token).json(value))
}

fn get(auth: &AuthService, token: &str, key: &str) -> Answer {
    auth.internal.send(Request::get(&path(key)).bearer(token))
}

fn delete(auth: &AuthService, token: &str, key: &str) -> Answer {
    auth.internal.send(Request::delete(&path(key)).bearer(token))
}

fn all(auth: &AuthService, token: &str) -> Value {
    auth.internal.send(Request::get("/session/data").bearer(token)).expect(200).json()
}

#[track_caller]
fn etag(answer: &Answer) -> String {
    let etag = answer.header("etag").unwrap_or_else(|| panic!("no ETag: {answer:?}"));
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    etag.to_owned()
}

#[test]
fn any_json_is_kept_under_a_key() {
    let auth = AuthService::start();
    let token = auth.token();
    assert_eq!(all(&auth, &token), json!({"data": {}}));
    let values = [
        json!({"items": [1, 2.5, null]}),
        json!("ümlaut"),
        json!(7),
        json!(false),
        json!(null),
        json!([]),
    ];
    for value in values {
        put(&auth, &token, "cart", &value).expect(204);
        let answer = get(&auth, &token, "cart").expect(200);
        assert_eq!(answer.json(), value);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    put(&auth, &token, "A.b_c-9", &json!(1)).expect(204);
    assert_eq!(all(&auth, &token), json!({"data": {"cart": [], "A.b_c-9": 1}}));
}

#[test]
fn a_value_is_deleted_whether_it_was_there_or_not() {
    let auth = AuthService::start();
    let token = auth.token();
    put(&auth, &token, "cart", &json!(1)).expect(204);
    delete(&auth, &token, "cart").expect(204);
    delete(&auth, &token, "cart").expect(204);
    get(&auth, &token, "cart").expect_problem(404, "not_found");
    assert_eq!(all(&auth, &token), json!({"data": {}}));
}

#[test]
fn each_write_has_a_new_etag() {
    let auth = AuthService::start();
    let token = auth.token();
    let first = etag(&put(&auth, &token, "cart", &json!(1)).expect(204));
    assert_eq!(etag(&get(&auth, &token, "cart").expect(200)), first);
    let second = etag(&put(&auth, &token, "cart", &json!(1)).expect(204));
    assert_ne!(first, second, "the same value written again is another version");
    delete(&auth, &token, "cart").expect(204);
    let third = etag(&put(&auth, &token, "cart", &json!(1)).expect(204));
    assert!(third != first && third != second, "a key that was deleted does not start again");
}

#[test]
fn a_conditional_write_loses_no_update() {
    let auth = AuthService::start();
    let token = auth.token();
    let send = |method: &str, header: &str, value: &str| {
        let request = Request::new(method, &path("cart")).bearer(&token).header(header, value);
        auth.internal.send(if method == "PUT" { request.json(&json!(1)) } else { request })
    };
    send("PUT", "If-Match", "\"nothing\"").expect_problem(412, "precondition_failed");
    send("PUT", "If-Match", "*").expect_problem(412, "precondition_failed");
    let first = etag(&send("PUT", "If-None-Match", "*").expect(204));
    send("PUT", "If-None-Match", "*").expect_problem(412, "precondition_failed");
    let second = etag(&send("PUT", "If-Match", &first).expect(204));
    send("PUT", "If-Match", &first).expect_problem(412, "precondition_failed");
    send("DELETE", "If-Match", &first).expect_problem(412, "precondition_failed");
    let third = etag(&send("PUT", "If-Match", "*").expect(204));
    send("DELETE", "If-Match", &second).expect_problem(412, "precondition_failed");
    send("DELETE", "If-Match", &third).expect(204);
}

#[test]
fn of_concurrent_conditional_writes_one_succeeds() {
    let auth = AuthService::start();
    let token = auth.token();
    let version = etag(&put(&auth, &token, "cart", &json!(0)).expect(204));
    let barrier = Barrier::new(8);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let write = || {
            barrier.wait();
            let request = Request::put(&path("cart")).bearer(&token).header("If-Match", &version);
            auth.internal.send(request.json(&json!(1))).status
        };
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 412)), "{statuses:?}");
}

#[test]
fn keys_and_bodies_that_are_none_are_refused() {
    let auth = AuthService::start();
    let token = auth.token();
    for key in ["a%20b", "a%2Fb", "%C3%BC", &"k".repeat(65), "a:b"] {
        put(&auth, &token, key, &json!(1)).expect_problem(400, "invalid_request");
        get(&auth, &token, key).expect_problem(400, "invalid_request");
    }
    put(&auth, &token, &"k".repeat(64), &json!(1)).expect(204);
    for body in ["", "{", "nope", "1 2"] {
        let request = Request::put(&path("cart")).bearer(&token).body("application/json", body);
        auth.internal.send(request).expect_problem(400, "invalid_request");
    }
    let text = Request::put(&path("cart")).bearer(&token).body("text/plain", "1");
    auth.internal.send(text).expect_problem(415, "unsupported_media_type");
}

#[test]
fn past_16_kib_in_all_a_value_is_too_large_and_nothing_is_lost() {
    let auth = AuthService::start();
    let token = auth.token();
    put(&auth, &token, "a", &json!("x".repeat(10_000))).expect(204);
    put(&auth, &token, "b", &json!("y".repeat(10_000))).expect_problem(413, "payload_too_large");
    put(&auth, &token, "a", &json!("z".repeat(20_000))).expect_problem(413, "payload_too_large");
    assert_eq!(get(&auth, &token, "a").expect(200).json(), "x".repeat(10_000));
    get(&auth, &token, "b").expect_problem(404, "not_found");
    delete(&auth, &token, "a").expect(204);
    put(&auth, &token, "b", &json!("y".repeat(15_000))).expect(204);
}

#[test]
fn values_belong_to_their_session_are_kept_by_rotation_and_end_with_it() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    put(&auth, &tokens[0], "cart", &json!([1])).expect(204);
    get(&auth, &tokens[1], "cart").expect_problem(404, "not_found");
    let rotated =
        auth.public.send(Request::post("/session/rotate").bearer(&tokens[0])).expect(200).json();
    let rotated = rotated["token"].as_str().unwrap();
    assert_eq!(get(&auth, rotated, "cart").expect(200).json(), json!([1]));
    get(&auth, &tokens[0], "cart").expect_problem(401, "invalid_token");
    auth.logout(rotated);
    get(&auth, rotated, "cart").expect_problem(401, "invalid_token");
    put(&auth, rotated, "cart", &json!(1)).expect_problem(401, "invalid_token");
    assert!(!is_alive(&auth.look_at(rotated)), "a write brings nothing back");
}

#[test]
fn without_a_token_there_are_no_values() {
    let auth = AuthService::start();
    auth.internal.get("/session/data").expect_problem(401, "missing_token");
    auth.internal
        .send(Request::put(&path("cart")).json(&json!(1)))
        .expect_problem(401, "missing_token");
}
