//! What somebody sends who wants to be somebody else.

use super::IDENTITY;
use super::application::Received;
use super::front::Stage;
use crate::harness::{ANN, LONG_PASSWORD, Request};

const FORGED: &str = "forged@evil.example";

/// Whatever a client calls itself, the application hears one name, and it is the right one.
pub(super) fn identity_headers_are_overwritten(stage: &Stage) {
    let ann = stage.auth.login(ANN, LONG_PASSWORD);
    for name in IDENTITY {
        for spelling in spellings(name) {
            let request = Request::get("/").token(&ann).header(&spelling, FORGED);
            let twice = request.clone().header(&spelling, "admin").header(name, FORGED);
            for request in [request, twice] {
                let received = Received::of(&stage.send(request));
                assert_eq!(received.aliases(name), [name], "{spelling}: {received:?}");
                assert!(!received.header(name).contains("forged"), "{spelling}: {received:?}");
            }
        }
    }
    let all = spellings("remote-user").into_iter().chain(spellings("x-auth-user-id"));
    let request =
        all.fold(Request::get("/").token(&ann), |request, name| request.header(&name, FORGED));
    let received = Received::of(&stage.send(request));
    assert_eq!(received.header("remote-user"), ANN);
    assert_eq!(received.aliases("x-auth-user-id"), ["x-auth-user-id"]);
    // A header that its sender calls hop-by-hop is dropped on the way; ours must not be.
    for name in IDENTITY {
        let connection = format!("keep-alive, {name}");
        let request = Request::get("/").token(&ann).header("Connection", &connection);
        assert!(!Received::of(&stage.send(request)).header(name).is_empty());
    }
}

/// Headers of a client that name methods, hosts, paths and roles do not replace those of its request.
pub(super) fn forwarded_headers_change_no_decision(stage: &Stage) {
    let ann = stage.auth.login(ANN, LONG_PASSWORD);
    for (name, value) in [
        ("X-Forwarded-Uri", "/login"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Prefix", "/login"),
        ("X-Original-URL", "/login"),
        ("X-Original-URI", "/login"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Rewrite-URL", "/login"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Forwarded", "for=127.0.0.1;host=evil.example;proto=https"),
        ("X-Real-IP", "127.0.0.1"),
        ("Remote-Groups", "admin"),
    ] {
        let with = |request: Request| request.header(name, value).header(name, value);
        stage.send(with(Request::get("/admin/"))).expect(401);
        stage.send(with(Request::get("/admin/").token(&ann))).expect(403);
        stage.send(with(Request::get("/").token(&ann))).expect(200);
        let browser = Request::get("/here").header("Accept", "text/html");
        let answer = stage.send(with(browser));
        if let Some(location) = answer.header("location") {
            assert!(location.ends_with("%2Fhere"), "{name}: {answer:?}");
            assert!(!location.contains("evil"), "{name}: {answer:?}");
        }
        answer.expect(302);
    }
}

/// The spellings of a header that some application takes for it.
fn spellings(name: &str) -> Vec<String> {
    let title: String = name
        .split('-')
        .map(|part| format!("{}{}", part[..1].to_uppercase(), &part[1..]))
        .collect::<Vec<_>>()
        .join("-");
    let first = name.replacen('-', "_", 1);
    let last = name.rfind('-').map(|at| format!("{}_{}", &name[..at], &name[at + 1..]));
    [
        name.to_owned(),
        name.to_uppercase(),
        title.clone(),
        name.replace('-', "_"),
        title.replace('-', "_"),
        name.to_uppercase().replace('-', "_"),
        name.replace('-', "."),
        title.replace('-', "."),
        first,
        last.unwrap_or_default(),
    ]
    .into()
}
