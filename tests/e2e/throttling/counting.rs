//! What is counted, and when it is forgotten.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{ANN, BOB, WRONG, expect_throttled, limits, login_from};
use crate::harness::{AuthService, LONG_PASSWORD, Request, let_time_pass, now};

#[test]
fn past_the_limit_a_right_password_is_refused_too_and_others_are_not() {
    let auth = AuthService::launch(&limits("3/1h", "0", "0"));
    let admin = auth.token();
    auth.create(&admin, ANN);
    auth.create(&admin, BOB);
    for _ in 0..3 {
        auth.try_login(ANN, WRONG).expect_problem(401, "invalid_credentials");
    }
    let wait = expect_throttled(auth.try_login(ANN, LONG_PASSWORD));
    assert!((1190..=1200).contains(&wait), "a third of an hour: {wait}");
    expect_throttled(auth.try_login(ANN, WRONG));
    auth.try_login(BOB, LONG_PASSWORD).expect(200);
    login_from(&auth, "192.0.2.7", ANN, LONG_PASSWORD).expect(200);
    let throttled = auth.metric(r#"auth_logins_total{result="throttled"}"#);
    let failed = auth.metric(r#"auth_logins_total{result="failure"}"#);
    assert_eq!((throttled, failed), (Some(2.0), Some(3.0)));
}

#[test]
fn all_spellings_and_all_ways_in_are_one_count() {
    let ways: [fn(&AuthService, &str) -> u16; 4] = [
        |auth, name| {
            let body = json!({"username": name, "password": WRONG});
            auth.public.send(Request::post("/login").json(&body)).status
        },
        |auth, name| {
            let body = json!({"email": name, "password": WRONG});
            auth.public.send(Request::post("/login").json(&body)).status
        },
        |auth, name| auth.public.send(Request::post("/login").basic(name, WRONG)).status,
        |auth, name| {
            let name = name.replace(' ', "+").replace('@', "%40");
            let form = format!("username={name}&password={}", WRONG.replace(' ', "+"));
            auth.public.send(Request::post("/login").form(&form)).status
        },
    ];
    let spellings = [ANN, "ANN@EXAMPLE。COM.", "  Ａnn@Example.Com ", "a\u{ad}nn@example.com "];
    for exists in [true, false] {
        let auth = AuthService::launch(&limits("8/1h", "0", "0"));
        if exists {
            auth.create(&auth.token(), ANN);
        }
        let mut statuses = Vec::new();
        for (n, way) in ways.iter().enumerate() {
            statuses.push(way(&auth, spellings[n]));
            statuses.push(way(&auth, spellings[(n + 1) % 4]));
        }
        assert_eq!(statuses, [401; 8], "exists: {exists}");
        for (way, name) in ways.iter().zip(spellings) {
            assert_eq!(way(&auth, name), 429, "exists: {exists}");
        }
    }
}

#[test]
fn names_that_exist_and_names_that_do_not_are_throttled_in_the_same_bytes() {
    let auth = AuthService::launch(&limits("2/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    let refused = |name: &str| {
        for _ in 0..2 {
            auth.try_login(name, WRONG).expect(401);
        }
        let answer = auth.try_login(name, WRONG).expect_problem(429, "too_many_requests");
        answer.without_id_and_date()
    };
    let (existing, unknown) = (refused(ANN), refused("nobody@example.com"));
    // The wait is the same but for the second that may have begun between the two.
    assert_eq!(existing.headers.len(), unknown.headers.len());
    assert_eq!(existing.json()["title"], unknown.json()["title"]);
}

#[test]
fn after_retry_after_the_next_attempt_is_admitted_and_not_before() {
    let auth = AuthService::launch(&limits("3/6s", "0", "0"));
    auth.create(&auth.token(), ANN);
    let begun = now();
    for _ in 0..3 {
        auth.try_login(ANN, WRONG).expect(401);
    }
    let wait = expect_throttled(auth.try_login(ANN, LONG_PASSWORD));
    assert!((1..=2).contains(&wait), "one more every two seconds: {wait}");
    let_time_pass(Duration::from_millis(500));
    let early = auth.try_login(ANN, LONG_PASSWORD);
    if begun.elapsed() < Duration::from_secs(2) {
        expect_throttled(early);
    }
    let_time_pass(Duration::from_secs(wait).saturating_sub(Duration::from_millis(500)));
    auth.try_login(ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn a_success_clears_the_count() {
    let auth = AuthService::launch(&limits("3/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    for _ in 0..3 {
        for _ in 0..2 {
            auth.try_login(ANN, WRONG).expect(401);
        }
        auth.try_login(ANN, LONG_PASSWORD).expect(200);
    }
    // A right password with a role that the user lacks is no failure either.
    let body = json!({"username": ANN, "password": LONG_PASSWORD, "role": "pilot"});
    for _ in 0..6 {
        auth.public.send(Request::post("/login").json(&body)).expect_problem(403, "forbidden");
    }
    auth.try_login(ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn successes_count_nowhere() {
    let auth = AuthService::launch(&limits("2/1h", "2/1h", "2/1h"));
    for _ in 0..8 {
        auth.token();
    }
}

#[test]
fn what_is_no_attempt_at_a_password_is_not_counted() {
    let auth = AuthService::launch(&limits("2/1h", "2/1h", "2/1h"));
    auth.create(&auth.token(), ANN);
    for _ in 0..4 {
        auth.public.send(Request::post("/login").json(&json!({"username": ANN}))).expect(400);
        auth.public.send(Request::post("/login")).expect(400);
        auth.public.send(Request::post("/login").header("Authorization", "Basic !!!")).expect(401);
    }
    auth.try_login(ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn a_rate_of_zero_switches_a_limit_off() {
    let auth = AuthService::launch(&limits("0", "0", "0"));
    auth.create(&auth.token(), ANN);
    for _ in 0..15 {
        auth.try_login(ANN, WRONG).expect(401);
    }
    auth.try_login(ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn of_many_attempts_at_once_no_more_are_admitted_than_the_limit_says() {
    let auth = AuthService::launch(&limits("5/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    let barrier = Barrier::new(20);
    let attempt = || {
        barrier.wait();
        auth.try_login(ANN, WRONG).status
    };
    let statuses: Vec<u16> = thread::scope(|scope| {
        let all = [(); 20].map(|()| scope.spawn(attempt));
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(401), count(429)), (5, 15), "{statuses:?}");
}

#[test]
fn who_hangs_up_has_tried_all_the_same() {
    let auth = AuthService::launch(&limits("3/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    let body = json!({"username": ANN, "password": WRONG});
    let request = Request::post("/login").json(&body).encode(auth.public.port);
    let hashed = || auth.metric("auth_password_hash_seconds_count");
    let before = hashed().unwrap();
    for n in 1..=3 {
        let mut connection = auth.public.connect();
        connection.write(&request);
        // The password was checked; the answer does not depend on the result.
        crate::harness::eventually("the password is hashed", crate::harness::TIMEOUT, || {
            (hashed()? >= before + f64::from(n)).then_some(())
        });
        drop(connection);
    }
    expect_throttled(auth.try_login(ANN, LONG_PASSWORD));
}
