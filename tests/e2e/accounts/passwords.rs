//! A new password: who may set one, what it ends, and that a stolen session is no way to guess.

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, DEMO, LONG_PASSWORD, Launch, Request, is_alive};

const ANN: &str = "ann@example.com";
const NEW: &str = "eight purple trams ring";
const WRONG: &str = "three blue teapots sing";

fn change(auth: &AuthService, path: &str, token: &str, current: Option<&str>, new: &str) -> Answer {
    let mut body = json!({"new_password": new});
    if let Some(current) = current {
        body["current_password"] = Value::from(current);
    }
    auth.api_put(&format!("/users/{path}/password"), token, &body)
}

#[test]
fn a_new_password_ends_all_other_sessions_and_the_callers_own_lives() {
    let auth = AuthService::start();
    let id = auth.create(&auth.token(), ANN);
    let own = auth.login(ANN, LONG_PASSWORD);
    let others = [
        auth.login(ANN, LONG_PASSWORD),
        auth.mint(&own, &json!({"kind": "fixed"})),
        auth.mint(&own, &json!({"kind": "single_use"})),
    ];
    change(&auth, &id, &own, Some(LONG_PASSWORD), NEW).expect(204);
    assert!(is_alive(&auth.validate(&own)));
    assert!(others.iter().all(|token| !is_alive(&auth.validate(token))));
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    auth.login(ANN, NEW);
    // The follower of other processes' changes keeps it as well.
    change(&auth, "me", &own, Some(NEW), LONG_PASSWORD).expect(204);
    assert!(is_alive(&auth.validate(&own)));
}

#[test]
fn a_wrong_current_password_changes_and_ends_nothing() {
    let auth = AuthService::start();
    auth.create(&auth.token(), ANN);
    let tokens = [auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD)];
    for wrong in [WRONG, "", "seven green kettles whistl", "SEVEN GREEN KETTLES WHISTLE", NEW] {
        let refused =
            change(&auth, "me", &tokens[0], Some(wrong), NEW).expect_problem(422, "unprocessable");
        assert!(refused.text().contains("current_password"), "{refused:?}");
    }
    change(&auth, "me", &tokens[0], None, NEW).expect_problem(400, "invalid_request");
    let null = json!({"new_password": NEW, "current_password": null});
    auth.api_put("/users/me/password", &tokens[0], &null).expect_problem(400, "invalid_request");
    for missing in
        [json!({}), json!({"current_password": LONG_PASSWORD}), json!({"new_password": 1})]
    {
        auth.api_put("/users/me/password", &tokens[0], &missing)
            .expect_problem(400, "invalid_request");
    }
    assert!(tokens.iter().all(|token| is_alive(&auth.validate(token))));
    auth.login(ANN, LONG_PASSWORD);
}

#[test]
fn a_new_password_that_breaks_a_rule_is_refused() {
    let auth = AuthService::start();
    auth.create(&auth.token(), ANN);
    let tokens = [auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD)];
    for weak in ["short", "passwordpassword", "Ann@Example.com", &"kettle ".repeat(30)] {
        change(&auth, "me", &tokens[0], Some(LONG_PASSWORD), weak)
            .expect_problem(422, "unprocessable");
    }
    assert!(tokens.iter().all(|token| is_alive(&auth.validate(token))));
    auth.login(ANN, LONG_PASSWORD);
}

#[test]
fn an_admin_sets_anothers_without_the_current_one_but_not_the_own() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, ANN);
    let ann = auth.login(ANN, LONG_PASSWORD);
    change(&auth, &id, &admin, None, "short").expect_problem(422, "unprocessable");
    assert!(is_alive(&auth.validate(&ann)));
    change(&auth, &id, &admin, None, NEW).expect(204);
    assert!(!is_alive(&auth.validate(&ann)));
    assert!(is_alive(&auth.validate(&admin)));
    auth.login(ANN, NEW);
    change(&auth, "me", &admin, None, NEW).expect_problem(400, "invalid_request");
    change(&auth, "me", &admin, Some(WRONG), NEW).expect_problem(422, "unprocessable");
    let acting_as_user = auth.login_as(DEMO.0, DEMO.1, "user");
    change(&auth, &id, &acting_as_user, None, NEW).expect_problem(404, "not_found");
}

#[test]
fn wrong_current_passwords_and_wrong_logins_are_one_count() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_LOGIN_ATTEMPTS", "4/1h"));
    auth.create(&auth.token(), ANN);
    let token = auth.login(ANN, LONG_PASSWORD);
    for _ in 0..2 {
        change(&auth, "me", &token, Some(WRONG), NEW).expect(422);
        auth.try_login(ANN, WRONG).expect(401);
    }
    let refused = change(&auth, "me", &token, Some(LONG_PASSWORD), NEW);
    let refused = refused.expect_problem(429, "too_many_requests");
    assert!(refused.header("retry-after").is_some());
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(429, "too_many_requests");
    assert!(is_alive(&auth.validate(&token)), "a session is not throttled");
}

#[test]
fn a_right_current_password_clears_the_count() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_LOGIN_ATTEMPTS", "3/1h"));
    auth.create(&auth.token(), ANN);
    let token = auth.login(ANN, LONG_PASSWORD);
    for (old, new) in [(LONG_PASSWORD, NEW), (NEW, LONG_PASSWORD)] {
        for _ in 0..2 {
            change(&auth, "me", &token, Some(WRONG), new).expect(422);
        }
        change(&auth, "me", &token, Some(old), new).expect(204);
    }
}

#[test]
fn a_browsers_session_goes_on_under_another_token() {
    let auth = AuthService::start();
    auth.create(&auth.token(), ANN);
    let token = auth.login(ANN, LONG_PASSWORD);
    let body = json!({"current_password": LONG_PASSWORD, "new_password": NEW});
    let request = Request::put("/api/v1/users/me/password").cookie(&token).json(&body);
    let answer = auth.public.send(request).expect(204);
    let cookie = answer.header("set-cookie").expect("another cookie");
    let new = cookie.strip_prefix("reinflate=").and_then(|rest| rest.split(';').next()).unwrap();
    assert_ne!(new, token);
    assert!(!is_alive(&auth.validate(&token)));
    assert!(is_alive(&auth.validate(new)));
}
