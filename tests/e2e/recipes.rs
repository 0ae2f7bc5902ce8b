//! The recipes of `docs/protect-your-service.md`, taken from there and run as written, with real
//! Flask and real Express.

mod recipe;

use crate::harness::{ANN, Answer, AuthService, LONG_PASSWORD, Listener, Request};
use crate::proxies::{NGINX, Stage};
use recipe::{EXPRESS, FLASK, Kind, Recipe};

const OTHER: &str = "Sec-Fetch-Site";

fn expect_text(answer: Answer, status: u16, text: &str) {
    let answer = answer.expect(status);
    assert!(answer.text().contains(text), "{answer:?}");
}

/// What holds for a service that asks by itself.
fn a_direct_call_protects(kind: &Kind) {
    let mut auth = AuthService::with_users();
    let Some(service) = Recipe::start(kind, "direct", Some(auth.internal)) else { return };
    let service: Listener = service.listener;
    let (admin, ann) = (auth.token(), auth.login(ANN, LONG_PASSWORD));
    let hello = format!("Hello {ANN}");
    for request in [
        Request::get("/").token(&ann),
        Request::get("/").bearer(&ann),
        Request::get("/").cookie(&ann),
        Request::get("/").header("Cookie", format!("a=b; __Host-reinflate={ann}")),
    ] {
        expect_text(service.send(request), 200, &hello);
    }
    assert_eq!(auth.look_at(&ann)["session"]["refresh_count"], 4, "each request is one use");
    expect_text(service.send(Request::get("/reports").token(&admin)), 200, "All reports");
    service.send(Request::get("/reports").token(&ann)).expect(403);

    let missing = service.get("/").expect(401);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"app\""));
    service.send(Request::get("/").header("Authorization", "Basic eDp5")).expect(401);
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
}

/// What holds for a service that a proxy protects.
fn forward_auth_protects(kind: &Kind) {
    let Some(service) = Recipe::start(kind, "forward", None) else { return };
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
}

#[test]
fn flask_by_forward_auth() {
    forward_auth_protects(&FLASK);
}

#[test]
fn express_by_a_direct_call() {
    a_direct_call_protects(&EXPRESS);
}

#[test]
fn express_by_forward_auth() {
    forward_auth_protects(&EXPRESS);
}
