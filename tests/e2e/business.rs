//! business-service: data for a live session, and exactly the promised refusal for all else.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    ANN, AuthService, BusinessService, DEMO, LONG_PASSWORD, Launch, Request, let_time_pass,
};

#[test]
fn a_live_token_opens_the_data() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let answer = business.data(&auth.token()).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert!(body["data"].as_object().is_some_and(|data| !data.is_empty()), "{body}");
    assert!(answer.text().contains(DEMO.0), "the data is the caller's own: {body}");
}

#[test]
fn the_protected_resource_names_the_user() {
    let auth = AuthService::with_users();
    let business = BusinessService::start(&auth);
    let token = auth.login(ANN, LONG_PASSWORD);
    let answer =
        business.public.send(Request::get("/protected-resource").token(&token)).expect(200);
    assert_eq!(answer.json(), json!({"message": "This is a protected resource", "user": ANN}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn both_resources_refuse_alike() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for path in ["/data", "/protected-resource"] {
        let missing = business.public.get(path).expect_problem(401, "missing_token");
        missing.expect_challenge(r#"Bearer realm="reinflate""#);
        let invalid = business.public.send(Request::get(path).bearer("nonsense"));
        invalid.expect_problem(401, "invalid_token").expect_challenge_error("invalid_token");
        let answer =
            business.public.send(Request::delete(path)).expect_problem(405, "method_not_allowed");
        assert!(
            answer.header("allow").is_some_and(|allowed| allowed.contains("GET")),
            "{answer:?}"
        );
    }
    business.public.get("/nothing").expect_problem(404, "not_found");
}

#[test]
fn every_call_validates_anew() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    for count in 1..=3 {
        business.data(&token).expect(200);
        assert_eq!(auth.look_at(&token)["session"]["refresh_count"], count);
    }
    auth.logout(&token);
    business.data(&token).expect_problem(401, "invalid_token");
}

#[test]
fn using_the_data_keeps_a_token_alive_and_a_pause_ends_it() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_TOKEN_TTL", "1500ms"));
    let business = BusinessService::start(&auth);
    let token = auth.token();
    for _ in 0..8 {
        let_time_pass(Duration::from_millis(250));
        business.data(&token).expect(200);
    }
    let_time_pass(Duration::from_millis(1600));
    business.data(&token).expect_problem(401, "invalid_token");
}

#[test]
fn a_fixed_token_opens_the_data_for_a_server() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let fixed = auth.mint(&auth.token(), &json!({"kind": "fixed", "ttl": "1h"}));
    business.data(&fixed).expect(200);
    business.data(&fixed).expect(200);
}

#[test]
fn a_browser_without_a_session_is_sent_to_the_login_and_another_client_is_not() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port)
        .var("BUSINESS_LOGIN_URL", "http://localhost:1234/login")
        .var("BUSINESS_PUBLIC_URL", "http://localhost:5678");
    let business = BusinessService::launch(&launch);
    for page in ["/dashboard", "/protected"] {
        let navigation = Request::get(&format!("{page}?a=1&b=2")).header("Accept", "text/html");
        let answer = business.public.send(navigation).expect(303);
        let encoded = page.replace('/', "%2F");
        let expected = format!(
            "http://localhost:1234/login?next=http%3A%2F%2Flocalhost%3A5678{encoded}%3Fa%3D1%26b%3D2"
        );
        assert_eq!(answer.header("location"), Some(expected.as_str()));
        business.public.get(page).expect_problem(401, "missing_token");
        let with_session = Request::get(page).header("Accept", "text/html").cookie(&auth.token());
        let answer = business.public.send(with_session).expect(200);
        assert!(
            answer.header("content-type").is_some_and(|t| t.starts_with("text/html")),
            "{answer:?}"
        );
        assert!(answer.text().contains(DEMO.0));
    }
}

#[test]
fn several_addresses_are_one_service() {
    let auth = AuthService::start();
    let closed_port = crate::harness::unused_port();
    let urls = format!("http://127.0.0.1:{closed_port},http://127.0.0.1:{}", auth.internal.port);
    let launch = Launch::business(0).var("BUSINESS_AUTH_URL", urls);
    let business = BusinessService::launch(&launch);
    let token = auth.token();
    for _ in 0..6 {
        business.data(&token).expect(200);
    }
}
