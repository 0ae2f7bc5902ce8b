//! Logout: it always answers the same, and what it has ended never comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{AuthService, BusinessService, Request, TIMEOUT, eventually, is_alive};

#[test]
fn a_logout_is_answered_with_204_whatever_the_token_was() {
    let auth = AuthService::start();
    let token = auth.token();
    let mut mistyped = token.clone();
    mistyped.replace_range(40..41, if &token[40..41] == "a" { "b" } else { "a" });
    for token in [token.as_str(), &token, &mistyped, "nonsense", &"x".repeat(64)] {
        let answer = auth.public.send(Request::post("/logout").bearer(token)).expect(204);
        assert!(answer.body.is_empty() && answer.header("set-cookie").is_none(), "{answer:?}");
    }
}

#[test]
fn a_logout_without_a_token_says_that_it_is_missing() {
    let auth = AuthService::start();
    let answer = auth.public.send(Request::post("/logout")).expect_problem(401, "missing_token");
    answer.expect_challenge(r#"Bearer realm="reinflate""#);
}

#[test]
fn a_logout_takes_the_token_from_any_header_and_expires_the_cookie() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    auth.public.send(Request::post("/logout").token(&tokens[0])).expect(204);
    let by_cookie = auth.public.send(Request::post("/logout").cookie(&tokens[1])).expect(204);
    let cookie = by_cookie.header("set-cookie").unwrap_or_default();
    assert!(cookie.starts_with("reinflate=;") && cookie.contains("Max-Age=0"), "{by_cookie:?}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("Path=/"), "{by_cookie:?}");
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
}

#[test]
fn a_cookie_that_comes_beside_a_header_is_expired_as_well() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    for cookie in ["reinflate=nonsense".to_owned(), format!("reinflate={}", tokens[1])] {
        let request = Request::post("/logout").bearer(&tokens[0]).header("Cookie", cookie);
        let answer = auth.public.send(request).expect(204);
        let expired = answer.header("set-cookie").unwrap_or_default();
        assert!(expired.starts_with("reinflate=;") && expired.contains("Max-Age=0"), "{answer:?}");
    }
    assert!(!is_alive(&auth.validate(&tokens[0])));
    let other = Request::post("/logout").bearer("nonsense").header("Cookie", "other=1");
    assert_eq!(auth.public.send(other).expect(204).header("set-cookie"), None);
}

#[test]
fn another_method_ends_nothing() {
    let auth = AuthService::start();
    let token = auth.token();
    let answer = auth.public.send(Request::get("/logout").bearer(&token));
    let answer = answer.expect_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    assert!(is_alive(&auth.validate(&token)));
}

#[test]
fn after_a_logout_the_token_is_dead_at_every_door() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    business.data(&token).expect(200);
    auth.logout(&token);
    assert!(!is_alive(&auth.validate(&token)));
    assert!(!is_alive(&auth.look_at(&token)));
    auth.session(&token)
        .expect_problem(401, "invalid_token")
        .expect_challenge_error("invalid_token");
    business
        .data(&token)
        .expect_problem(401, "invalid_token")
        .expect_challenge_error("invalid_token");
}

#[test]
fn a_logout_ends_that_session_alone() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    auth.logout(&tokens[0]);
    assert!(is_alive(&auth.validate(&tokens[1])));
}

/// Validates one token after the other on an open connection until told to stop; counts the
/// validations that began after the logout had answered, and fails if one of them is a yes.
fn keep_validating(auth: &AuthService, token: &str, logged_out: &AtomicBool, after: &AtomicUsize) {
    let mut connection = auth.internal.connect();
    let request = Request::post("/validateToken").json(&json!({"token": token}));
    let mut late = 0;
    while late < 3 {
        let was_logged_out = logged_out.load(Ordering::SeqCst);
        let verdict: Value = connection.send(&request).expect(200).json();
        if was_logged_out {
            late += 1;
            after.fetch_add(1, Ordering::SeqCst);
            assert!(!is_alive(&verdict), "a validation brought it back: {verdict}");
        }
    }
}

#[test]
fn no_validation_that_races_with_a_logout_brings_the_session_back() {
    let auth = AuthService::start();
    for token in auth.tokens(25) {
        let (logged_out, before) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| keep_validating(&auth, &token, &logged_out, &before));
            }
            auth.logout(&token);
            logged_out.store(true, Ordering::SeqCst);
        });
        assert_eq!(before.load(Ordering::SeqCst), 24);
        assert!(!is_alive(&auth.look_at(&token)));
    }
    eventually("no session is left", TIMEOUT, || {
        (auth.metric("auth_sessions_active") == Some(0.0)).then_some(())
    });
}
