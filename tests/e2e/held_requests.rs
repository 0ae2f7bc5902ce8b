//! A request that is held back half-sent acts with what holds when it has arrived, not with what
//! held when it began.

use serde_json::json;

use crate::harness::{AuthService, Listener, Request};

/// Sends all but the last byte of a request, lets `meanwhile` happen, sends the rest, and returns
/// the answer's status.
fn held_back(listener: Listener, head: &str, body: &str, meanwhile: impl FnOnce()) -> u16 {
    let (first, last) = body.split_at(body.len() - 1);
    let mut connection = listener.connect();
    let length = body.len();
    let sent = connection.write(
        format!("{head}\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{first}")
            .as_bytes(),
    );
    assert!(sent, "the request was cut off before it was whole");
    meanwhile();
    assert!(connection.write(last.as_bytes()), "the request was cut off");
    connection.read_answer(false).unwrap().status
}

#[test]
fn a_held_back_request_does_not_act_for_a_session_that_ended_meanwhile() {
    let auth = AuthService::start();
    let admin = auth.token();
    let body = json!({"email": "late@example.com", "password": "a pass phrase that is long"});
    let head = format!("POST /api/v1/users HTTP/1.1\r\ntoken: {admin}");
    let status = held_back(auth.public, &head, &body.to_string(), || {
        auth.public.send(Request::post("/logout").header("token", &admin)).expect(204);
    });
    assert_eq!(status, 401);
    let answer =
        auth.public.send(Request::new("GET", "/api/v1/users?q=late").header("token", auth.token()));
    assert_eq!(answer.expect(200).json()["users"], json!([]));
}

#[test]
fn a_held_back_request_does_not_take_a_demotion_back() {
    let auth = AuthService::start();
    let mallory = auth.token();
    let id = auth.public.send(Request::new("GET", "/api/v1/users/me").header("token", &mallory));
    let id = id.expect(200).json()["id"].as_str().unwrap().to_owned();
    let head = format!("PUT /api/v1/users/{id} HTTP/1.1\r\ntoken: {mallory}");
    let status = held_back(auth.public, &head, r#"{"first_name":"Mallory"}"#, || {
        let all = Request::new("DELETE", "/sessions").header("token", &mallory);
        auth.public.send(all).expect(204);
    });
    assert_eq!(status, 401);
}

#[test]
fn what_a_held_back_request_writes_into_a_session_that_ended_is_refused() {
    let auth = AuthService::start();
    let token = auth.token();
    let head = format!("PUT /session/data/cart HTTP/1.1\r\ntoken: {token}");
    let status = held_back(auth.internal, &head, r#"{"items":[1,2,3]}"#, || {
        auth.public.send(Request::post("/logout").header("token", &token)).expect(204);
    });
    assert_eq!(status, 401);
}
