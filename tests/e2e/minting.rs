//! Tokens for programs: fixed and single-use ones, minted by a fresh session.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    ANN, Answer, AuthService, LONG_PASSWORD, Launch, Request, is_alive, let_time_pass,
};

fn minted(auth: &AuthService, token: &str, body: &Value) -> Value {
    auth.try_mint(token, body).expect(201).json()
}

#[test]
fn a_token_is_minted_with_the_kind_the_time_and_the_name_asked_for() {
    let auth = AuthService::start();
    let maker = auth.token();
    let answer = minted(&auth, &maker, &json!({"kind": "fixed", "ttl": "2h", "name": "ci"}));
    assert_eq!(
        (answer["token_type"].as_str(), answer["expires_in"].as_u64()),
        (Some("Bearer"), Some(7200))
    );
    let session = &answer["session"];
    assert_eq!((session["kind"].as_str(), session["name"].as_str()), (Some("fixed"), Some("ci")));
    assert_eq!(session["expires_at"], session["absolute_expires_at"]);
    assert_eq!(
        (session["role"].as_str(), session["refresh_count"].as_u64()),
        (Some("admin"), Some(0))
    );
    assert_ne!(session["id"], auth.look_at(&maker)["session"]["id"]);
}

#[test]
fn each_kind_has_its_own_time_where_none_is_asked_for() {
    let auth = AuthService::start();
    let maker = auth.token();
    let expires_in = |body: Value| minted(&auth, &maker, &body)["expires_in"].as_u64().unwrap();
    assert_eq!(expires_in(json!({})), 3600, "fixed is the default");
    assert_eq!(expires_in(json!({"kind": "fixed"})), 3600);
    assert_eq!(expires_in(json!({"kind": "single_use"})), 900);
    assert_eq!(expires_in(json!({"kind": "sliding"})), 30);
    assert_eq!(expires_in(json!({"kind": "sliding", "ttl": "10s"})), 10);
}

#[test]
fn a_time_that_the_rules_do_not_accept_is_unprocessable() {
    let auth = AuthService::start();
    let maker = auth.token();
    for (kind, ttl) in [
        ("fixed", "91d"),
        ("fixed", "99999999999999999999d"),
        ("fixed", "0s"),
        ("single_use", "8d"),
        ("single_use", "0ms"),
        ("sliding", "31s"),
    ] {
        let answer = auth.try_mint(&maker, &json!({"kind": kind, "ttl": ttl}));
        answer.expect_problem(422, "unprocessable");
    }
    for (kind, ttl) in [("fixed", "90d"), ("single_use", "7d"), ("sliding", "30s")] {
        minted(&auth, &maker, &json!({"kind": kind, "ttl": ttl}));
    }
}

#[test]
fn what_is_no_duration_or_no_kind_is_an_invalid_request() {
    let auth = AuthService::start();
    let maker = auth.token();
    for body in [
        json!({"ttl": "soon"}),
        json!({"ttl": "1"}),
        json!({"ttl": ""}),
        json!({"ttl": 3600}),
        json!({"ttl": "-1h"}),
        json!({"ttl": "1 h"}),
        json!({"kind": "eternal"}),
        json!({"kind": 1}),
        json!({"name": 1}),
        json!([]),
    ] {
        let answer = auth.try_mint(&maker, &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        answer.expect_problem(400, "invalid_request");
    }
}

#[test]
fn a_fixed_token_never_slides_and_ends_at_its_moment() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_SWEEP_INTERVAL", "0"));
    let answer = minted(&auth, &auth.token(), &json!({"kind": "fixed", "ttl": "900ms"}));
    let token = answer["token"].as_str().unwrap();
    let verdict = auth.validate(token);
    assert!(is_alive(&verdict));
    assert_eq!(verdict["session"]["expires_at"], answer["session"]["expires_at"]);
    assert_eq!(verdict["session"]["refresh_count"], 1);
    let_time_pass(Duration::from_secs(1));
    assert_eq!(auth.validate(token)["reason"], "expired");
}

#[test]
fn it_outlives_its_makers_logout_but_not_the_end_of_all_sessions() {
    let auth = AuthService::start();
    let maker = auth.token();
    let fixed = auth.mint(&maker, &json!({}));
    auth.logout(&maker);
    assert!(is_alive(&auth.validate(&fixed)));
    let other = auth.token();
    auth.public.send(Request::delete("/sessions").bearer(&other)).expect(204);
    assert!(!is_alive(&auth.validate(&fixed)));
}

#[test]
fn it_has_its_makers_role_and_stands_in_the_list() {
    let auth = AuthService::start();
    let login = Request::post("/login")
        .json(&json!({"username": "jsf.fusco@gmail.com", "password": "postman", "role": "user"}));
    let maker = auth.public.send(login).expect(200).json()["token"].as_str().unwrap().to_owned();
    let session = minted(&auth, &maker, &json!({"name": "nightly"}))["session"].clone();
    assert_eq!(session["role"], "user");
    let list = auth.public.send(Request::get("/sessions").bearer(&maker)).expect(200).json();
    let named = |session: &&Value| session["name"] == "nightly";
    let listed = list["sessions"].as_array().unwrap().iter().find(named).expect("it is listed");
    assert_eq!(listed["id"], session["id"]);
}

#[test]
fn only_a_sliding_session_mints() {
    let auth = AuthService::start();
    let maker = auth.token();
    for kind in ["fixed", "single_use"] {
        let token = auth.mint(&maker, &json!({"kind": kind}));
        let answer = auth.try_mint(&token, &json!({})).expect_problem(403, "forbidden");
        answer.expect_challenge_error("insufficient_scope");
    }
    auth.public
        .send(Request::post("/tokens").json(&json!({})))
        .expect_problem(401, "missing_token");
    auth.try_mint("nonsense", &json!({})).expect_problem(401, "invalid_token");
}

fn expect_stale(answer: Answer, max_age: &str) {
    let answer = answer.expect_problem(401, "reauthentication_required");
    answer.expect_challenge(&format!(
        r#"Bearer realm="reinflate", error="insufficient_user_authentication", max_age="{max_age}""#
    ));
}

#[test]
fn only_a_fresh_login_mints_and_a_minted_session_is_as_old_as_its_makers_login() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_FRESH_FOR", "1s"));
    let maker = auth.token();
    let sliding = auth.mint(&maker, &json!({"kind": "sliding"}));
    auth.mint(&sliding, &json!({}));
    let_time_pass(Duration::from_millis(1100));
    expect_stale(auth.try_mint(&maker, &json!({})), "1");
    expect_stale(auth.try_mint(&sliding, &json!({})), "1");
    let rotated =
        auth.public.send(Request::post("/session/rotate").bearer(&maker)).expect(200).json();
    expect_stale(auth.try_mint(rotated["token"].as_str().unwrap(), &json!({})), "1");
    auth.mint(&auth.token(), &json!({}));
}

#[test]
fn minted_tokens_count_for_the_users_limit() {
    let launch = Launch::auth().var("AUTH_MAX_SESSIONS_PER_USER", "2");
    let auth = AuthService::launch_with_users(launch);
    let maker = auth.login(ANN, LONG_PASSWORD);
    let first = auth.mint(&maker, &json!({"ttl": "1h"}));
    let second = auth.mint(&maker, &json!({"ttl": "2h"}));
    let alive = [&maker, &first, &second].map(|token| is_alive(&auth.look_at(token)));
    assert_eq!(alive, [false, true, true], "the maker would have ended soonest");
    let lines = auth.log_lines_with("\"cause\":\"limit\"", 1);
    assert!(lines[0].contains("\"event\":\"session.ended\""), "{lines:?}");
}

#[test]
fn past_the_limit_a_user_mints_no_more_and_others_do() {
    let auth = AuthService::launch_with_users(Launch::auth().var("AUTH_MINTS_PER_USER", "3/1h"));
    let sessions = || auth.metric("auth_sessions_active");
    let (maker, other) = (auth.token(), auth.token());
    for refused in [json!({"ttl": "91d"}), json!({"kind": "royal"}), json!({"ttl": "0s"})] {
        auth.try_mint(&maker, &refused);
    }
    for _ in 0..3 {
        auth.try_mint(&maker, &json!({})).expect(201);
    }
    let before = sessions();
    for maker in [&maker, &other] {
        let answer = auth.try_mint(maker, &json!({"kind": "single_use"}));
        let answer = answer.expect_problem(429, "too_many_requests");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1200).contains(&wait), "{wait}");
    }
    assert_eq!(sessions(), before, "what is refused is not made");
    auth.try_mint(&auth.login(ANN, LONG_PASSWORD), &json!({})).expect(201);
}
