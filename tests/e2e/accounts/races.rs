//! A login that races with what ends a user's sessions leaves nothing behind.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{AuthService, LONG_PASSWORD, Launch, is_alive, let_time_pass};

/// Rounds at least, and at most where none of them was a race yet.
const ROUNDS: (usize, usize) = (9, 90);
const LOGINS: usize = 3;

/// A way to end all of a user's sessions, at a moment that is another one in each round.
type Ending<'a> = &'a (dyn Fn(&AuthService, &str, &str) -> u16 + Sync);

/// Logs in again and again while `end` happens, and fails where a session is left of those that
/// were opened with the old password.
fn race(end: Ending<'_>) {
    // As many hashes at once as there are requests: none of them waits for the others.
    let launch = Launch::auth().var("AUTH_SWEEP_INTERVAL", "0").var("AUTH_PASSWORD_THREADS", "4");
    let auth = AuthService::launch(&launch);
    let admin = auth.token();
    let (mut won, mut all) = (0, 0);
    for round in 0..ROUNDS.1 {
        if round >= ROUNDS.0 && won > 0 && won < all {
            break;
        }
        let name = format!("u{round}@example.com");
        let id = auth.create(&admin, &name);
        let barrier = Barrier::new(LOGINS + 1);
        let login = || {
            barrier.wait();
            let answer = auth.try_login(&name, LONG_PASSWORD);
            assert!(matches!(answer.status, 200 | 401), "{answer:?}");
            (answer.status == 200).then(|| answer.json()["token"].as_str().unwrap().to_owned())
        };
        let tokens: Vec<String> = thread::scope(|scope| {
            let logins = [(); LOGINS].map(|()| scope.spawn(login));
            barrier.wait();
            // Somewhere within the time that these logins take.
            let_time_pass(Duration::from_millis((round % ROUNDS.0) as u64 * 8));
            let status = end(&auth, &id, &admin);
            assert!(matches!(status, 200 | 204), "{status}");
            logins.into_iter().filter_map(|login| login.join().unwrap()).collect()
        });
        won += tokens.len();
        all += LOGINS;
        for token in &tokens {
            assert!(!is_alive(&auth.look_at(token)), "round {round}: a survivor");
        }
        let listed = auth.api_get(&format!("/users/{id}/sessions"), &admin);
        if listed.status == 200 {
            assert_eq!(listed.json()["sessions"], Value::Array(Vec::new()), "round {round}");
        }
    }
    assert!(won > 0 && won < all, "{won} of {all} logins came first: there was no race");
    assert_eq!(auth.api_get("/stats", &admin).json()["sessions"], 1);
}

#[test]
fn a_login_that_races_with_disabling_leaves_no_session() {
    race(&|auth, id, admin| {
        auth.api_put(&format!("/users/{id}"), admin, &json!({"disabled": true})).status
    });
}

#[test]
fn a_login_that_races_with_a_deletion_leaves_no_session() {
    race(&|auth, id, admin| auth.api_delete(&format!("/users/{id}"), admin).status);
}

#[test]
fn a_login_that_races_with_a_new_password_leaves_no_session() {
    let new = json!({"new_password": "eight purple trams ring"});
    race(&|auth, id, admin| auth.api_put(&format!("/users/{id}/password"), admin, &new).status);
}
