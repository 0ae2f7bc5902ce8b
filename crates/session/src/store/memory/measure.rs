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
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// How long some calls took, in a form that takes no memory of its own.
#[derive(Default)]
struct Times {
    total: Duration,
    longest: Duration,
    calls: u64,
    /// How many calls took less than 2^n ns, and not less than half of that.
    by_scale: [u64; 32],
}

impl Times {
    fn of<T>(&mut self, system: &SystemClock, call: impl FnOnce() -> T) -> T {
        let began = system.now();
        let result = call();
        let time = system.now().saturating_sub(began);
        let scale = time.as_nanos().checked_ilog2().map_or(0, |scale| scale as usize + 1);
        self.by_scale[scale.min(31)] += 1;
        self.calls += 1;
        self.total += time;
        self.longest = self.longest.max(time);
        result
    }

    /// A time that `per_mille` of the calls did not reach.
    fn below(&self, per_mille: u64) -> Duration {
        let mut left = self.calls * per_mille / 1000;
        let reached = |calls: &u64| {
            left = left.saturating_sub(*calls);
            left == 0
        };
        Duration::from_nanos(1 << self.by_scale.iter().position(reached).unwrap_or(31))
    }

    fn print(&self, what: &str) {
        let Self { total, longest, calls, .. } = self;
        let (half, most) = (self.below(500), self.below(999));
        println!(
            "{what}: {calls} in {total:.1?}; half < {half:?}, 99.9 % < {most:?}, longest {longest:.1?}"
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
            subject(uuid::Uuid::from_u128(number as u128), &format!("user{number}@example.com"))
        };
        let subjects = (0..SUBJECTS).map(named).collect();
        Self { store, clock, subjects, template: Bench::memory().new_session() }
    }

    fn new_session(&self, number: usize, lifetime: Duration) -> NewSession {
        NewSession {
            id: fresh_id(),
            kind: Kind::Sliding,
            ttl: lifetime,
            max_lifetime: Duration::from_hours(30 * 24),
            subject: Arc::clone(&self.subjects[number % SUBJECTS]),
            origin: Origin {
                ip: Some("203.0.113.9".parse().unwrap()),
                user_agent: Some(format!("agent {}", number % 500).into()),
            },
            ..self.template.clone()
        }
    }

    fn fill(&self, sessions: usize, lifetime: Duration, system: &SystemClock) -> Times {
        let mut times = Times::default();
        for number in 0..sessions {
            let new = self.new_session(number, lifetime);
            times.of(system, || self.store.insert_within(&new, 0));
            // Spreads the ends over some minutes, as life does.
            if number % 10 == 0 {
                self.clock.advance(Duration::from_millis(1));
            }
        }
        times
    }

    /// One whole sweep, timing how long each lock is held.
    fn sweep_timed(&self, system: &SystemClock) -> (Times, u64) {
        let (mut holds, mut removed) = (Times::default(), 0);
        let mut over = Vec::new();
        for shard in &self.store.shards {
            loop {
                let more = holds.of(system, || self.store.take_due(shard, &mut over));
                removed += over.len() as u64;
                over.drain(..).for_each(|record| self.store.forget(&record));
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
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let load = Load::new();
    let before = resident_bytes();
    let inserts = load.fill(SESSIONS, Duration::from_hours(7 * 24), &timer);
    let bytes = resident_bytes() - before;
    println!("{} bytes a session", bytes / SESSIONS as u64);
    inserts.print("inserts");

    let mut idle = Times::default();
    for _ in 0..100 {
        load.clock.advance(Duration::from_secs(1));
        idle.of(&timer, || runtime.block_on(load.store.sweep()).unwrap());
    }
    idle.print("sweeps with nothing due");

    load.fill(EXPIRING, Duration::from_secs(30), &timer).print("inserts");
    load.clock.advance(Duration::from_mins(1));
    let began = timer.now();
    let (holds, removed) = load.sweep_timed(&timer);
    println!("swept {removed} in {:.1?}", timer.now().saturating_sub(began));
    holds.print("lock holds");

    let tokens: Vec<_> = (0..200_000)
        .map(|number| {
            let new = load.new_session(number, Duration::from_hours(24));
            load.store.insert_within(&new, 0);
            use_of(held(&new))
        })
        .collect();
    let began = timer.now();
    for batch in tokens.chunks(1024) {
        drop(runtime.block_on(load.store.touch(batch)));
    }
    println!("a use: {:.0?}", (timer.now().saturating_sub(began)) / 200_000);

    let full = resident_bytes();
    load.clock.advance(Duration::from_hours(31 * 24));
    let (holds, removed) = load.sweep_timed(&timer);
    println!("swept {removed}");
    holds.print("lock holds");
    drop(tokens);
    println!(
        "resident: {} MB before, {} MB full, {} MB swept",
        before >> 20,
        full >> 20,
        resident_bytes() >> 20
    );
}
