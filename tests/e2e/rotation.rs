//! Rotation: a new token for the same session, the old one dead at once.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{ANN, Answer, AuthService, LONG_PASSWORD, Request, is_alive};

fn rotate(auth: &AuthService, token: &str) -> Answer {
    auth.public.send(Request::post("/session/rotate").bearer(token))
}

fn rotate_to(auth: &AuthService, token: &str, role: &Value) -> Answer {
    auth.public.send(Request::post("/session/rotate").bearer(token).json(&json!({"role": role})))
}

fn token_in(answer: &Answer) -> String {
    answer.json()["token"].as_str().expect("a token").to_owned()
}

#[test]
fn the_session_stays_and_the_token_changes() {
    let auth = AuthService::start();
    let login = auth.login_answer("jsf.fusco@gmail.com", "postman");
    let old = login["token"].as_str().unwrap();
    let answer = rotate(&auth, old).expect(200);
    let body = answer.json();
    assert_eq!(
        (body["token_type"].as_str(), body["expires_in"].as_u64()),
        (Some("Bearer"), Some(30))
    );
    for same in ["id", "kind", "user", "role", "created_at", "absolute_expires_at"] {
        assert_eq!(body["session"][same], login["session"][same], "{same}");
    }
    let new = token_in(&answer);
    assert_eq!((new.len(), &new[4..26]), (64, &old[4..26]), "the id is the same");
    assert_ne!(new[26..58], old[26..58], "the secret is another");
    assert!(!is_alive(&auth.validate(old)));
    assert!(is_alive(&auth.validate(&new)));
}

#[test]
fn of_two_rotations_at_once_one_is_refused() {
    let auth = AuthService::start();
    for _ in 0..5 {
        let token = auth.token();
        let barrier = Barrier::new(2);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let race = || {
                barrier.wait();
                rotate(&auth, &token)
            };
            let racers = [scope.spawn(race), scope.spawn(race)];
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert!(is_alive(&auth.validate(&token_in(winner))));
    }
}

#[test]
fn a_rotation_may_change_the_role_but_not_to_admin() {
    let auth = AuthService::start();
    let admin = auth.token();
    let user = rotate_to(&auth, &admin, &json!("user")).expect(200);
    assert_eq!(user.json()["session"]["role"], "user");
    let user = token_in(&user);
    rotate_to(&auth, &user, &json!("admin")).expect_problem(403, "forbidden");
    rotate_to(&auth, &user, &json!("pilot")).expect_problem(403, "forbidden");
    rotate_to(&auth, &user, &json!(7)).expect_problem(400, "invalid_request");
    assert!(is_alive(&auth.validate(&user)), "what is refused changes nothing");
}

#[test]
fn a_role_that_the_user_lacks_is_forbidden() {
    let auth = AuthService::with_users();
    let token = auth.login(ANN, LONG_PASSWORD);
    let answer = rotate_to(&auth, &token, &json!("admin")).expect_problem(403, "forbidden");
    answer.expect_challenge_error("insufficient_scope");
}

#[test]
fn only_a_sliding_session_rotates() {
    let auth = AuthService::start();
    let fixed = auth.mint(&auth.token(), &json!({"kind": "fixed"}));
    let answer = rotate(&auth, &fixed).expect_problem(403, "forbidden");
    answer.expect_challenge_error("insufficient_scope");
    assert!(is_alive(&auth.validate(&fixed)));
    let once = auth.mint(&auth.token(), &json!({"kind": "single_use"}));
    rotate(&auth, &once).expect_problem(403, "forbidden");
}

#[test]
fn without_a_live_token_there_is_nothing_to_rotate() {
    let auth = AuthService::start();
    auth.public.send(Request::post("/session/rotate")).expect_problem(401, "missing_token");
    rotate(&auth, "nonsense").expect_problem(401, "invalid_token");
    let token = auth.token();
    auth.logout(&token);
    rotate(&auth, &token).expect_problem(401, "invalid_token");
}
