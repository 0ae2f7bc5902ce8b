//! A machine that slept: what was to end meanwhile has ended.

use crate::harness::{ANN, AuthService, Clocks, DEMO, Launch, TIMEOUT, eventually, is_alive};

const WRONG: &str = "ten tired travellers rest";

#[test]
fn a_token_that_was_live_when_the_lid_was_closed_is_dead_in_the_morning() {
    let Some(clocks) = Clocks::new() else { return };
    let auth = AuthService::launch(&clocks.of(Launch::auth()));
    let token = auth.token();
    clocks.suspend(20);
    assert!(is_alive(&auth.validate(&token)), "its time is not over");
    clocks.suspend(60);
    assert!(!is_alive(&auth.validate(&token)));
    auth.session(&token).expect_problem(401, "invalid_token");
    assert!(is_alive(&auth.validate(&auth.token())), "who logs in now has the whole time");
}

#[test]
fn the_sweep_runs_at_once_after_the_sleep_whatever_its_interval() {
    let Some(clocks) = Clocks::new() else { return };
    let launch = clocks.of(Launch::auth()).var("AUTH_SWEEP_INTERVAL", "1h");
    let auth = AuthService::launch(&launch);
    auth.tokens(3);
    clocks.suspend(3600);
    eventually("what expired is swept", TIMEOUT, || {
        (auth.metric("auth_sessions_swept_total")? > 2.5).then_some(())
    });
}

#[test]
fn wrong_passwords_count_no_longer_than_they_would_have_awake() {
    let Some(clocks) = Clocks::new() else { return };
    let launch = clocks.of(Launch::auth()).var("AUTH_LOGIN_ATTEMPTS", "3/5m");
    let auth = AuthService::launch(&launch);
    for _ in 0..3 {
        auth.try_login(ANN, WRONG).expect(401);
    }
    auth.try_login(ANN, WRONG).expect(429);
    clocks.suspend(301);
    for _ in 0..3 {
        auth.try_login(ANN, WRONG).expect(401);
    }
    auth.try_login(ANN, WRONG).expect(429);
    auth.try_login(DEMO.0, DEMO.1).expect(200);
}
