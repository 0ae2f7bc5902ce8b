//! Many logins with right passwords from one address: nobody throttles them, and others get in all
//! the same. Loopback addresses stand for networks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{AuthService, LONG_PASSWORD, Launch, Listener, Request, let_time_pass, now};

/// More than hash and wait at once.
const CLIENTS: usize = 100;

fn start() -> AuthService {
    AuthService::launch(
        &Launch::auth()
            .var("RUST_LOG", "error")
            .var("AUTH_PASSWORD_THREADS", "1")
            .var("AUTH_MAX_SESSIONS_PER_USER", "0"),
    )
}

/// Makes accounts and returns their names.
fn accounts(auth: &AuthService, count: usize) -> Vec<String> {
    let admin = auth.token();
    let names: Vec<String> = (0..count).map(|n| format!("user{n}@example.com")).collect();
    for name in &names {
        let new = json!({"email": name, "password": LONG_PASSWORD});
        let request = Request::post("/api/v1/users").bearer(&admin).json(&new);
        auth.public.send(request).expect(201);
    }
    names
}

fn log_in_from(last: u8, listener: Listener, name: &str) -> u16 {
    let body: Value = json!({"username": name, "password": LONG_PASSWORD});
    listener.connect_from(last, None).send(&Request::post("/login").json(&body)).status
}

/// The answers to the logins that were refused; none where all succeeded.
fn refusals(statuses: impl Iterator<Item = u16>) -> Vec<u16> {
    statuses.filter(|status| *status != 200).collect()
}

/// What clients of one address are answered who log in to these accounts all the time, `meanwhile`.
fn crowd(auth: &AuthService, names: &[String], meanwhile: impl FnOnce()) -> Vec<u16> {
    let (over, answered) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (over, answered) = (&over, &answered);
            let name = &names[client % names.len()];
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let status = log_in_from(2, auth.public, name);
                    answered.lock().unwrap().push(status);
                    if status != 200 {
                        let_time_pass(Duration::from_millis(20));
                    }
                }
            });
        }
        let full = now();
        while !answered.lock().unwrap().contains(&503) {
            assert!(full.elapsed() < Duration::from_secs(20), "the crowd fills the queue");
            let_time_pass(Duration::from_millis(10));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    answered.into_inner().unwrap()
}

#[test]
fn right_passwords_of_one_address_keep_nobody_else_out() {
    let auth = start();
    let mut names = accounts(&auth, 11);
    let victim = names.pop().unwrap();
    let crowd = crowd(&auth, &names, || {
        let others = (0..15).map(|n| log_in_from(3 + n % 3, auth.public, &victim));
        assert_eq!(refusals(others), [0; 0]);
    });
    assert!(crowd.contains(&200), "the crowd is served as well: {crowd:?}");
}

#[test]
fn logins_of_one_account_keep_no_other_account_of_the_same_address_out() {
    let auth = start();
    let mut names = accounts(&auth, 2);
    let victim = names.pop().unwrap();
    crowd(&auth, &names, || {
        let others = (0..8).map(|_| log_in_from(2, auth.public, &victim));
        assert_eq!(refusals(others), [0; 0]);
    });
}

#[test]
fn a_crowd_behind_one_address_alone_is_served_as_fast_as_it_is_hashed() {
    let auth = start();
    let names = accounts(&auth, 50);
    let hashed = || auth.metric("auth_password_hash_seconds_count").unwrap_or_default();
    let before = hashed();
    let crowd = crowd(&auth, &names, || let_time_pass(Duration::from_secs(2)));
    let served = crowd.iter().filter(|status| **status == 200).count();
    assert!(crowd.iter().all(|status| matches!(status, 200 | 503)), "{crowd:?}");
    // No work was done for somebody who was sent away.
    let served = f64::from(u32::try_from(served).unwrap());
    assert!(served > 5.0 && (hashed() - before - served).abs() < 0.5, "{served}");
}
