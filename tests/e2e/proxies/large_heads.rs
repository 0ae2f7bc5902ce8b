//! Heads that a proxy takes and the auth service does not: whoever sends one is told that it is
//! their request, and not to try again for ever.

use super::front::{CADDY, Kind, NGINX, Stage};
use crate::harness::{Answer, Request};

/// A request with cookies of so many bytes in all, beside the session's, none longer than 4 KiB.
fn with_cookies(token: &str, bytes: usize) -> Request {
    let filling = |at: usize| format!("c{at}={}", "x".repeat(1000));
    let lines = (0..bytes.div_ceil(4000)).map(|line| {
        let cookies = (0..4.min((bytes - line * 4000).div_ceil(1000))).map(filling);
        cookies.collect::<Vec<_>>().join("; ")
    });
    lines.fold(Request::get("/").token(token), |request, line| request.header("Cookie", line))
}

/// The same with other headers that no decision rests on.
fn with_headers(token: &str, bytes: usize) -> Request {
    (0..bytes.div_ceil(1000)).fold(Request::get("/").token(token), |request, at| {
        request.header(&format!("X-Filling-{at}"), "x".repeat(1000))
    })
}

/// The same with a long URL.
fn with_path(token: &str, bytes: usize) -> Request {
    Request::get(&format!("/{}", "x".repeat(bytes))).token(token)
}

fn is_final(answer: &Answer) {
    assert!(matches!(answer.status, 200 | 400 | 414 | 431), "{answer:?}");
    if answer.status != 200 {
        assert_eq!(answer.header("retry-after"), None, "{answer:?}");
    }
}

fn heads_of_any_size_are_decided_for_good(kind: &Kind) -> Option<Stage> {
    let stage = Stage::set(kind)?;
    let token = stage.auth.token();
    for kib in [1, 2, 4, 6, 8, 10, 12, 14, 15, 16, 17, 20, 24, 28, 32] {
        for make in [with_cookies, with_headers, with_path] {
            let answer = stage.send(make(&token, kib * 1024));
            is_final(&answer);
            // Without a session the answer says no more, and nothing passes.
            let refused = stage.send(make("nonsense", kib * 1024));
            assert!(matches!(refused.status, 400 | 401 | 414 | 431), "{kib}: {refused:?}");
        }
    }
    for head in [with_cookies, with_headers] {
        stage.send(head(&token, 8 * 1024)).expect(200);
    }
    stage.send(with_cookies(&token, 20 * 1024)).expect(431);
    stage.send(Request::get("/").token(&token)).expect(200);
    Some(stage)
}

#[test]
fn nginx_asks_with_what_the_decision_needs() {
    let Some(stage) = heads_of_any_size_are_decided_for_good(&NGINX) else { return };
    let token = stage.auth.token();
    // The auth service takes 16 KiB: what nginx takes beyond that stands in headers that are not
    // asked with.
    stage.send(with_headers(&token, 24 * 1024)).expect(200);
    stage.send(with_path(&token, 7 * 1024)).expect(200);
    let many = (0..150).fold(Request::get("/").token(&token), |request, at| {
        request.header(&format!("X-Filling-{at}"), "x")
    });
    stage.send(many).expect(200);
    let odd = Request::get("/").token(&token).header("Cookie", "a=\u{1}b");
    is_final(&stage.send(odd));
}

#[test]
fn caddy_passes_a_refusal_on() {
    heads_of_any_size_are_decided_for_good(&CADDY);
}

#[test]
fn of_two_credentials_nginx_passes_on_the_one_that_was_judged() {
    let Some(stage) = Stage::set(&NGINX) else { return };
    let (token, other) = (stage.auth.token(), stage.auth.token());
    stage.auth.logout(&other);
    for request in [
        Request::get("/").token(&token).token(&other),
        Request::get("/").token(&other).token(&token),
        Request::get("/").bearer(&token).bearer(&other),
        Request::get("/").bearer(&other).bearer(&token),
    ] {
        let answer = stage.send(request);
        let text = answer.text();
        match answer.status {
            200 => assert!(text.contains(&token) && !text.contains(&other), "{text}"),
            400 | 401 => assert_eq!(stage.auth.look_at(&token)["authenticated"], true),
            _ => panic!("{answer:?}"),
        }
    }
}

#[test]
fn the_others_ask_with_a_list_too() {
    const REQUESTED: [&str; 8] = [
        "accept",
        "authorization",
        "cookie",
        "sec-fetch-mode",
        "token",
        "user-agent",
        "x-request-id",
        "x-requested-with",
    ];
    for more in [&[][..], &["--domain-cookie"]] {
        let traefik = super::printed::printed("traefik", more).to_lowercase();
        let list = traefik.split_once("authrequestheaders: &asked").unwrap().1;
        let list = list.split_once('[').unwrap().1.split_once(']').unwrap().0;
        let mut listed: Vec<&str> = list.split(',').map(str::trim).collect();
        listed.sort_unstable();
        assert_eq!(listed, REQUESTED);
        assert_eq!(traefik.matches("authrequestheaders: *asked").count(), 1);
        let envoy = super::printed::printed("envoy", more);
        for header in REQUESTED.into_iter().filter(|header| *header != "authorization") {
            assert!(envoy.contains(&format!("- {{ exact: {header} }}")), "{header}");
        }
    }
}
