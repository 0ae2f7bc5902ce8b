//! Whatever an auth service says that is neither a clear yes nor a clear no is a 503.

use serde_json::json;

use crate::harness::{BusinessService, FakeServer, Launch, Request};

const TOKEN: &str = "rfl_0000000000000000000000000000000000000000000000000000000000000";

fn session() -> serde_json::Value {
    json!({
        "id": "019a0000-0000-7000-8000-000000000000", "kind": "sliding", "transport": "bearer",
        "user": {"id": "019a0000-0000-7000-8000-000000000001", "username": "ann@example.com",
            "roles": ["user"]},
        "role": "user", "name": null, "created_at": "2026-11-20T12:00:00.000Z",
        "last_used_at": "2026-11-20T12:00:07.120Z", "expires_at": "2026-11-20T12:00:37.120Z",
        "expires_in": 30, "absolute_expires_at": "2026-11-21T00:00:00.000Z", "refresh_count": 3,
        "ip": null, "user_agent": null
    })
}

/// The status of `/data` where the auth service answers so, and how often it was asked.
fn status(fake: &FakeServer) -> (u16, usize) {
    let business = BusinessService::launch(&Launch::business(fake.port));
    let answer = business.public.send(Request::get("/data").bearer(TOKEN));
    if answer.status == 503 {
        let answer = answer.expect_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        return (503, fake.validations().len());
    }
    (answer.status, fake.validations().len())
}

fn says(body: &str) -> FakeServer {
    FakeServer::saying("200 OK", "application/json", body)
}

#[test]
fn a_clear_yes_and_a_clear_no_are_understood() {
    let yes = says(&json!({"authenticated": true, "session": session()}).to_string());
    assert_eq!(status(&yes), (200, 1));
    let no = says(r#"{"authenticated":false,"reason":"revoked"}"#);
    assert_eq!(status(&no), (401, 1));
}

#[test]
fn a_reason_that_is_new_is_still_a_no() {
    assert_eq!(status(&says(r#"{"authenticated":false,"reason":"vanished","more":1}"#)), (401, 1));
}

#[test]
fn a_body_that_is_no_verdict_is_no_answer() {
    let contradiction = json!({"authenticated": false, "session": session()}).to_string();
    for body in [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "true",
        "\"yes\"",
        r#"{"authenticated":true}"#,
        r#"{"authenticated":"true"}"#,
        r#"{"authenticated":1,"session":{}}"#,
        r#"{"authenticated":true,"session":{}}"#,
        r#"{"authenticated":null}"#,
        r#"{"error":"unavailable"}"#,
        r#"{"results":[]}"#,
        &contradiction,
    ] {
        assert_eq!(status(&says(body)), (503, 1), "{body}");
    }
}

#[test]
fn a_status_that_is_not_200_is_no_answer() {
    let yes = json!({"authenticated": true, "session": session()}).to_string();
    for line in [
        "201 Created",
        "204 No Content",
        "301 Moved Permanently",
        "302 Found",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        let fake = FakeServer::saying(
            line,
            "application/json",
            if line.starts_with("204") { "" } else { &yes },
        );
        assert_eq!(status(&fake), (503, 1), "{line}");
    }
}

#[test]
fn what_is_no_http_or_breaks_off_is_no_answer_and_is_not_asked_again() {
    for bytes in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"authenticated\":",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        "SSH-2.0-OpenSSH_9\r\n",
    ] {
        let fake = FakeServer::answering(bytes);
        let (status, requests) = status(&fake);
        assert_eq!(status, 503, "{bytes:?}");
        assert_eq!(requests, 1, "a single-use token would be used up by a second try: {bytes:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = says(&json!({"authenticated": true, "session": session()}).to_string());
    let fake = FakeServer::answering(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{}/validateToken\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.port
    ));
    assert_eq!(status(&fake).0, 503);
    assert!(elsewhere.validations().is_empty());
}

#[test]
fn an_answer_without_end_is_no_answer() {
    let body = format!("{{\"authenticated\":{}true", " ".repeat(8 * 1024 * 1024));
    assert_eq!(status(&says(&body)).0, 503);
}
