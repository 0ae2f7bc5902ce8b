//! Figures of the memory store, printed: run by hand, optimised, alone.
//!
//! ```text
//! SESSIONS=10000000 cargo test --release -p session memory::measure -- --ignored --nocapture
//! ```

mod readers;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clock::{Clock as _, ManualClock, SystemClock};
use tokio::runtime::Runtime;

use self::times::Times;
use super::MemoryStore;
use super::promises::Operation;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Fixture, fresh_id, held, subject, use_of};
use crate::{Kind, NewSession, Origin, Presented, SessionStore as _};

/// Sessions of each user.
const SESSIONS_PER_USER: usize = 20;
const USER_AGENTS: usize = 500;
/// How many of the sessions are used while others are swept.
const USED: usize = 10_000;

/// The memory of this process.
pub(in crate::store) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

struct Load {
    store: MemoryStore,
    clock: ManualClock,
    timer: SystemClock,
    template: NewSession,
}

impl Load {
    fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let template = Fixture::memory().new_session();
        Self { store, clock, timer: SystemClock::new(), template }
    }

    fn new_session(&self, user: usize, number: usize) -> NewSession {
        let user_id = uuid::Uuid::from_u128(user as u128);
        NewSession {
            id: fresh_id(),
            kind: Kind::Sliding,
            ttl: Duration::from_hours(7 * 24),
            max_lifetime: Duration::from_hours(30 * 24),
            subject: subject(user_id, &format!("user{user}@example.com")),
            origin: Origin {
                ip: Some("203.0.113.9".parse().unwrap()),
                user_agent: Some(format!("agent {}", number % USER_AGENTS).into()),
            },
            ..self.template.clone()
        }
    }

    /// Takes in sessions, a user's twenty spread over all that time, and gives some tokens.
    fn fill(
        &self,
        what: &str,
        sessions: usize,
        shape: impl Fn(NewSession) -> NewSession,
    ) -> Vec<Presented> {
        let (mut inserts, mut used) = (Times::new(&self.timer), Vec::with_capacity(USED));
        let users = sessions / SESSIONS_PER_USER;
        for number in 0..sessions {
            let new = shape(self.new_session(number % users, number));
            inserts.time(|| self.store.insert_within(&new, 0, &mut Operation::new(&logout())));
            if number % (sessions / USED) == 0 {
                used.push(use_of(held(&new)));
            }
            // Spreads the ends over some minutes, as life does.
            if number % 10 == 0 {
                self.clock.advance(Duration::from_micros(100));
            }
        }
        inserts.print(what);
        used
    }

    /// Sweeps everything that is over, by itself, and tells how long each lock was held.
    fn sweep_all(&self) {
        let (mut holds, mut removed, mut over) = (Times::new(&self.timer), 0, Vec::new());
        let began = self.timer.now();
        for shard in &self.store.shards {
            let mut more = true;
            while more {
                more = holds.time(|| self.store.take_due(shard, &mut over));
                removed += over.len();
                self.store.forget_all(&mut over);
            }
        }
        println!("swept {removed} in {:.1?}", self.timer.now().saturating_sub(began));
        holds.print("  locks of that");
    }

    /// Uses sessions, `size` in a call, on a thread of their own while `meanwhile` runs on this.
    fn use_while(&self, what: &str, size: usize, used: &[Presented], meanwhile: impl FnOnce()) {
        let working = AtomicBool::new(true);
        thread::scope(|threads| {
            threads.spawn(|| {
                let mut operations = Times::new(&self.timer);
                while working.load(Ordering::Relaxed) {
                    for batch in used.chunks(size) {
                        drop(
                            operations
                                .time(|| self.store.touch_all(batch, TouchContext::default())),
                        );
                    }
                }
                operations.print(what);
            });
            meanwhile();
            working.store(false, Ordering::Relaxed);
        });
    }

    /// Lets a tenth of as many sessions end in one second, and uses others while they are swept.
    fn use_during_a_sweep(&self, size: usize, used: &[Presented], sessions: usize) {
        let second = self.clock.now() + Duration::from_mins(10);
        let ending = |new| {
            let until_second = second.saturating_sub(self.clock.now());
            NewSession { kind: Kind::Fixed, max_lifetime: until_second, ..new }
        };
        self.fill("inserts of what is to expire", sessions / 10, ending);
        self.use_while(&format!("uses of {size}, nothing swept"), size, used, || {
            thread::sleep(Duration::from_secs(1));
        });
        self.clock.advance(Duration::from_mins(11));
        self.use_while(&format!("uses of {size} meanwhile"), size, used, || {
            let began = self.timer.now();
            let swept = runtime().block_on(self.store.sweep()).unwrap();
            println!("{swept:?} in {:.1?}", self.timer.now().saturating_sub(began));
        });
    }

    /// As [`Self::use_during_a_sweep`], on one thread: how long the sweep keeps others waiting.
    fn wait_for_a_sweep(&self, sessions: usize) {
        let ending =
            |new| NewSession { kind: Kind::Fixed, max_lifetime: Duration::from_mins(10), ..new };
        self.fill("inserts of what is to expire", sessions / 10, ending);
        self.clock.advance(Duration::from_mins(30));
        let mut turns = Times::new(&self.timer);
        let swept = runtime().block_on(turns.time_turns(self.store.sweep())).unwrap();
        turns.print(&format!("turns of {swept:?}"));
    }
}

#[test]
#[ignore = "measures: for a release build on a quiet machine"]
fn memory_and_times_of_many_sessions() {
    let sessions = std::env::var("SESSIONS").map_or(1_000_000, |text| text.parse().unwrap());
    let load = Load::new();
    let before = resident_bytes();
    let used = load.fill("inserts", sessions, |new| new);
    println!("{} bytes a session", (resident_bytes() - before) / sessions as u64);

    let mut idle = Times::new(&load.timer);
    for _ in 0..100 {
        load.clock.advance(Duration::from_secs(1));
        idle.time(|| runtime().block_on(load.store.sweep())).unwrap();
    }
    idle.print("sweeps with nothing due");
    load.use_during_a_sweep(1, &used, sessions);
    load.use_during_a_sweep(64, &used, sessions);
    load.wait_for_a_sweep(sessions);

    let full = resident_bytes();
    load.clock.advance(Duration::from_hours(31 * 24));
    load.sweep_all();
    let resident = [before, full, resident_bytes()].map(|bytes| bytes >> 20);
    println!("resident MB: {} before, {} full, {} swept", resident[0], resident[1], resident[2]);
    let began = load.timer.now();
    load.fill("inserts into what was given back", sessions, |new| new);
    println!(
        "resident MB: {} full again, {:.1?}",
        resident_bytes() >> 20,
        load.timer.now().saturating_sub(began)
    );
}
