//! A login that fails takes as long as another that fails, whatever the reason.

use std::time::Duration;

use serde_json::json;

use crate::harness::{ANN, AuthService, BOB, Launch, Request, now};

/// Unknown; with another password; disabled.
const NAMES: [&str; 3] = ["nobody@example.com", ANN, BOB];
const WRONG: &str = "three blue teapots sing";

/// Without limits, which these logins would soon meet.
fn unlimited() -> AuthService {
    let launch = Launch::auth()
        .var("AUTH_LOGIN_ATTEMPTS", "0")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "0")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0");
    let auth = AuthService::launch_with_users(launch);
    auth.users_command(&["disable", BOB]);
    auth
}

/// A way to log in, by its name.
type Way = (&'static str, fn(&str) -> Request);

const WAYS: [Way; 3] = [
    ("JSON", |name| Request::post("/login").json(&json!({"username": name, "password": WRONG}))),
    ("Basic", |name| Request::post("/login").basic(name, WRONG)),
    ("form", |name| {
        let (name, password) = (name.replace('@', "%40"), WRONG.replace(' ', "+"));
        Request::post("/login").form(&format!("username={name}&password={password}"))
    }),
];

/// The times of so many failures for each name, the shortest first. They take turns, so that what
/// else the machine does meets all of them.
fn times(auth: &AuthService, way: Way, names: &[&str], samples: usize) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(samples); names.len()];
    let mut connection = auth.public.connect();
    for round in 0..=samples {
        for turn in 0..names.len() {
            // Each comes after each of the others equally often.
            let place = (turn + round) % names.len();
            let request = way.1(names[place]);
            let begun = now();
            let status = connection.send(&request).status;
            let took = begun.elapsed();
            assert_eq!(status, 401, "{} by {}", names[place], way.0);
            // The first of each warms up.
            if round > 0 {
                times[place].push(took);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    times
}

/// How far apart the slowest and the fastest are: 1 is not at all.
fn spread(times: &[Duration]) -> f64 {
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    most.as_secs_f64() / least.as_secs_f64()
}

/// A hash is ten times all the rest. Whoever is answered without one is found by the fastest of
/// many answers, which even a busy machine hardly delays; the medians are measured apart.
#[test]
fn unknown_wrong_and_disabled_cost_the_same_work() {
    let auth = unlimited();
    for way in WAYS {
        let mut fastest = [Duration::MAX; 3];
        for _ in 0..8 {
            let times = times(&auth, way, &NAMES, 6);
            for (fastest, times) in fastest.iter_mut().zip(times) {
                *fastest = times[0].min(*fastest);
            }
            if spread(&fastest) < 1.2 {
                break;
            }
        }
        assert!(spread(&fastest) < 2.0, "{}: {fastest:?}", way.0);
    }
}

#[test]
#[ignore = "a measurement: two hundred logins of each kind, on a machine that does nothing else"]
fn medians_of_two_hundred() {
    let auth = unlimited();
    for way in WAYS {
        let times = times(&auth, way, &NAMES, 200);
        let medians: Vec<Duration> = times.iter().map(|times| times[times.len() / 2]).collect();
        eprintln!("{}: unknown, wrong, disabled {medians:?}: {:.3}", way.0, spread(&medians));
        assert!(spread(&medians) <= 1.1, "{}: {medians:?}", way.0);
    }
}
