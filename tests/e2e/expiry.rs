//! Sliding expiry: what is used stays alive, what is left alone dies, nothing lives for ever.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{AuthService, Launch, TIMEOUT, eventually, is_alive, let_time_pass, now};

/// With a short idle time, and no sweeper: the store knows what has expired.
fn with_ttl(ttl: &str) -> Launch {
    Launch::auth().var("AUTH_TOKEN_TTL", ttl).var("AUTH_SWEEP_INTERVAL", "0")
}

fn milliseconds(timestamp: &Value) -> u64 {
    let text = timestamp.as_str().expect("a timestamp");
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().expect("digits");
    // Days are counted as if each month had 31: differences within a day are what is asked for,
    // and a test that runs over midnight of the last of a month has to be run again.
    let days = part(8, 10) + 31 * part(5, 7);
    let seconds = ((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60 + part(17, 19);
    seconds * 1000 + part(20, 23)
}

#[test]
fn a_token_that_is_used_stays_alive_and_dies_left_alone() {
    let auth = AuthService::launch(&with_ttl("1500ms"));
    let token = auth.token();
    let start = now();
    let mut last_use = now();
    while start.elapsed() < Duration::from_secs(4) {
        let_time_pass(Duration::from_millis(250));
        let verdict = auth.validate(&token);
        let pause = last_use.elapsed();
        assert!(
            is_alive(&verdict) || pause > Duration::from_millis(1450),
            "dead after {pause:?}: {verdict}"
        );
        last_use = now();
    }
    let_time_pass(Duration::from_millis(1600));
    let verdict = auth.validate(&token);
    assert!(!is_alive(&verdict));
    assert_eq!(verdict["reason"], "expired");
    assert!(!is_alive(&auth.validate(&token)), "a dead token does not come back");
}

#[test]
fn each_use_gives_the_full_idle_time_again_and_is_counted() {
    let auth = AuthService::start();
    let token = auth.token();
    for count in 1..=3 {
        let session = auth.validate(&token)["session"].clone();
        assert_eq!(session["refresh_count"], count);
        assert_eq!(session["expires_in"], 30);
        let idle = milliseconds(&session["expires_at"]) - milliseconds(&session["last_used_at"]);
        assert!(idle.abs_diff(30_000) <= 2, "{session}");
    }
}

#[test]
fn looking_does_not_re_inflate() {
    let auth = AuthService::start();
    let token = auth.token();
    let used = auth.validate(&token)["session"].clone();
    let_time_pass(Duration::from_millis(30));
    for _ in 0..3 {
        let seen = auth.look_at(&token)["session"].clone();
        assert_eq!(seen["refresh_count"], 1);
        assert_eq!(seen["expires_at"], used["expires_at"]);
        assert_eq!(seen["last_used_at"], used["last_used_at"]);
    }
}

#[test]
fn looking_at_it_keeps_no_token_alive() {
    let auth = AuthService::launch(&with_ttl("800ms"));
    let token = auth.token();
    let issued = now();
    eventually("the token dies though it is looked at", TIMEOUT, || {
        let alive = is_alive(&auth.look_at(&token));
        assert!(!alive || issued.elapsed() < Duration::from_millis(1500), "a look kept it alive");
        (!alive).then_some(())
    });
}

#[test]
fn every_request_that_a_token_authenticates_is_a_use() {
    let auth = AuthService::start();
    let token = auth.token();
    assert_eq!(auth.session(&token).expect(200).json()["refresh_count"], 1);
    assert_eq!(auth.session(&token).expect(200).json()["refresh_count"], 2);
    assert_eq!(auth.validate(&token)["session"]["refresh_count"], 3);
}

#[test]
fn no_token_outlives_its_absolute_end_however_busy_it_is() {
    let launch = with_ttl("1s").var("AUTH_TOKEN_MAX_LIFETIME", "2s");
    let auth = AuthService::launch(&launch);
    let before = now();
    let token = auth.token();
    let issued = now();
    let died = eventually("the token dies though it is used", TIMEOUT, || {
        let sent_at = now();
        let verdict = auth.validate(&token);
        if !is_alive(&verdict) {
            return Some(now());
        }
        assert!(
            sent_at.duration_since(issued) < Duration::from_millis(2050),
            "it outlived its end"
        );
        let session = &verdict["session"];
        assert!(
            session["expires_at"].as_str() <= session["absolute_expires_at"].as_str(),
            "{session}"
        );
        None
    });
    assert!(died.duration_since(before) >= Duration::from_secs(2), "it died early");
}

#[test]
fn a_maximum_below_the_idle_time_bounds_it_from_the_start() {
    let launch = with_ttl("30s").var("AUTH_TOKEN_MAX_LIFETIME", "10s");
    let login = AuthService::launch(&launch).login_answer("jsf.fusco@gmail.com", "postman");
    assert_eq!(login["expires_in"], 10);
    assert_eq!(login["session"]["expires_at"], login["session"]["absolute_expires_at"]);
}

#[test]
fn with_the_sweeper_off_nothing_expired_is_accepted() {
    let auth = AuthService::launch(&with_ttl("300ms"));
    let tokens = auth.tokens(5);
    let_time_pass(Duration::from_millis(400));
    for token in &tokens {
        let verdict = auth.validate(token);
        assert!(!is_alive(&verdict));
        assert_eq!(verdict["reason"], "expired");
        auth.session(token).expect_problem(401, "invalid_token");
    }
}

#[test]
fn what_has_expired_leaves_memory_with_the_next_sweep() {
    let launch = with_ttl("400ms").var("AUTH_SWEEP_INTERVAL", "100ms");
    let auth = AuthService::launch(&launch);
    let tokens = auth.tokens(5);
    eventually("the swept sessions are counted", TIMEOUT, || {
        (auth.metric("auth_sessions_swept_total") == Some(5.0)).then_some(())
    });
    assert_eq!(auth.metric("auth_sessions_active"), Some(0.0));
    assert!(!is_alive(&auth.validate(&tokens[0])));
}

#[test]
fn the_gauge_follows_logins_and_logouts() {
    let auth = AuthService::start();
    let tokens = auth.tokens(3);
    assert_eq!(auth.metric("auth_sessions_active"), Some(3.0));
    auth.logout(&tokens[0]);
    assert_eq!(auth.metric("auth_sessions_active"), Some(2.0));
}

#[test]
fn past_the_cap_a_new_session_ends_the_one_that_would_end_soonest() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_MAX_SESSIONS_PER_USER", "3"));
    let mut tokens = auth.tokens(3);
    let_time_pass(Duration::from_millis(20));
    // The first is used, so the second is now the one that would end soonest.
    assert!(is_alive(&auth.validate(&tokens[0])));
    tokens.push(auth.token());
    let alive: Vec<bool> = tokens.iter().map(|token| is_alive(&auth.look_at(token))).collect();
    assert_eq!(alive, [true, false, true, true]);
}
