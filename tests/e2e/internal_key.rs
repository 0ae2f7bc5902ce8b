//! The internal key: where one is set, the internal listener answers no request without it.

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
fn who_comes_without_the_key_is_told_of_the_key_and_not_of_a_login() {
    let auth = start();
    let refusal = |request: Request, code: &str| {
        let detail = auth.internal.send(request).expect_problem(401, code).json();
        detail["detail"].as_str().unwrap().to_owned()
    };
    let ask = || Request::post("/validateToken").json(&json!({"token": "x"}));
    let value = || Request::get("/session/data").token(&auth.token());
    for (request, how) in [
        (ask(), "Authorization: Bearer KEY"),
        (Request::get("/metrics"), "Authorization: Bearer KEY"),
        (value(), "X-Internal-Key: KEY"),
    ] {
        let detail = refusal(request, "missing_token");
        assert!(detail.contains("AUTH_INTERNAL_KEY") && detail.contains(how), "{detail}");
        assert!(!detail.contains("login"), "{detail}");
    }
    for request in [
        ask().bearer("nonsense"),
        Request::get("/metrics").bearer("nonsense"),
        value().header("X-Internal-Key", "nonsense"),
    ] {
        let detail = refusal(request, "invalid_token");
        assert!(detail.contains("AUTH_INTERNAL_KEY") && !detail.contains("log in"), "{detail}");
    }
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

/// The log line of business-service about an auth service that refuses it; no response repeats it.
#[track_caller]
fn expect_hint(launch: &Launch, auth: &AuthService, status: &str, hint: &str) {
    let business = BusinessService::launch(launch);
    let token = auth.token();
    for _ in 0..8 {
        let answer = business.data(&token).expect_problem(503, "unavailable");
        assert!(!answer.text().contains("AUTH_") && !answer.text().contains(" key"), "{answer:?}");
    }
    let lines = business.log_lines_with(hint, 1);
    assert_eq!(lines.len(), 1, "once is enough: {lines:?}");
    assert!(lines[0].contains("\"WARN\""), "{lines:?}");
    assert!(lines[0].contains(&format!("the auth service answered {status}: {hint}")), "{lines:?}");
}

#[test]
fn business_service_says_in_its_log_that_the_key_is_most_likely_not_the_right_one() {
    let auth = start();
    let hint = "is BUSINESS_AUTH_KEY its AUTH_INTERNAL_KEY?";
    let without = Launch::business(auth.internal.port);
    let wrong = without.clone().var("BUSINESS_AUTH_KEY", "twelve-wrong-guesses");
    for launch in [without, wrong] {
        expect_hint(&launch, &auth, "401", hint);
    }
}

#[test]
fn business_service_says_in_its_log_that_the_address_is_most_likely_the_public_one() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.public.port);
    expect_hint(&launch, &auth, "404", "is BUSINESS_AUTH_URL its internal address?");
}
