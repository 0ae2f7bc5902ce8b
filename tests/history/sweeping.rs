//! That it decides nothing how often is swept: the same requests at the same times to services that
//! sweep all the time, each second and never, and the same answers.

use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::{LONG_PASSWORD, Request, TIMEOUT, eventually, is_alive, let_time_pass, now};

use crate::events::Kind;
use crate::rules::Rules;
use crate::site::{Site, Store, owner_name};

/// How often is swept.
const SWEEPS: [&str; 3] = ["1ms", "1s", "0"];
/// How many sessions of each course there are.
const OF_EACH: u64 = 8;
/// How much longer everything takes, from one try to the next, where a machine is too busy.
const STRETCHED: [u32; 4] = [1, 2, 4, 8];
/// How long an opening may take, and by how much a request may be late, where answers are compared:
/// every request is further from the end of its session than both.
const OPENED: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_millis(250);

/// How many answers must be compared.
const LEAST: usize = 20;

#[derive(Clone, Copy)]
enum Step {
    Use,
    Look,
    End,
}

/// The course of a session: its kind and time in seconds, what is done, and how many milliseconds
/// after it was opened.
type Course = (Kind, u64, &'static [(u64, Step)]);

const COURSES: &[Course] = &[
    (
        Kind::Sliding,
        2,
        &[(500, Step::Use), (1_500, Step::Use), (3_000, Step::Look), (4_500, Step::Use)],
    ),
    (Kind::Sliding, 1, &[(500, Step::Use), (2_500, Step::Look), (3_500, Step::Use)]),
    (Kind::Fixed, 2, &[(500, Step::Use), (1_500, Step::Look), (3_000, Step::Use)]),
    (
        Kind::SingleUse,
        2,
        &[(500, Step::Look), (1_000, Step::Use), (1_500, Step::Use), (3_000, Step::Look)],
    ),
    (Kind::SingleUse, 1, &[(2_000, Step::Use)]),
    (Kind::Sliding, 2, &[(500, Step::End), (1_000, Step::Use), (3_000, Step::Look)]),
];

/// What was answered to the steps of one session, where they were in time: whether it lives, and
/// how often it was used.
type Answers = Vec<Option<(bool, u64)>>;

fn course(site: &Site, maker: &str, number: u64, stretched: u32) -> Answers {
    let (kind, ttl, steps) = COURSES[usize::try_from(number).unwrap() % COURSES.len()];
    // Spread out, so that a sweep meets all of it.
    let_time_pass(Duration::from_millis(number * 37) * stretched);
    let addresses = site.addresses[0];
    let ttl = ttl * u64::from(stretched);
    let body = json!({"kind": kind.name(), "ttl": format!("{ttl}s")});
    let (asked, minted) = eventually("a token is minted", TIMEOUT, || {
        let asked = now();
        let minted = addresses.public.send(Request::post("/tokens").bearer(maker).json(&body));
        (minted.status == 201).then_some((asked, minted))
    });
    let (began, minted) = (now(), minted.json());
    let token = minted["token"].as_str().unwrap();
    let mut late = began - asked > OPENED * stretched;
    let answers = steps.iter().map(|(at, step)| {
        let due = Duration::from_millis(*at) * stretched;
        let_time_pass(due.saturating_sub(began.elapsed()));
        let request = match step {
            Step::End => Request::post("/revoke").form(&format!("token={token}")),
            Step::Use => Request::post("/validateToken").json(&json!({"token": token})),
            Step::Look => {
                Request::post("/validateToken").json(&json!({"token": token, "touch": false}))
            }
        };
        let listener =
            if matches!(step, Step::End) { addresses.public } else { addresses.internal };
        let verdict = listener.send(request);
        // What comes after a late use may be alive for longer, and what was not answered in time may
        // have been carried out.
        late |= verdict.status != 200 || began.elapsed() > due + LATE * stretched;
        if late || matches!(step, Step::End) {
            return None;
        }
        let verdict = verdict.json();
        let uses = verdict["session"]["refresh_count"].as_u64();
        Some((is_alive(&verdict), uses.unwrap_or_default()))
    });
    answers.collect()
}

/// The answers of one service to all courses.
fn answers(store: Store, sweeps: &str, stretched: u32) -> Option<Vec<Answers>> {
    // Longer than any course.
    let rules = Rules { sweep: sweeps.to_owned(), lifetime_s: 3_600, ..Rules::default() };
    let site = Site::start(store, &rules)?;
    let body = json!({"username": owner_name(0), "password": LONG_PASSWORD});
    let login =
        site.addresses[0].public.send(Request::post("/login").json(&body)).expect(200).json();
    let maker = login["token"].as_str().unwrap();
    let answers = thread::scope(|scope| {
        let numbers = 0..OF_EACH * COURSES.len() as u64;
        let site = &site;
        let courses =
            numbers.map(|number| scope.spawn(move || course(site, maker, number, stretched)));
        let courses: Vec<_> = courses.collect();
        courses.into_iter().map(|course| course.join().unwrap()).collect()
    });
    Some(answers)
}

/// Compares until enough was in time.
fn compare(store: Store) {
    let mut compared = 0;
    for stretched in STRETCHED {
        let Some(more) = compare_once(store, stretched) else { return };
        compared += more;
        if compared >= LEAST {
            eprintln!("{store:?}: {compared} answers are the same with sweeps every {SWEEPS:?}");
            return;
        }
    }
    panic!("{compared} answers were in time");
}

fn compare_once(store: Store, stretched: u32) -> Option<usize> {
    let services = SWEEPS.map(|sweeps| thread::spawn(move || answers(store, sweeps, stretched)));
    let all = services.map(|service| service.join().unwrap());
    let [Some(always), Some(often), Some(never)] = all else { return None };
    let steps = |answers: Vec<Answers>| answers.into_iter().flatten();
    let mut compared = 0;
    for (step, ((always, often), never)) in
        steps(always).zip(steps(often)).zip(steps(never)).enumerate()
    {
        if let (Some(always), Some(often), Some(never)) = (always, often, never) {
            assert_eq!((always, often), (never, never), "step {step}, at {SWEEPS:?}");
            compared += 1;
        }
    }
    Some(compared)
}

#[test]
fn how_often_is_swept_decides_nothing_in_memory() {
    compare(Store::Memory);
}

#[test]
fn how_often_is_swept_decides_nothing_in_a_file() {
    compare(Store::File);
}

#[test]
fn how_often_is_swept_decides_nothing_in_redis() {
    compare(Store::Redis);
}
