//! `/authz/check`: what a proxy sent, for whoever sets one up.

use serde_json::Value;

use crate::harness::{AuthService, Launch, Request};

fn header<'a>(check: &'a Value, name: &str) -> Option<&'a str> {
    let headers = check["headers"].as_array().unwrap();
    headers
        .iter()
        .find(|header| header["name"] == name)
        .map(|header| header["value"].as_str().unwrap())
}

#[test]
fn it_tells_what_was_sent_without_what_opens_anything() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_TRUSTED_PROXIES", "127.0.0.1"));
    let token = auth.token();
    let request = Request::new("PROPFIND", "/authz/check?role=admin")
        .bearer(&token)
        .cookie(&token)
        .header("Token", &token)
        .header("X-Internal-Key", "sesame-sesame-sesame")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example.com")
        .header("X-Forwarded-Uri", format!("/a?t={token}"));
    let answer = auth.internal.send(request).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(
        !answer.text().contains(&token[26..58]) && !answer.text().contains("sesame"),
        "{answer:?}"
    );
    let check = answer.json();
    assert_eq!(header(&check, "authorization"), Some("Bearer …"));
    assert_eq!(header(&check, "cookie"), Some("reinflate=…"));
    assert_eq!(check["client"]["ip"], "203.0.113.9");
    assert!(check["client"]["why"].as_str().unwrap().contains("trusted"), "{check}");
    assert_eq!(check["asked_for"], "https://app.example.com/a?t=rfl_…");
    assert_eq!(check["decision"]["status"], 200, "{check}");
    assert_eq!(check["decision"]["headers"].as_array().unwrap().len(), 8);
    assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 0, "it only looks");
}

#[test]
fn it_tells_what_would_be_decided_and_who_is_believed() {
    let auth = AuthService::start();
    let status = |request: Request| {
        let check =
            auth.internal.send(request.header("X-Forwarded-For", "203.0.113.9")).expect(200).json();
        assert_eq!(check["client"]["ip"], "127.0.0.1");
        assert!(check["client"]["why"].as_str().unwrap().contains("not believed"), "{check}");
        check["decision"]["status"].as_u64().unwrap()
    };
    let token = auth.token();
    assert_eq!(status(Request::get("/authz/check")), 401);
    assert_eq!(status(Request::get("/authz/check").token(&token)), 200);
    assert_eq!(status(Request::get("/authz/check?role=user").token(&token)), 403);
    assert_eq!(status(Request::get("/authz/check").token(&token).token(&token)), 401);
}

#[test]
fn it_is_there_in_demo_mode_only() {
    let auth = AuthService::launch(&Launch::auth().without("AUTH_DEMO"));
    for method in ["GET", "POST"] {
        auth.internal.send(Request::new(method, "/authz/check")).expect_problem(404, "not_found");
    }
}
