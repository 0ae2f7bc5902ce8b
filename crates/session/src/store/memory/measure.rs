//! Figures of the memory store, printed: run by hand, optimised, alone.
//!
//! ```text
//! cargo test --release -p session memory::measure -- --ignored --nocapture --test-threads=1
//! ```

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock, SystemClock};

use super::MemoryStore;
use crate::store::conformance::held;
use crate::store::conformance::{Bench, fresh_id, subject, use_of};
use crate::{Kind, NewSession, Origin, SessionStore as _, Subject};

const SESSIONS: usize = 1_000_000;
const EXPIRING: usize = 100_000;
const SUBJECTS: usize = 20_000;

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 4096
}

/// The longest and the total time of some calls.
#[derive(Default)]
struct Times {
    all: Vec<Duration>,
}

impl Times {
    fn of<T>(&mut self, timer: &SystemClock, call: impl FnOnce() -> T) -> T {
        let began = timer.now();
        let result = call();
        self.all.push(timer.now() - began);
        result
    }

    fn print(&mut self, what: &str) {
        self.all.sort_unstable();
        let at = |share: usize| self.all[(self.all.len() - 1) * share / 100_000];
        let total: Duration = self.all.iter().sum();
        let (median, p999) = (at(50_000), at(99_900));
        println!(
            "{what}: {} in {total:.1?}, median {median:.1?}, p99.9 {p999:.1?}, max {:.1?}",
            self.all.len(),
            at(100_000)
        );
    }
}

struct Load {
    store: MemoryStore,
    clock: ManualClock,
    subjects: Vec<Arc<Subject>>,
    template: NewSession,
}

impl Load {
    fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let named = |number: usize| {
            subject(
                uuid::Uuid::from_u128(number as u128),
                &format!("user{number}@example.com"),
            )
        };
        let subjects = (0..SUBJECTS).map(named).collect();
        Self {
            store,
            clock,
            subjects,
            template: Bench::memory().new_session(),
        }
    }

    fn new_session(&self, number: usize, lifetime: Duration) -> NewSession {
        NewSession {
            id: fresh_id(),
            kind: Kind::Sliding,
            ttl: lifetime,
            max_lifetime: Duration::from_secs(30 * 86_400),
            subject: Arc::clone(&self.subjects[number % SUBJECTS]),
            origin: Origin {
                ip: Some("203.0.113.9".parse().unwrap()),
                user_agent: Some(format!("agent {}", number % 500).into()),
            },
            ..self.template.clone()
        }
    }

    fn fill(&self, sessions: usize, lifetime: Duration, timer: &SystemClock) -> Times {
        let mut times = Times::default();
        for number in 0..sessions {
            let new = self.new_session(number, lifetime);
            times.of(timer, || self.store.insert_within(&new, 0));
            // Spreads the ends over some minutes, as life does.
            if number % 10 == 0 {
                self.clock.advance(Duration::from_millis(1));
            }
        }
        times
    }

    /// One whole sweep, timing how long each lock is held.
    fn sweep_timed(&self, timer: &SystemClock) -> (Times, u64) {
        let (mut holds, mut removed) = (Times::default(), 0);
        for shard in &self.store.shards {
            loop {
                let mut over = Vec::new();
                let now = self.store.dates.moment();
                let mut shard = shard.lock();
                let more = holds.of(timer, || shard.take_due(now, super::SLICE, &mut over));
                drop(shard);
                removed += over.len() as u64;
                over.iter().for_each(|record| self.store.forget(record));
                if !more {
                    break;
                }
            }
        }
        (holds, removed)
    }
}

#[test]
#[ignore = "measures: for a release build on a quiet machine"]
fn memory_and_times_of_a_million_sessions() {
    let timer = SystemClock::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let load = Load::new();
    let before = resident_bytes();
    let mut inserts = load.fill(SESSIONS, Duration::from_secs(7 * 86_400), &timer);
    let bytes = resident_bytes() - before - 16 * SESSIONS as u64;
    println!("{} bytes a session", bytes / SESSIONS as u64);
    inserts.print("inserts");
    drop(inserts);

    let mut idle = Times::default();
    for _ in 0..100 {
        load.clock.advance(Duration::from_secs(1));
        idle.of(&timer, || runtime.block_on(load.store.sweep()).unwrap());
    }
    idle.print("sweeps with nothing due");

    load.fill(EXPIRING, Duration::from_secs(30), &timer)
        .print("inserts");
    load.clock.advance(Duration::from_secs(60));
    let began = timer.now();
    let (mut holds, removed) = load.sweep_timed(&timer);
    println!("swept {removed} in {:.1?}", timer.now() - began);
    holds.print("lock holds");

    let tokens: Vec<_> = (0..200_000)
        .map(|number| {
            let new = load.new_session(number, Duration::from_secs(86_400));
            load.store.insert_within(&new, 0);
            use_of(held(&new))
        })
        .collect();
    let began = timer.now();
    for batch in tokens.chunks(1024) {
        drop(runtime.block_on(load.store.touch(batch)));
    }
    println!("a use: {:.0?}", (timer.now() - began) / 200_000);

    let full = resident_bytes();
    load.clock.advance(Duration::from_secs(31 * 86_400));
    let (mut holds, removed) = load.sweep_timed(&timer);
    println!("swept {removed}");
    holds.print("lock holds");
    println!(
        "resident: {} MB before, {} MB full, {} MB swept",
        before >> 20,
        full >> 20,
        resident_bytes() >> 20
    );
}
