//! Whether what clients see of the services over a while, while these are disturbed, is what they may
//! see: everything is recorded, and judged afterwards by what holds of each session.
//!
//! ```text
//! cargo test --test history                             # a few seconds for each store
//! HISTORY_SECONDS=3600 cargo test --test history        # as long for each
//! HISTORY_SEED=7 cargo test --test history in_a_file    # the same choices again
//! HISTORY_FAULTS=killed,redis cargo test --test history # these disturbances alone
//! HISTORY_SWEEP=50ms cargo test --test history          # sweeps at this interval
//! HISTORY_CAP=8 cargo test --test history               # so many sessions of a user, or 0
//! HISTORY_BOUND=yes cargo test --test history           # sessions are bound to their clients, or no
//! ```
//!
//! A seed repeats what each client chooses and which faults there are; which requests meet is up to
//! the machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what was looked at, and the seed")]

mod answers;
mod check;
mod crowds;
mod events;
mod faults;
mod link;
mod looked;
mod mutants;
mod others;
mod random;
mod redis;
mod rounds;
mod rules;
mod site;
mod sweeping;
mod workload;

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::now;

use self::check::{PROPERTIES, check};
use self::faults::faults;
use self::looked::Looked;
use self::rounds::{ROUND, round};
use self::rules::Rules;
use self::site::{Site, Store};

/// How many times as many rounds a busy machine may take until enough was seen.
const PATIENT: u32 = 8;

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

#[expect(clippy::disallowed_methods, reason = "another seed each time, where none is given")]
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    variable("HISTORY_SEED").unwrap_or(u64::from(now.subsec_nanos()))
}

/// Runs for as long as is wanted, and fails with the seed of the first round that shows something.
fn run(store: Store, rounds: u32) {
    let first = seed();
    let rules = Rules::drawn(first);
    let Some(site) = Site::start(store, &rules) else { return };
    let faults = faults(store);
    let lasts = variable("HISTORY_SECONDS").map_or(ROUND * rounds, Duration::from_secs);
    let (began, mut looked) = (now(), Looked::default());
    for seed in first.. {
        let (history, unexpected) = round(&site, seed, &faults);
        assert!(unexpected.is_empty(), "HISTORY_SEED={seed} {rules}: {unexpected:#?}");
        let verdict = check(&history);
        let found = &verdict.violations;
        let broken = PROPERTIES.map(|p| found.iter().filter(|v| v.property == p).count());
        assert!(
            found.is_empty(),
            "HISTORY_SEED={seed} {rules}: {} violations after {} requests, \
             {broken:?} by property, among them {:#?}\n{}",
            found.len(),
            looked.events + history.events.len(),
            &found[..found.len().min(3)],
            history.story(found[0].session),
        );
        looked.add(&history, verdict, site.addresses.len());
        match looked.missing(&rules) {
            None if began.elapsed() >= lasts => break,
            None => {}
            Some(missing) => assert!(began.elapsed() < lasts * PATIENT, "{missing}"),
        }
    }
    eprintln!("{store:?}, seeds from {first}, {rules}: {}", looked.summary());
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
