//! Whether what clients see of the services over a while, while these are disturbed, is what they may
//! see: everything is recorded, and judged afterwards by what holds of each session.
//!
//! ```text
//! cargo test --test history                             # a few seconds for each store
//! HISTORY_SECONDS=3600 cargo test --test history        # as long for each
//! HISTORY_SEED=7 cargo test --test history in_a_file    # the same choices again
//! ```
//!
//! A seed repeats what each client chooses and which faults there are; which requests meet is up to
//! the machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what was looked at, and the seed")]

mod answers;
mod check;
mod events;
mod faults;
mod looked;
mod random;
mod rounds;
mod site;
mod workload;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::now;

use self::check::{PROPERTIES, check};
use self::faults::{Fault, faults};
use self::looked::Looked;
use self::random::Random;
use self::rounds::{ROUND, round};
use self::site::{Site, Store};

/// How many times as many rounds a busy machine may take until enough was seen.
const PATIENT: u32 = 8;
/// Within how many rounds a seeded fault must be found.
const ROUNDS_TO_FIND: u64 = 20;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[expect(clippy::disallowed_methods, reason = "another seed each time, where none is given")]
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    variable("HISTORY_SEED").unwrap_or(u64::from(now.subsec_nanos()))
}

/// Runs for as long as is wanted, and fails with the seed of the first round that shows something.
fn run(store: Store, rounds: u32) {
    let first = seed();
    // A sweep decides nothing, however often it comes.
    let sweeps = Random::new(first, 0).pick(&["50ms", "1s", "0"]);
    let Some(site) = Site::start(store, &[("AUTH_SWEEP_INTERVAL", sweeps)]) else { return };
    let lasts = variable("HISTORY_SECONDS").map_or(ROUND * rounds, Duration::from_secs);
    let (began, mut looked) = (now(), Looked::default());
    for seed in first.. {
        let (history, unexpected) = round(&site, seed, &faults(store));
        assert!(unexpected.is_empty(), "HISTORY_SEED={seed}: {unexpected:#?}");
        let verdict = check(&history);
        let found = &verdict.violations;
        let broken = PROPERTIES.map(|p| found.iter().filter(|v| v.property == p).count());
        assert!(
            found.is_empty(),
            "HISTORY_SEED={seed}, sweeps every {sweeps}: {} violations, {broken:?} by property, \
             among them {:#?}\n{}",
            found.len(),
            &found[..found.len().min(3)],
            history.story(found[0].session),
        );
        looked.add(&history, verdict, site.addresses.len());
        match looked.missing() {
            None if began.elapsed() >= lasts => break,
            None => {}
            Some(missing) => assert!(began.elapsed() < lasts * PATIENT, "{missing}"),
        }
    }
    eprintln!("{store:?}, seeds from {first}, sweeps every {sweeps}: {}", looked.summary());
}

#[test]
fn sessions_in_memory() {
    run(Store::Memory, 1);
}

#[test]
fn sessions_in_a_file() {
    run(Store::File, 2);
}

#[test]
fn sessions_in_redis_with_two_nodes() {
    run(Store::Redis, 1);
}

#[test]
fn sessions_in_a_redis_cluster_with_two_nodes() {
    run(Store::Cluster, 1);
}

/// The checker finds this fault of a store, which is killed again and again.
fn assert_found(fault: &str) {
    let Some(site) = Site::start(Store::File, &[("SEEDED_STORE_FAULT", fault)]) else { return };
    let (first, mut requests) = (seed(), 0);
    for seed in first..first + ROUNDS_TO_FIND {
        let (history, _) = round(&site, seed, &[Fault::Killed]);
        requests += history.events.len();
        if let Some(violation) = check(&history).violations.first() {
            eprintln!("{fault}: found after {requests} requests, by {violation:?}");
            return;
        }
    }
    panic!("{fault}: not found from seed {first} on, in {requests} requests");
}

#[test]
fn a_store_that_answers_before_its_commit_is_found_out() {
    assert_found("answers-early");
}

#[test]
fn a_store_that_rounds_uses_up_is_found_out() {
    assert_found("rounds-uses-up");
}

#[test]
fn a_store_that_ends_by_user_and_late_is_found_out() {
    assert_found("ends-late");
}

#[test]
fn a_store_whose_ticks_overwrite_ends_is_found_out() {
    assert_found("overwrites-at-ticks");
}
