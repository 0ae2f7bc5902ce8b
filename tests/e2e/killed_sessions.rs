//! Killed while sessions come, are used, rotated and ended: whatever was answered holds after the
//! restart. `KILL_ROUNDS` says how often; a few times unless it does.

mod history;
mod worker;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use self::history::History;
use self::worker::Worker;
use crate::harness::{AuthService, Launch, let_time_pass};

/// How many connections keep things going.
const WORKERS: usize = 6;
/// How often it is killed by default.
const ROUNDS: usize = 10;
/// Within how many rounds a seeded fault must be found.
const ROUNDS_TO_FIND: usize = 12;

/// A service with its sessions and its users in files, which a restart finds again.
struct Check {
    _directory: TempDir,
    launch: Launch,
}

impl Check {
    fn new(fault: Option<&str>) -> Self {
        let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
        let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
        let launch = Launch::auth()
            .var("RUST_LOG", "info")
            .var("AUTH_DATABASE_URL", file("users.db"))
            .var("AUTH_SESSION_STORE", file("sessions.db"))
            .var("AUTH_MAX_SESSIONS_PER_USER", "0")
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_MINTS_PER_USER", "0")
            .var("AUTH_LOGINS_PER_ADDRESS", "0");
        let launch = fault.into_iter().fold(launch, |l, fault| l.var("SEEDED_STORE_FAULT", fault));
        Self { _directory: directory, launch }
    }

    /// Keeps things going, kills the service in the midst of it, starts it anew, and compares what
    /// was answered with what is there: what is wrong.
    fn round(&self, number: usize, histories: &mut Vec<History>) -> Vec<String> {
        let mut auth = AuthService::launch(&self.launch);
        let mut wrong = Vec::new();
        for history in histories.iter_mut() {
            wrong.extend(history.compare(&auth));
        }
        if !wrong.is_empty() {
            return wrong;
        }
        let killed = AtomicBool::new(false);
        histories.resize_with(WORKERS, History::default);
        let (public, internal) = (auth.public, auth.internal);
        let login = auth.token();
        thread::scope(|scope| {
            let working: Vec<_> = histories
                .iter_mut()
                .enumerate()
                .map(|(at, history)| {
                    let seed = (number * WORKERS + at) as u64;
                    let (login, killed) = (login.as_str(), &killed);
                    scope.spawn(move || {
                        Worker::new(public, internal, login, seed).work(history, killed)
                    })
                })
                .collect();
            // Another moment in each round.
            let_time_pass(Duration::from_millis(1_300 + 137 * (number as u64 % 7)));
            auth.kill();
            killed.store(true, SeqCst);
            for worker in working {
                wrong.extend(worker.join().unwrap());
            }
        });
        wrong
    }

    /// What is wrong after so many kills, or after the first that shows something; and how many
    /// answers were compared.
    fn rounds(&self, rounds: usize) -> (Vec<String>, u64) {
        let mut histories = Vec::new();
        let mut wrong = Vec::new();
        for number in 0..=rounds {
            wrong = self.round(number, &mut histories);
            if !wrong.is_empty() {
                break;
            }
        }
        let answered = histories.iter().map(|history| history.answered).sum();
        (wrong, answered)
    }
}

#[test]
fn what_was_answered_before_a_kill_holds_after_it() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let (wrong, answered) = Check::new(None).rounds(rounds);
    assert!(
        wrong.is_empty(),
        "{} in all, among them {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert!(answered > 100 * rounds as u64, "only {answered} answers: this shows nothing");
    eprintln!("{rounds} kills: {answered} answers hold");
}

/// The fault is found, and it is this that is wrong.
#[track_caller]
fn assert_found(fault: &str, words: &[&str]) {
    let (wrong, _) = Check::new(Some(fault)).rounds(ROUNDS_TO_FIND);
    let found = wrong.iter().any(|line| words.iter().any(|word| line.contains(word)));
    assert!(found, "{fault}: {wrong:#?}");
}

#[test]
fn a_store_that_answers_before_its_commit_is_found_out() {
    assert_found("answers-early", &["is dead", "lives", "stands"]);
}

#[test]
fn a_store_that_rounds_uses_up_is_found_out() {
    assert_found("rounds-uses-up", &["too long to live"]);
}

#[test]
fn a_store_that_ends_by_user_and_late_is_found_out() {
    assert_found("ends-late", &["is dead", "lives"]);
}

#[test]
fn a_store_whose_ticks_overwrite_ends_is_found_out() {
    assert_found("overwrites-at-ticks", &["lives"]);
}
