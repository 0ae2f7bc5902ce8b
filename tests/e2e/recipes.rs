//! The recipes of `docs/protect-your-service.md` and `docs/your-own-users.md`, taken from there and run as written, with real
//! Flask, real Express and real Go.

mod connections;
mod own_users;
mod recipe;
mod siem;

use serde_json::json;

use crate::environment_proxy::Recorder;
use crate::harness::{
    ANN, Answer, AuthService, FakeServer, LONG_PASSWORD, Launch, Listener, Request,
};
use crate::proxies::{NGINX, Stage};
pub(crate) use recipe::code;
use recipe::{EXPRESS, FLASK, GO, Kind, Recipe};

/// What the services show.
const KEY: &str = "thirteen-paper-lanterns-on-a-string";
const OTHER: &str = "Sec-Fetch-Site";

fn expect_text(answer: Answer, status: u16, text: &str) {
    let answer = answer.expect(status);
    assert!(answer.text().contains(text), "{answer:?}");
}

/// What holds for a service that asks by itself.
fn a_direct_call_protects(kind: &Kind) {
    let mut auth = AuthService::launch_with_users(Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    let recorder = Recorder::start();
    let key = ("AUTH_KEY", KEY.to_owned());
    let settings = [("AUTH_COOKIE_NAME", "reinflate".to_owned()), auth_url(&auth), key];
    let settings = settings.into_iter().chain(recorder.variables());
    let Some(service) = Recipe::start(kind, "direct", settings) else { return };
    let service: Listener = service.listener;
    let (admin, ann) = (auth.token(), auth.login(ANN, LONG_PASSWORD));
    let hello = format!("Hello {ANN}");
    for request in [
        Request::get("/").token(&ann),
        Request::get("/").bearer(&ann),
        Request::get("/").cookie(&ann),
        Request::get("/").header("Cookie", format!("a=b; reinflate={ann}; __Host-reinflate=x")),
    ] {
        expect_text(service.send(request), 200, &hello);
    }
    let uses = auth.public.send(Request::get("/sessions").token(&ann)).json();
    assert_eq!(uses["sessions"][0]["refresh_count"], 5, "each request is one use");
    expect_text(service.send(Request::get("/reports").token(&admin)), 200, "All reports");
    service.send(Request::get("/reports").token(&ann)).expect(403);
    strangers_are_refused(&auth, service);

    let missing = service.get("/").expect(401);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"app\""));
    service.send(Request::get("/").header("Authorization", "Basic eDp5")).expect(401);
    for planted in ["__Host-reinflate", "__Secure-reinflate", "sid"] {
        let request = Request::get("/").header("Cookie", format!("{planted}={ann}"));
        let answer = service.send(request).expect(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"app\""), "{planted}");
    }
    auth.logout(&admin);
    for request in [
        Request::get("/").token(&admin),
        Request::get("/").token("nonsense"),
        Request::get("/").token(""),
        Request::get("/").token(&admin).cookie(&ann),
        Request::get("/nowhere").token(&admin),
    ] {
        let refused = service.send(request).expect(401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.ends_with("error=\"invalid_token\""), "{challenge}");
    }
    let note = || Request::post("/notes").cookie(&ann).form("text=x");
    expect_text(service.send(note().header(OTHER, "same-origin")), 201, "noted");
    for site in ["cross-site", "same-site"] {
        service.send(note().header(OTHER, site)).expect(403);
    }
    auth.kill();
    for request in [Request::get("/").token(&ann), Request::get("/").token("nonsense")] {
        let away = service.send(request).expect(503);
        assert_eq!(away.header("retry-after"), Some("1"));
    }
    service.get("/").expect(401);
    assert_eq!(recorder.received(), 0, "the environment's proxy was handed key and token");
}

/// Whatever another backend calls its users and their roles, and what is narrowed to something else.
fn strangers_are_refused(auth: &AuthService, service: Listener) {
    let user = json!({"id": "17", "username": ANN, "roles": ["admin"]});
    let request = Request::post("/sessions").bearer(KEY).json(&json!({"user": user}));
    let external = auth.internal.send(request).expect(201).json()["token"].clone();
    let narrowed = auth.mint(&auth.token(), &json!({"scopes": ["reports:read"]}));
    for token in [external.as_str().expect("a token"), &narrowed] {
        for path in ["/", "/reports"] {
            service.send(Request::get(path).token(token)).expect(403);
        }
    }
}

fn auth_url(auth: &AuthService) -> (&'static str, String) {
    ("AUTH_URL", format!("http://127.0.0.1:{}", auth.internal.port))
}

/// The name is the strictest, where it is not set: over TLS, as in production.
fn the_strictest_cookie_is_read_by_default(kind: &Kind) {
    let auth = AuthService::launch_with_users(Launch::auth().var("AUTH_COOKIE_SECURE", "true"));
    let Some(service) = Recipe::start(kind, "direct", [auth_url(&auth)]) else { return };
    let ann = auth.login(ANN, LONG_PASSWORD);
    let with = |name: &str| Request::get("/").header("Cookie", format!("{name}={ann}"));
    service.listener.send(with("__Host-reinflate")).expect(200);
    for planted in ["__Secure-reinflate", "reinflate"] {
        service.listener.send(with(planted)).expect(401);
    }
}

/// What answers neither yes nor no, or leads elsewhere, is a 503, and gets no further.
fn what_is_no_answer_is_503(kind: &Kind) {
    let elsewhere = Recorder::start();
    let away = format!("http://127.0.0.1:{}/validateToken", elsewhere.port());
    let alive = r#"{"authenticated":true,"session":{"user":{"username":"x"},"role":"admin"}}"#;
    let mut heads: Vec<String> = ["301", "302", "303", "307", "308"]
        .map(|status| format!("HTTP/1.1 {status} Away\r\nLocation: {away}\r\n"))
        .into();
    heads.extend(["401", "404", "500", "503", "204"].map(|s| format!("HTTP/1.1 {s} No\r\n")));
    for head in heads {
        let length = alive.len();
        let bytes = format!(
            "{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{alive}"
        );
        let fake = FakeServer::answering(bytes);
        let url = ("AUTH_URL", format!("http://127.0.0.1:{}", fake.port));
        let Some(service) = Recipe::start(kind, "direct", [url]) else { return };
        service.listener.send(Request::get("/").token("rfl_x")).expect(503);
        assert_eq!(fake.validations().len(), 1, "{head}");
    }
    assert_eq!(elsewhere.received(), 0);
}

/// What holds for a service that a proxy protects.
fn forward_auth_protects(kind: &Kind) {
    let Some(service) = Recipe::start(kind, "forward", []) else { return };
    let Some(stage) = Stage::set_before(&NGINX, service.listener.port) else { return };
    let (admin, ann) = (stage.auth.token(), stage.auth.login(ANN, LONG_PASSWORD));
    let hello = format!("Hello {ANN}");
    expect_text(stage.send(Request::get("/").token(&ann)), 200, &hello);
    expect_text(stage.send(Request::get("/").cookie(&ann)), 200, &hello);
    for forged in ["Remote-User", "remote_user", "REMOTE.USER"] {
        let request = Request::get("/").token(&ann).header(forged, "evil@example.com");
        expect_text(stage.send(request), 200, &hello);
        let request = Request::get("/reports").token(&ann);
        stage
            .send(
                request
                    .header(&forged.replace(['u', 'U'], "X"), "x")
                    .header("Remote_Groups", "admin"),
            )
            .expect(403);
    }
    expect_text(stage.send(Request::get("/reports").token(&admin)), 200, "All reports");
    stage.send(Request::get("/")).expect(401);
}

#[test]
fn flask_by_a_direct_call() {
    a_direct_call_protects(&FLASK);
    the_strictest_cookie_is_read_by_default(&FLASK);
}

#[test]
fn flask_takes_no_answer_for_503() {
    what_is_no_answer_is_503(&FLASK);
}

#[test]
fn flask_by_forward_auth() {
    forward_auth_protects(&FLASK);
}

#[test]
fn express_by_a_direct_call() {
    a_direct_call_protects(&EXPRESS);
    the_strictest_cookie_is_read_by_default(&EXPRESS);
}

#[test]
fn express_takes_no_answer_for_503() {
    what_is_no_answer_is_503(&EXPRESS);
}

#[test]
fn go_by_a_direct_call() {
    a_direct_call_protects(&GO);
    the_strictest_cookie_is_read_by_default(&GO);
}

#[test]
fn go_takes_no_answer_for_503() {
    what_is_no_answer_is_503(&GO);
}

#[test]
fn go_by_forward_auth() {
    forward_auth_protects(&GO);
}

#[test]
fn express_by_forward_auth() {
    forward_auth_protects(&EXPRESS);
}
