//! Killed while users are being created: every user that was answered with 201 exists, exactly once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    AuthService, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually, let_time_pass,
};

/// Everybody in the database, page by page.
fn everybody(auth: &AuthService) -> Vec<String> {
    let admin = auth.token();
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = auth.api_get(&format!("/users?limit=500{after}"), &admin).expect(200).json();
        let users = page["users"].as_array().unwrap().iter();
        names.extend(users.map(|user| user["email"].as_str().unwrap().to_lowercase()));
        let Some(next) = page["next"].as_str() else { return names };
        after = format!("&after={next}");
    }
}

/// Creates users until the service is killed under it; each name by two threads at once. Those of
/// whom it was told 201.
fn create_until_killed(auth: &mut AuthService, round: usize) -> Vec<String> {
    let admin = auth.token();
    let acknowledged = Mutex::new(Vec::new());
    let public = auth.public;
    let create = |thread: usize| {
        let Ok(mut connection) = public.try_connect() else { return };
        for n in 0.. {
            let name = format!("u{round}-{}-{n}@example.com", thread / 2);
            let body = json!({"email": name, "password": LONG_PASSWORD});
            let request = Request::post("/api/v1/users").bearer(&admin).json(&body);
            match connection.try_send(&request) {
                Ok(answer) if answer.status == 201 => acknowledged.lock().unwrap().push(name),
                Ok(answer) => assert!([409, 503].contains(&answer.status), "{answer:?}"),
                Err(_) => return,
            }
        }
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || create(thread));
        }
        eventually("some are created", TIMEOUT, || {
            (acknowledged.lock().unwrap().len() > round % 5).then_some(())
        });
        // Another moment in each round: while a password is hashed, or a row written.
        let_time_pass(Duration::from_millis(7 * (round as u64 % 6)));
        auth.kill();
    });
    acknowledged.into_inner().unwrap()
}

fn kill_and_look(rounds: usize) {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let database = format!("sqlite:{}", directory.path().join("users.db").display());
    let launch = Launch::auth().var("AUTH_DATABASE_URL", database);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let mut auth = AuthService::launch(&launch);
        acknowledged.extend(create_until_killed(&mut auth, round));
    }
    let auth = AuthService::launch(&launch);
    let there = everybody(&auth);
    let names: BTreeSet<&String> = there.iter().collect();
    assert_eq!(names.len(), there.len(), "somebody is there twice");
    for name in &acknowledged {
        assert!(names.contains(name), "{name} was acknowledged and is not there");
    }
    let once: BTreeSet<&String> = acknowledged.iter().collect();
    assert_eq!(once.len(), acknowledged.len(), "one name was acknowledged twice");
    let last = acknowledged.last().unwrap();
    assert_eq!(
        auth.login_answer(last, LONG_PASSWORD)["session"]["user"]["username"],
        Value::from(last.as_str())
    );
    eprintln!("{rounds} kills: {} acknowledged, {} there", acknowledged.len(), there.len());
}

#[test]
fn everybody_who_was_acknowledged_outlives_a_kill() {
    kill_and_look(4);
}

#[test]
#[ignore = "the same fifty times"]
fn everybody_who_was_acknowledged_outlives_fifty_kills() {
    kill_and_look(50);
}
