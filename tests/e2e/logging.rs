//! The log: one format, the right levels, and never a secret.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::harness::{
    ANN, AuthService, BusinessService, DEMO, LONG_PASSWORD, Launch, Process, Request, TIMEOUT,
    eventually,
};

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// Fails unless this is the gravest level of the lines about this request.
#[track_caller]
fn expect_level(process: &Process, id: &str, level: &str) {
    let gravest = || {
        let lines = process.output().into_iter().filter(|line| line.contains(id));
        let lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
        let rank = |line: Value| LEVELS.iter().position(|level| line["level"] == **level);
        lines.map(|line| rank(line).expect("a known level")).max()
    };
    eventually(&format!("{id} is logged at {level}"), TIMEOUT, || {
        (LEVELS[gravest()?] == level).then_some(())
    });
}

#[test]
fn every_line_is_json_and_says_when_and_how_grave() {
    let auth = AuthService::start();
    auth.token();
    auth.try_login(DEMO.0, "five wooden ladders").expect(401);
    for line in auth.log() {
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    assert!(auth.errors().is_empty(), "{:?}", auth.errors());
}

#[test]
fn pretty_lines_are_for_people() {
    let mut pretty = Launch::auth().var("LOG_FORMAT", "pretty").start();
    pretty.listener("public");
    pretty.listener("internal");
    assert!(pretty.output().iter().all(|line| !line.starts_with('{')), "{:?}", pretty.output());
}

#[test]
fn a_request_is_logged_by_how_it_ended() {
    let mut auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "debug"));
    let launch = Launch::business(auth.internal.port).var("RUST_LOG", "debug");
    let business = BusinessService::launch(&launch);
    let token = auth.token();
    let data = |id: &str, token: &str| {
        business.public.send(Request::get("/data").bearer(token).header("X-Request-Id", id)).status
    };
    assert_eq!(data("kettle-good", &token), 200);
    assert_eq!(data("kettle-refused", "nonsense"), 401);
    expect_level(&business, "kettle-good", "DEBUG");
    expect_level(&business, "kettle-refused", "INFO");
    auth.public.send(Request::get("/session").header("X-Request-Id", "kettle-missing")).expect(401);
    expect_level(&auth, "kettle-missing", "INFO");
    auth.kill();
    assert_eq!(data("kettle-failed", &token), 503);
    expect_level(&business, "kettle-failed", "ERROR");
}

#[test]
fn at_info_what_succeeds_is_silent_and_what_is_refused_is_not() {
    let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "info"));
    auth.public.send(Request::get("/livez").header("X-Request-Id", "kettle-silent")).expect(200);
    auth.public.send(Request::get("/session").header("X-Request-Id", "kettle-loud")).expect(401);
    auth.log_lines_with("kettle-loud", 1);
    assert!(!auth.output().iter().any(|line| line.contains("kettle-silent")));
}

#[test]
fn even_at_trace_no_secret_is_written() {
    let key = "nine-tin-whistles-in-a-row";
    let launch = Launch::auth().var("RUST_LOG", "trace").var("AUTH_INTERNAL_KEY", key);
    let auth = AuthService::launch_with_users(launch);
    let launch = Launch::business(auth.internal.port).var("RUST_LOG", "trace");
    let business = BusinessService::launch(&launch.var("BUSINESS_AUTH_KEY", key));
    let basic = "YW5uQGV4YW1wbGUuY29tOnNldmVuIGdyZWVuIGtldHRsZXMgd2hpc3RsZQ==";
    let wrong = "ten tired travellers rest";
    for process in [&*auth, &*business] {
        for secret in [key, basic, wrong, LONG_PASSWORD] {
            process.keep_secret(secret);
        }
    }
    let token = auth.login(ANN, LONG_PASSWORD);
    auth.public.send(Request::post("/login").basic(ANN, LONG_PASSWORD)).expect(200);
    auth.try_login(ANN, wrong).expect(401);
    let broken = format!(r#"{{"username":"{ANN}","password":"{LONG_PASSWORD}"#);
    auth.public.send(Request::post("/login").body("application/json", broken)).expect(400);
    business.data(&token).expect(200);
    business.public.send(Request::get("/data").cookie(&token)).expect(200);
    business.public.send(Request::get("/data").token(&token)).expect(200);
    auth.public.get(&format!("/session?token={token}")).expect(401);
    let ask = |request: Request| auth.internal.send(request.json(&json!({"token": token})));
    ask(Request::post("/validateToken").bearer(key)).expect(200);
    ask(Request::post("/validateToken").bearer(wrong)).expect(401);
    let minted = auth.mint(&token, &json!({"kind": "fixed"}));
    business.data(&minted).expect(200);
    auth.logout(&token);
    business.data(&token).expect(401);
    // Dropping the services searches all that they wrote.
}

#[test]
fn a_secret_in_the_output_would_fail_a_test() {
    let auth = AuthService::start();
    auth.keep_secret("listening on http://127.0.0.1");
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(auth)));
    assert!(dropped.is_err(), "the search for secrets finds nothing");
}
