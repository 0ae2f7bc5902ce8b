//! Single-use tokens: good once, at any endpoint, however many requests present it at once.

use std::sync::Barrier;
use std::thread;

use serde_json::json;

use crate::harness::{AuthService, BusinessService, Request, is_alive};

fn single_use(auth: &AuthService) -> String {
    auth.mint(&auth.token(), &json!({"kind": "single_use"}))
}

#[test]
fn of_64_concurrent_validations_exactly_one_is_a_yes() {
    let auth = AuthService::start();
    for _ in 0..3 {
        let token = single_use(&auth);
        let barrier = Barrier::new(64);
        let verdicts: Vec<_> = thread::scope(|scope| {
            let validate = || {
                barrier.wait();
                auth.validate(&token)
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(validate)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(verdicts.iter().filter(|verdict| is_alive(verdict)).count(), 1);
        assert!(!is_alive(&auth.validate(&token)));
    }
}

#[test]
fn its_one_use_shows_a_whole_session() {
    let auth = AuthService::start();
    let verdict = auth.validate(&single_use(&auth));
    assert!(is_alive(&verdict));
    assert_eq!(verdict["session"]["kind"], "single_use");
    assert_eq!(verdict["session"]["refresh_count"], 1);
}

#[test]
fn looking_does_not_use_it_up() {
    let auth = AuthService::start();
    let token = single_use(&auth);
    assert!(is_alive(&auth.look_at(&token)));
    assert!(is_alive(&auth.look_at(&token)));
    assert!(is_alive(&auth.validate(&token)));
    assert!(!is_alive(&auth.look_at(&token)));
}

#[test]
fn whoever_only_introspects_it_is_never_told_that_it_is_active() {
    let auth = AuthService::start();
    let maker = auth.token();
    let active = |token: &str| {
        let form = Request::post("/introspect").form(&format!("token={token}"));
        auth.internal.send(form).expect(200).json()
    };
    let token = auth.mint(&maker, &json!({"kind": "single_use"}));
    for _ in 0..2 {
        assert_eq!(active(&token), json!({"active": false}));
    }
    assert!(is_alive(&auth.validate(&token)), "introspecting is no use");
    assert_eq!(active(&token), json!({"active": false}));
    for kind in ["fixed", "sliding"] {
        let token = auth.mint(&maker, &json!({ "kind": kind }));
        assert_eq!(active(&token)["active"], true, "{kind}");
    }
}

#[test]
fn the_first_door_uses_it_up_for_all() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = single_use(&auth);
    auth.session(&token).expect(200);
    assert!(!is_alive(&auth.validate(&token)));
    let token = single_use(&auth);
    business.data(&token).expect(200);
    business.data(&token).expect_problem(401, "invalid_token");
    auth.session(&token).expect_problem(401, "invalid_token");
    let token = single_use(&auth);
    auth.logout(&token);
    assert!(!is_alive(&auth.validate(&token)));
}

#[test]
fn a_batch_uses_it_once() {
    let auth = AuthService::start();
    let token = single_use(&auth);
    let answer = auth.try_validate(&json!({"tokens": [token, token, token]})).expect(200).json();
    let alive: Vec<bool> = answer["results"].as_array().unwrap().iter().map(is_alive).collect();
    assert_eq!(alive, [true, false, false]);
}
