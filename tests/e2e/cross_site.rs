//! Requests that a browser sent from somewhere else: no unsafe method passes.

use serde_json::json;

use crate::harness::{AuthService, DEMO, Launch, Request, is_alive};

fn logout(token: &str) -> Request {
    Request::post("/logout").bearer(token)
}

#[test]
fn what_a_browser_sends_from_another_site_is_refused() {
    let auth = AuthService::start();
    let token = auth.token();
    for (header, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let refused = auth.public.send(logout(&token).header(header, value));
        refused.expect_problem(403, "cross_site_request");
    }
    assert!(is_alive(&auth.validate(&token)));
}

#[test]
fn a_login_from_another_site_is_refused_as_well() {
    let auth = AuthService::start();
    let login = Request::post("/login").json(&json!({"username": DEMO.0, "password": DEMO.1}));
    let refused = auth.public.send(login.header("Sec-Fetch-Site", "cross-site"));
    refused.expect_problem(403, "cross_site_request");
}

#[test]
fn what_a_browser_sends_from_our_own_pages_passes() {
    let auth = AuthService::start();
    let host = format!("127.0.0.1:{}", auth.public.port);
    let origin = format!("http://{host}");
    for headers in [
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Host", host.as_str()), ("Origin", origin.as_str())],
        vec![],
    ] {
        let request = logout(&auth.token());
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        auth.public.send(request).expect(204);
    }
}

#[test]
fn reading_is_not_held_back() {
    let auth = AuthService::start();
    let read =
        Request::get("/session").bearer(&auth.token()).header("Sec-Fetch-Site", "cross-site");
    auth.public.send(read).expect(200);
}

#[test]
fn origins_that_are_named_are_excepted() {
    for setting in ["AUTH_ALLOWED_ORIGINS", "AUTH_REDIRECT_ORIGINS"] {
        let auth = AuthService::launch(&Launch::auth().var(setting, "https://app.example"));
        let from = |origin: &str| {
            let request = logout(&auth.token()).header("Origin", origin);
            auth.public.send(request.header("Sec-Fetch-Site", "cross-site"))
        };
        from("https://app.example").expect(204);
        from("https://app.example.evil.example").expect_problem(403, "cross_site_request");
        from("http://app.example").expect_problem(403, "cross_site_request");
    }
}

#[test]
fn only_a_named_origin_ends_everybodys_sessions() {
    let auth =
        AuthService::launch(&Launch::auth().var("AUTH_ALLOWED_ORIGINS", "https://spa.example"));
    let tokens = auth.tokens(2);
    let end_all = |origin: &str| {
        let request = Request::delete("/api/v1/sessions").bearer(&tokens[0]);
        auth.public.send(request.header("Origin", origin).header("Sec-Fetch-Site", "cross-site"))
    };
    for origin in ["https://evil.example", "null"] {
        let refused = end_all(origin).expect_problem(403, "cross_site_request");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    assert!(is_alive(&auth.validate(&tokens[1])));
    let answer = end_all("https://spa.example").expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://spa.example"));
    assert!(!is_alive(&auth.validate(&tokens[1])));
}

#[test]
fn a_preflight_is_answered_for_the_named_origins_and_for_no_other() {
    let auth =
        AuthService::launch(&Launch::auth().var("AUTH_ALLOWED_ORIGINS", "https://spa.example"));
    let preflight = |origin: &str, target: &str| {
        let request = Request::new("OPTIONS", target)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type, token");
        let answer = auth.public.send(request);
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(preflight("https://spa.example", "/tokens").as_deref(), Some("https://spa.example"));
    assert_eq!(preflight("https://other.example", "/tokens"), None);
    for path in ["/api/v1/status", "/api/v1/stats", "/api/v1/sessions", "/openapi.json", "/livez"] {
        let allowed = preflight("https://spa.example", path);
        assert_eq!(allowed.as_deref(), Some("https://spa.example"), "{path}");
        let read = Request::get(path).header("Origin", "https://spa.example");
        let answer = auth.public.send(read);
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://spa.example"), "{path}: {answer:?}");
    }
    for path in [
        "/api/v1/users",
        "/api/v1/users/me",
        "/api/v1/users/me/password",
        "/api/v1/users/me/sessions",
        "/admin/users",
        "/account",
        "/account/tokens",
    ] {
        assert_eq!(preflight("https://spa.example", path), None, "{path}");
    }
}
