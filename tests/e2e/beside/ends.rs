//! A million sessions that end: by a filter, or at the same moment by themselves.

use std::time::Duration;

use super::watch::watch;
use super::{KEY, Service, session, wanted};
use crate::harness::{Launch, Request, eventually, let_time_pass, now};
use crate::webhooks::receiver::{Receiver, sessions};

const VALIDATED: usize = 10_000;
/// How long validations are watched before.
const BEFORE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(5);

#[test]
#[ignore = "a measurement, on a machine that does nothing else"]
fn a_million_sessions_are_ended_by_a_filter() {
    let count = wanted("SESSIONS", 1_000_000);
    let service = Service::start(Launch::auth());
    let watched = service.open(0..VALIDATED, |number| session(number, "sliding", "1h"));
    service.open(0..count, |number| session(number, "fixed", "1h"));
    let full = service.resident_kib();
    let began = now();
    let (validations, (from, until)) = watch(&service, &watched, || {
        let_time_pass(BEFORE);
        let mut connection = service.internal.connect();
        connection.set_read_timeout(PATIENCE);
        let from = now();
        let answer =
            connection.send(&Request::delete("/sessions?kind=fixed").bearer(KEY)).expect(200);
        let until = now();
        assert_eq!(answer.json()["ended"], count);
        let_time_pass(Duration::from_secs(2));
        (from, until)
    });
    eprintln!("{count} sessions ended by a filter in {:.2?}", until - from);
    eprintln!("  before: {}", validations.between(began, from));
    eprintln!("  meanwhile: {}", validations.between(from, until));
    eprintln!("  {} MiB resident before, {} after", full / 1024, service.resident_kib() / 1024);
}

#[test]
#[ignore = "a measurement, on a machine that does nothing else"]
fn a_million_sessions_expire_in_one_moment_and_none_is_posted() {
    let count = u32::try_from(wanted("SESSIONS", 1_000_000)).unwrap();
    let receiver = Receiver::start();
    let service = Service::start(receiver.of(Launch::auth()));
    let watched = service.open(0..VALIDATED, |number| session(number, "sliding", "1h"));
    // How long it takes to open them all is found out with some of them.
    let trial = now();
    service.open(0..VALIDATED, |number| session(number, "sliding", "1h"));
    let all = trial.elapsed() * u32::try_from(count as usize / VALIDATED * 3 / 2).unwrap();
    let due = now() + all + 2 * BEFORE;
    service.open(0..count as usize, |number| {
        let left = due.saturating_duration_since(now()).as_millis().max(1);
        session(number, "fixed", &format!("{left}ms"))
    });
    assert!(now() + BEFORE < due, "opening took too long to see them expire");
    let_time_pass(due.saturating_duration_since(now() + BEFORE));
    let began = now();
    let (validations, swept) = watch(&service, &watched, || {
        let_time_pass(due.saturating_duration_since(now()));
        eventually("they are swept", PATIENCE, || {
            (service.metric("auth_sessions_swept_total") >= Some(f64::from(count))).then(now)
        })
    });
    eprintln!("{count} sessions expired at once, swept {:.2?} after", swept - due);
    eprintln!(
        "  sweeping took {:.3} s",
        service.metric("auth_sweep_duration_seconds_sum").unwrap()
    );
    eprintln!("  before: {}", validations.between(began, due));
    eprintln!("  meanwhile: {}", validations.between(due, swept));
    // What is posted next is the first post of all: nothing of those that expired, and no notice of
    // events that were skipped.
    let ended = service.open(0..1, |_| session(0, "single_use", "1h"));
    let used = serde_json::json!({"token": ended[0]});
    service.internal.send(Request::post("/validateToken").bearer(KEY).json(&used)).expect(200);
    let posts = receiver.taken_at_least(1);
    assert_eq!((posts.len(), posts[0].json()["cause"].as_str()), (1, Some("used")), "{posts:?}");
    assert_eq!(sessions(&posts).len(), 1);
}
