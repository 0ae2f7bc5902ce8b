//! Threads against each other: nothing revives what was removed, nothing is used twice.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use super::MemoryStore;
use super::promises::Operation;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Fixture, Held, end_of, fresh_digest, held, look, someone, use_of};
use crate::{ClientDigest, Insertion, Kind, NewSession, Presented, SessionStore as _, Verdict};

const TOUCHERS: usize = 8;
/// How far around the one that is being removed the others touch.
const WINDOW: usize = 4;

fn store() -> (MemoryStore, Fixture) {
    (MemoryStore::new(Arc::new(clock::ManualClock::new())), Fixture::memory())
}

/// Runs a call to its end on this thread.
fn now<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(call)
}

fn lives(store: &MemoryStore, presented: Presented) -> bool {
    matches!(
        store.touch_all(&[presented], TouchContext::default()).outcomes[..],
        [Ok(Verdict::Alive(_))]
    )
}

/// Uses a session; whether it was alive.
type Touch = fn(&MemoryStore, &NewSession) -> bool;

/// A race between touching sessions and removing them.
struct Race {
    store: MemoryStore,
    sessions: Vec<NewSession>,
    touch: Touch,
    /// Set once the removal of the session has returned.
    removed: Vec<AtomicBool>,
    /// The session whose removal comes next.
    next: AtomicUsize,
    touches: AtomicU64,
    /// How many of them found a live session, and how many of those should not have.
    alive: AtomicU64,
    revived: AtomicU64,
}

impl Race {
    fn new(sessions: usize, touch: Touch) -> Self {
        let (store, fixture) = store();
        let new = |_| {
            let new = fixture.ending(Kind::Sliding, 50);
            assert!(matches!(
                store.insert_within(&new, 0, &mut Operation::new(&logout())),
                Insertion::Created { .. }
            ));
            new
        };
        Self {
            sessions: (0..sessions).map(new).collect(),
            touch,
            removed: (0..sessions).map(|_| AtomicBool::new(false)).collect(),
            next: AtomicUsize::new(0),
            touches: AtomicU64::new(0),
            alive: AtomicU64::new(0),
            revived: AtomicU64::new(0),
            store,
        }
    }

    /// Runs it to its end; how many removals found nothing to remove.
    fn run(&self) -> usize {
        thread::scope(|threads| {
            (0..TOUCHERS).for_each(|_| drop(threads.spawn(|| self.touch_until_all_are_removed())));
            self.remove_all()
        })
    }

    fn touch_until_all_are_removed(&self) {
        let all = self.sessions.len();
        loop {
            let next = self.next.load(SeqCst);
            for number in next.saturating_sub(WINDOW)..(next + WINDOW).min(all) {
                let was_removed = self.removed[number].load(SeqCst);
                if (self.touch)(&self.store, &self.sessions[number]) {
                    self.alive.fetch_add(1, SeqCst);
                    self.revived.fetch_add(u64::from(was_removed), SeqCst);
                }
                self.touches.fetch_add(1, SeqCst);
            }
            if next == all {
                return;
            }
            if next == self.next.load(SeqCst) {
                // Where cores are few, the thread that removes is waiting for one.
                thread::yield_now();
            }
        }
    }

    fn remove_all(&self) -> usize {
        let mut missed = 0;
        for (number, session) in self.sessions.iter().enumerate() {
            self.next.store(number, SeqCst);
            // Nor may it run away from the others.
            let touches = self.touches.load(SeqCst);
            while number % 16 == 0 && self.touches.load(SeqCst) == touches {
                thread::yield_now();
            }
            missed += usize::from(!self.store.take(session.id, &mut Operation::new(&logout())));
            self.removed[number].store(true, SeqCst);
        }
        self.next.store(self.sessions.len(), SeqCst);
        missed
    }

    fn left_alive(&self) -> usize {
        let alive = |new: &&NewSession| lives(&self.store, look(held(new)));
        self.sessions.iter().filter(alive).count()
    }
}

#[test]
fn no_removed_session_is_revived_by_eight_threads_that_use_it() {
    let race = Race::new(100_000, |store, new| lives(store, use_of(held(new))));
    assert_eq!(race.run(), 0);
    assert_eq!((race.revived.load(SeqCst), race.left_alive()), (0, 0));
    assert_eq!(now(race.store.count()).unwrap(), 0);
    // It was a race: there were live ones and dead ones among those touched.
    let (touches, alive) = (race.touches.load(SeqCst), race.alive.load(SeqCst));
    assert!(alive > 0 && touches - alive > 0, "{alive} of {touches}");
}

#[test]
fn the_same_race_finds_out_a_use_that_saves_what_it_has_loaded() {
    let found_out = (0..50).any(|_| {
        let race = Race::new(2_000, |store, new| {
            let loaded = lives(store, look(held(new)));
            thread::yield_now();
            if loaded {
                store.insert_within(new, 0, &mut Operation::new(&logout()));
            }
            loaded
        });
        race.run();
        race.left_alive() > 0
    });
    assert!(found_out);
}

#[test]
fn of_sixty_four_threads_one_uses_a_single_use_session() {
    for _ in 0..20 {
        let (store, fixture) = store();
        let new = fixture.ending(Kind::SingleUse, 50);
        store.insert_within(&new, 0, &mut Operation::new(&logout()));
        let (start, won) = (Barrier::new(64), AtomicU64::new(0));
        thread::scope(|threads| {
            for _ in 0..64 {
                threads.spawn(|| {
                    start.wait();
                    won.fetch_add(u64::from(lives(&store, use_of(held(&new)))), SeqCst);
                });
            }
        });
        assert_eq!(won.load(SeqCst), 1);
        assert_eq!(now(store.count()).unwrap(), 0);
    }
}

#[test]
fn uses_of_a_session_by_eight_threads_are_all_counted() {
    const USES: u64 = 2_000;
    let (store, fixture) = store();
    let new = fixture.ending(Kind::Sliding, 50);
    store.insert_within(&new, 0, &mut Operation::new(&logout()));
    let start = Barrier::new(TOUCHERS);
    thread::scope(|threads| {
        for _ in 0..TOUCHERS {
            threads.spawn(|| {
                start.wait();
                (0..USES).for_each(|_| assert!(lives(&store, use_of(held(&new)))));
            });
        }
    });
    let sessions = now(store.list(new.subject.id)).unwrap();
    assert_eq!(sessions[0].refresh_count, USES * TOUCHERS as u64);
}

#[test]
fn inserts_at_once_leave_exactly_the_cap() {
    let (store, fixture) = store();
    let ann = someone();
    let start = Barrier::new(8);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                start.wait();
                for _ in 0..200 {
                    let new = fixture.ending(Kind::Sliding, 50);
                    let new = NewSession { subject: Arc::clone(&ann), ..new };
                    store.insert_within(&new, 3, &mut Operation::new(&logout()));
                }
            });
        }
    });
    assert_eq!(now(store.list(ann.id)).unwrap().len(), 3);
    assert_eq!(now(store.count()).unwrap(), 3);
    assert_eq!(store.subjects.keys(ann.id).len(), 3);
}

#[test]
fn sweeps_during_inserts_and_removals_lose_nothing() {
    let clock = clock::ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let fixture = Fixture::memory();
    let working = AtomicBool::new(true);
    let lasting: Vec<Held> = thread::scope(|threads| {
        threads.spawn(|| {
            while working.load(SeqCst) {
                clock.advance(fixture.unit);
                now(store.sweep()).unwrap();
            }
        });
        let workers: Vec<_> = (0..4).map(|_| threads.spawn(|| churn(&store, &fixture))).collect();
        let lasting = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        working.store(false, SeqCst);
        lasting
    });
    clock.advance(fixture.unit * 10);
    now(store.sweep()).unwrap();
    assert!(lasting.iter().all(|held| lives(&store, look(*held))));
    assert_eq!(now(store.count()).unwrap(), lasting.len() as u64);
    assert_eq!(store.subjects.len(), lasting.len());
}

/// Opens sessions of which a third lasts, a third is removed, and a third expires.
fn churn(store: &MemoryStore, fixture: &Fixture) -> Vec<Held> {
    let mut lasting = Vec::new();
    for number in 0..3_000 {
        let units = if number % 3 == 0 { 1_000_000 } else { 1 };
        let new = fixture.ending(Kind::Fixed, units);
        store.insert_within(&new, 5, &mut Operation::new(&logout()));
        match number % 3 {
            0 => lasting.push(held(&new)),
            1 => drop(store.take(new.id, &mut Operation::new(&logout()))),
            _ => {}
        }
    }
    lasting
}

#[test]
fn a_logout_among_threads_that_rotate_ends_the_session_and_every_token_of_it() {
    let mut rotated = 0;
    for round in 0..2_000 {
        let (store, fixture) = store();
        let new = fixture.ending(Kind::Sliding, 50);
        store.insert_within(&new, 0, &mut Operation::new(&logout()));
        let start = Barrier::new(5);
        let tokens: Vec<Held> = thread::scope(|threads| {
            let rotators: Vec<_> = (0..4)
                .map(|_| {
                    threads.spawn(|| {
                        let client = ClientDigest::default();
                        let token = Held { id: new.id, digest: fresh_digest() };
                        start.wait();
                        let old = use_of(held(&new));
                        let verdict = store.rotate_one(
                            &old,
                            token.digest,
                            None,
                            client,
                            &mut Operation::new(&logout()),
                        );
                        matches!(verdict, Ok(Verdict::Alive(_))).then_some(token)
                    })
                })
                .collect();
            start.wait();
            assert!(lives(&store, end_of(held(&new))), "{round}: it was there to be ended");
            rotators.into_iter().filter_map(|rotator| rotator.join().unwrap()).collect()
        });
        rotated += tokens.len();
        assert!(tokens.len() <= 1, "{round}: {} rotations", tokens.len());
        for token in tokens.into_iter().chain([held(&new)]) {
            assert!(!lives(&store, look(token)), "{round}: it lives on");
        }
        assert_eq!(now(store.count()).unwrap(), 0);
    }
    assert!((1..2_000).contains(&rotated), "{rotated} of 2000 were rotated first: no race");
}
