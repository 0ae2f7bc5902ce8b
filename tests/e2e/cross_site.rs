//! Requests that a browser sent from somewhere else: no unsafe method passes.

use serde_json::json;

use crate::harness::{AuthService, BusinessService, DEMO, Launch, Request, is_alive};

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
fn our_public_origin_is_ours_by_whatever_host_a_proxy_asks_for_us() {
    let launch = Launch::auth().var("AUTH_PUBLIC_URL", "https://auth.example.com/path");
    let auth = AuthService::launch(&launch);
    let host = format!("127.0.0.1:{}", auth.public.port);
    let from = |origin: &str, target: &str| {
        let request = Request::post(target).bearer(&auth.token()).form("");
        auth.public.send(request.header("Host", &host).header("Origin", origin))
    };
    from("https://auth.example.com", "/logout").expect(303);
    // Where no other origin is let in, too.
    from("https://auth.example.com", "/account/sessions/end-others").expect(303);
    for other in [
        "http://auth.example.com",
        "https://auth.example.com:8443",
        "https://auth.example.com.evil.example",
        "https://www.auth.example.com",
    ] {
        from(other, "/logout").expect_problem(403, "cross_site_request");
    }
}

#[test]
fn the_public_origin_of_business_service_is_its_own_too() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port);
    let launch = launch.var("BUSINESS_PUBLIC_URL", "https://app.example.com");
    let business = BusinessService::launch(&launch);
    let token = auth.token();
    let add = |origin: &str| {
        let note = Request::post("/notes").bearer(&token).form("note=x");
        business.public.send(note.header("Host", "localhost:1").header("Origin", origin))
    };
    add("https://app.example.com").expect(303);
    add("https://auth.example.com").expect_problem(403, "cross_site_request");
    add("null").expect_problem(403, "cross_site_request");
}

#[test]
fn native_shells_are_named_origins_too() {
    let shells = "capacitor://localhost,tauri://localhost, ionic://localhost,app://my.app:1";
    let auth = AuthService::launch(&Launch::auth().var("AUTH_ALLOWED_ORIGINS", shells));
    let from = |origin: &str| {
        let request = logout(&auth.token()).header("Origin", origin);
        auth.public.send(request.header("Sec-Fetch-Site", "cross-site"))
    };
    for shell in shells.split(',').map(str::trim) {
        let answer = from(shell).expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(shell));
    }
    for other in ["capacitor://localhost:1", "capacitor://evil", "app://my.app", "file://", "null"]
    {
        from(other).expect_problem(403, "cross_site_request");
    }
}
