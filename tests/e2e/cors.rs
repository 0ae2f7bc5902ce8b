//! What scripts of the named origins can read: every answer of what they may ask, errors too.

use serde_json::json;

use crate::harness::{Answer, AuthService, DEMO, Launch, Request, query, skip_unless_installed};

const SPA: &str = "https://spa.example";

fn launch() -> Launch {
    Launch::auth().var("AUTH_ALLOWED_ORIGINS", format!("{SPA},tauri://localhost"))
}

#[track_caller]
fn expect_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.all("access-control-allow-origin"), [origin], "{answer:?}");
    assert_eq!(answer.all("access-control-allow-credentials"), ["true"], "{answer:?}");
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    for name in ["etag", "location", "retry-after", "www-authenticate", "x-request-id"] {
        assert!(exposed.split(", ").any(|one| one == name), "{name}: {answer:?}");
    }
    let vary = answer.all("vary").join(",").to_ascii_lowercase();
    assert!(vary.split(',').any(|one| one.trim() == "origin"), "{answer:?}");
    assert_eq!(answer.all("x-request-id").len(), 1, "{answer:?}");
}

/// An answer of each status, and how to get it.
fn requests(auth: &AuthService) -> Vec<(Request, u16)> {
    let long = "x".repeat(70 * 1024);
    let login = |password: &str| {
        Request::post("/login").json(&json!({"username": DEMO.0, "password": password}))
    };
    vec![
        (Request::get("/session").bearer(&auth.token()), 200),
        (Request::get("/api/v1/status"), 200),
        (Request::get("/openapi.json"), 200),
        (Request::get("/readyz"), 200),
        (Request::post("/logout").bearer(&auth.token()), 204),
        (Request::post("/logout").form(""), 303),
        (Request::post("/login").json(&json!({})), 400),
        (Request::get("/session"), 401),
        (login("wrong"), 401),
        (Request::get("/nowhere"), 404),
        (Request::post("/nowhere/at/all"), 404),
        (Request::get("/api/v1/nowhere"), 404),
        (Request::get("/revoke"), 405),
        (Request::new("PATCH", "/session"), 405),
        (Request::post("/revoke").form(&long), 413),
        (Request::post("/session/rotate").bearer(&auth.token()).json(&json!({"role": long})), 413),
        (Request::post("/login").body("text/plain", "x"), 415),
        (login("wrong"), 429),
    ]
}

#[test]
fn every_answer_of_what_is_open_can_be_read_by_the_named_origins_and_by_no_other() {
    let auth = AuthService::launch(&launch().var("AUTH_LOGIN_ATTEMPTS", "1/1h"));
    for (request, status) in requests(&auth) {
        let answer = auth.public.send(request.header("Origin", SPA)).expect(status);
        expect_readable(&answer, SPA);
    }
    let auth = AuthService::launch(&launch().var("AUTH_LOGIN_ATTEMPTS", "1/1h"));
    for (request, _) in requests(&auth) {
        let answer = auth.public.send(request.header("Origin", "https://evil.example"));
        let cors = answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
        assert!(!cors, "{answer:?}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{answer:?}");
    }
}

#[test]
fn a_503_can_be_read() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    let auth = AuthService::launch_on_a_file(launch());
    query(&auth.database(), "ALTER TABLE users RENAME TO gone");
    let login = Request::post("/login").json(&json!({"username": DEMO.0, "password": DEMO.1}));
    let answer = auth.public.send(login.header("Origin", SPA)).expect(503);
    expect_readable(&answer, SPA);
}

#[test]
fn what_is_closed_to_other_origins_says_nothing_to_them() {
    let auth = AuthService::launch(&launch());
    let token = auth.token();
    for path in [
        "/api/v1/users",
        "/api/v1/users/me",
        "/api/v1/users/me/nothing",
        "/api/v1/stats",
        "/api/v1/sessions",
        "/tokens",
        "/account",
        "/admin",
        "/admin/users",
        "/admin/nothing",
    ] {
        let answer = auth.public.send(Request::get(path).bearer(&token).header("Origin", SPA));
        let cors = answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
        assert!(!cors, "{path}: {answer:?}");
    }
}

#[test]
fn a_preflight_is_answered_for_the_named_origins_and_for_no_other() {
    let auth = AuthService::launch(&launch());
    let preflight = |origin: &str, target: &str, method: &str| {
        let request = Request::new("OPTIONS", target)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", "content-type, token");
        auth.public.send(request)
    };
    for origin in [SPA, "tauri://localhost"] {
        for path in ["/login", "/logout", "/session", "/session/rotate", "/sessions", "/nowhere"] {
            let answer = preflight(origin, path, "POST").expect(204);
            expect_readable(&answer, origin);
            assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
            assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, token"));
        }
    }
    for origin in ["https://other.example", "null", "https://spa.example.evil.example", "tauri://x"]
    {
        let answer = preflight(origin, "/login", "POST");
        let cors = answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
        assert!(answer.status >= 400 && !cors, "{origin}: {answer:?}");
    }
    // Not every OPTIONS is a preflight.
    let plain =
        auth.public.send(Request::new("OPTIONS", "/login").header("Origin", SPA)).expect(405);
    expect_readable(&plain, SPA);
}

#[test]
fn where_no_origin_is_named_nothing_is_said() {
    let auth = AuthService::start();
    for path in ["/api/v1/status", "/nowhere", "/login"] {
        let answer = auth.public.send(Request::get(path).header("Origin", SPA));
        assert!(
            !answer.headers.iter().any(|(name, _)| name.starts_with("access-control")),
            "{path}"
        );
    }
}
