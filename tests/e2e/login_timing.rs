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
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0")
        .var("AUTH_LOGINS_PER_ADDRESS", "0");
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
            let index = (turn + round) % names.len();
            let request = way.1(names[index]);
            let begun = now();
            let status = connection.send(&request).status;
            let took = begun.elapsed();
            assert_eq!(status, 401, "{} by {}", names[index], way.0);
            // The first of each warms up.
            if round > 0 {
                times[index].push(took);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    times
}

/// The processor time of some failures for a name, in ticks: enough of them that a tick is little.
fn work(auth: &AuthService, way: Way, name: &str) -> u64 {
    let mut connection = auth.public.connect();
    let before = auth.processor_ticks();
    for _ in 0..30 {
        assert_eq!(connection.send(&way.1(name)).status, 401, "{name} by {}", way.0);
    }
    auth.processor_ticks() - before
}

/// How far apart the slowest and the fastest are: 1 is not at all.
fn spread(times: &[Duration]) -> f64 {
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    most.as_secs_f64() / least.as_secs_f64()
}

/// What is compared is processor time, which does not depend on what else the machine does. A hash
/// is ten times all the rest; the time on the clock is measured apart.
#[test]
fn unknown_wrong_and_disabled_cost_the_same_work() {
    let auth = unlimited();
    for way in WAYS {
        let work = NAMES.map(|name| work(&auth, way, name));
        let (least, most) = (work.iter().min().unwrap(), work.iter().max().unwrap());
        assert!(*least > 0 && 2 * most < 3 * least, "{}: {work:?}", way.0);
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
