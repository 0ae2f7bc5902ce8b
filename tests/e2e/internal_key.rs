//! The internal key: where one is set, the internal listener answers nobody without it.

use serde_json::json;

use crate::harness::{AuthService, BusinessService, Launch, Request};

const KEY: &str = "eleven-paper-lanterns-on-a-string";

fn start() -> AuthService {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    auth.keep_secret(KEY);
    auth
}

#[test]
fn a_validation_needs_the_key() {
    let auth = start();
    let ask = || Request::post("/validateToken").json(&json!({"token": auth.token()}));
    auth.internal.send(ask().bearer(KEY)).expect(200);
    assert_eq!(auth.internal.send(ask()).status, 401);
    for wrong in ["", "eleven", &KEY[1..], &format!("{KEY}x"), &KEY.to_uppercase()] {
        assert_eq!(auth.internal.send(ask().bearer(wrong)).status, 401, "{wrong:?}");
    }
    assert_eq!(auth.internal.send(ask().header("X-Internal-Key", KEY)).status, 401);
    assert_eq!(
        auth.internal.send(ask().header("Authorization", format!("Basic {KEY}"))).status,
        401
    );
}

#[test]
fn metrics_need_the_key_and_probes_do_not() {
    let auth = start();
    assert_eq!(auth.internal.get("/metrics").status, 401);
    auth.internal.send(Request::get("/metrics").bearer(KEY)).expect(200);
    auth.internal.get("/livez").expect(200);
    auth.internal.get("/readyz").expect(200);
}

#[test]
fn values_take_the_key_in_a_header_of_its_own() {
    let auth = start();
    let token = auth.token();
    let put = || Request::put("/session/data/cart").bearer(&token).json(&json!(1));
    auth.internal.send(put().header("X-Internal-Key", KEY)).expect(204);
    assert_eq!(auth.internal.send(put()).status, 401);
    assert_eq!(auth.internal.send(put().header("X-Internal-Key", "nonsense")).status, 401);
    let by_header = Request::get("/session/data").token(&token).bearer(KEY);
    assert!(
        auth.internal.send(by_header).status >= 400,
        "the key is not told in Authorization here"
    );
}

#[test]
fn the_public_listener_knows_no_key() {
    let auth = start();
    auth.session(&auth.token()).expect(200);
    auth.session(KEY).expect_problem(401, "invalid_token");
}

#[test]
fn business_service_sends_its_key() {
    let auth = start();
    let launch = Launch::business(auth.internal.port);
    let business = BusinessService::launch(&launch.clone().var("BUSINESS_AUTH_KEY", KEY));
    business.keep_secret(KEY);
    let token = auth.token();
    business.data(&token).expect(200);
    for launch in [launch.clone(), launch.var("BUSINESS_AUTH_KEY", "twelve-wrong-guesses")] {
        let stranger = BusinessService::launch(&launch);
        stranger.data(&token).expect_problem(503, "unavailable");
    }
}
