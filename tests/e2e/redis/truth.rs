//! What one node says holds on all.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::nodes::{Site, business, insist, mint_many, validate_many};
use crate::harness::{
    ANN, AuthService, BOB, DEMO, LONG_PASSWORD, Request, TIMEOUT, eventually, is_alive, now,
};
use crate::rotated_tokens::race;

/// How many tokens are validated and logged out at the same time; `TRUTH_TOKENS` may say another
/// number.
const DEFAULT_TOKENS: usize = 4_000;
/// How many are asked for in one batch.
const BATCH: usize = 20;

/// A small generator for choosing; each thread has its own.
struct Choice(u64);

impl Choice {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX generator; only the upper bits are used.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Tokens that are validated and logged out at the same time, over all nodes.
struct Race {
    nodes: [AuthService; 2],
    tokens: Vec<String>,
    /// When each logout was answered, in nanoseconds from the start; at first, never.
    answered: Vec<AtomicU64>,
    /// The next token to be logged out.
    next: AtomicUsize,
    done: AtomicBool,
    /// How many definite answers the validators had.
    seen: AtomicUsize,
    began: Instant,
}

impl Race {
    fn new(nodes: [AuthService; 2], tokens: Vec<String>) -> Self {
        Self {
            answered: tokens.iter().map(|_| AtomicU64::new(u64::MAX)).collect(),
            next: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            seen: AtomicUsize::new(0),
            began: now(),
            nodes,
            tokens,
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).expect("no test takes centuries")
    }

    /// Validates, around where the logouts are, until all is done.
    fn validate(&self, at: usize) {
        let mut connection = self.nodes[at % 2].internal.connect();
        let mut choice = Choice(at as u64);
        let count = self.tokens.len();
        while !self.done.load(SeqCst) {
            let start = self.next.load(SeqCst) + count - 300;
            let indices: Vec<usize> =
                (0..BATCH).map(|_| (start + choice.below(400)) % count).collect();
            let batch: Vec<&str> = indices.iter().map(|at| self.tokens[*at].as_str()).collect();
            let started = self.elapsed();
            for (index, alive) in indices.iter().zip(validate_many(&mut connection, &batch)) {
                let over = self.answered[*index].load(SeqCst) < started;
                assert!(!(over && alive == Some(true)), "alive after its logout");
                self.seen.fetch_add(usize::from(alive.is_some()), SeqCst);
            }
        }
    }

    /// Logs one token out after the other, each on either node.
    fn log_out(&self, at: usize) {
        let mut connections = [0, 1].map(|node: usize| self.nodes[node].public.connect());
        let mut choice = Choice(100 + at as u64);
        loop {
            let index = self.next.fetch_add(1, SeqCst);
            if index >= self.tokens.len() {
                break;
            }
            let request = Request::post("/logout").bearer(&self.tokens[index]);
            insist(&mut connections[choice.below(2)], &request).expect(204);
            self.answered[index].store(self.elapsed(), SeqCst);
        }
    }

    /// Runs to its end: eight validators, and two that log out.
    fn run(&self) {
        thread::scope(|scope| {
            let validating: Vec<_> =
                (0..8).map(|at| scope.spawn(move || self.validate(at))).collect();
            let logging_out: Vec<_> =
                (0..2).map(|at| scope.spawn(move || self.log_out(at))).collect();
            for thread in logging_out {
                thread.join().unwrap();
            }
            self.done.store(true, SeqCst);
            for thread in validating {
                thread.join().unwrap();
            }
        });
    }

    /// Fails unless every token is dead.
    fn assert_all_over(&self) {
        let mut connection = self.nodes[1].internal.connect();
        for batch in self.tokens.chunks(1_000) {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            eventually("a definite answer", TIMEOUT, || {
                let answers = validate_many(&mut connection, &batch);
                assert!(!answers.contains(&Some(true)), "alive after all logouts");
                answers.iter().all(|alive| *alive == Some(false)).then_some(())
            });
        }
    }
}

/// Mints tokens on both nodes at the same time.
fn mint_on_both(nodes: &[AuthService; 2], maker: &str, count: usize) -> Vec<String> {
    thread::scope(|scope| {
        let mint =
            |at: usize| scope.spawn(move || mint_many(&nodes[at % 2], maker, "sliding", count / 4));
        let minting: Vec<_> = (0..4).map(mint).collect();
        minting.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn no_token_is_alive_on_any_node_after_its_logout_was_answered() {
    let Some(site) = Site::open() else { return };
    let count = std::env::var("TRUTH_TOKENS").ok().and_then(|text| text.parse().ok());
    let nodes = site.two_nodes();
    let maker = nodes[0].token();
    let tokens = mint_on_both(&nodes, &maker, count.unwrap_or(DEFAULT_TOKENS));
    // One whose mint was not answered in time, and made again, may live beside them.
    assert!(site.redis.sessions() > tokens.len());
    let race = Race::new(nodes, tokens);
    race.run();
    race.assert_all_over();
    let (seen, count) = (race.seen.load(SeqCst), race.tokens.len());
    assert!(seen > count / 2, "{seen}: the validators had no say");
    eprintln!("{count} tokens logged out among {seen} validations");
    no_secret_is_kept(&site, race.tokens.iter().chain([&maker]));
}

/// Fails if the secret part of a token stands anywhere in what Redis keeps.
#[track_caller]
pub(super) fn no_secret_is_kept<'a>(site: &Site, tokens: impl Iterator<Item = &'a String>) {
    let secrets: HashSet<&[u8]> = tokens.map(|token| &token.as_bytes()[26..58]).collect();
    let contents = site.redis.contents();
    assert!(
        contents.windows(8).any(|window| window == b"session:"),
        "there is something to search"
    );
    assert!(!contents.windows(32).any(|window| secrets.contains(window)), "a secret is kept");
}

#[test]
fn of_64_validations_at_once_over_both_nodes_exactly_one_uses_a_single_use_token() {
    let Some(site) = Site::open() else { return };
    let nodes = site.two_nodes();
    let maker = nodes[0].token();
    for token in mint_many(&nodes[0], &maker, "single_use", 5) {
        let barrier = Barrier::new(64);
        let yes = thread::scope(|scope| {
            let validate = |at: usize| {
                let (node, token, barrier) = (&nodes[at % 2], &token, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    is_alive(&node.validate(token))
                })
            };
            let threads: Vec<_> = (0..64).map(validate).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
        });
        assert_eq!(yes, 1);
    }
}

#[test]
fn a_session_is_one_and_the_same_on_every_node() {
    let Some(site) = Site::open() else { return };
    let [one, other] = site.two_nodes();
    let token = one.token();
    assert_eq!(other.validate(&token)["session"]["refresh_count"], 1);
    assert_eq!(one.validate(&token)["session"]["refresh_count"], 2);
    let rotated = other.public.send(Request::post("/session/rotate").bearer(&token)).expect(200);
    let rotated = rotated.json()["token"].as_str().unwrap().to_owned();
    assert!(!is_alive(&one.validate(&token)) && is_alive(&one.validate(&rotated)));
    let put = |node: &AuthService, value: &str| {
        let put = Request::put("/session/data/cart").bearer(&rotated);
        node.internal.send(put.body("application/json", value)).expect(204);
    };
    put(&one, "[1]");
    put(&other, "[1,2]");
    let data = one.internal.send(Request::get("/session/data").bearer(&rotated)).expect(200);
    assert_eq!(data.json(), json!({"data": {"cart": [1, 2]}}));
    let listed = other.public.send(Request::get("/sessions").bearer(&rotated)).expect(200).json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    one.logout(&rotated);
    assert!(!is_alive(&other.validate(&rotated)));
}

#[test]
fn a_restarted_node_knows_who_is_logged_in_and_who_no_longer_is() {
    let Some(site) = Site::open() else { return };
    let mut node = AuthService::launch(&site.node());
    let (live, over) = (node.token(), node.token());
    node.validate(&live);
    node.logout(&over);
    node.kill();
    let node = AuthService::launch(&site.node());
    assert_eq!(node.validate(&live)["session"]["refresh_count"], 2);
    assert!(!is_alive(&node.validate(&over)));
}

#[test]
fn failed_logins_count_on_all_nodes_together() {
    let Some(site) = Site::open() else { return };
    let nodes = [(); 2].map(|()| AuthService::launch(&site.limited_node()));
    for at in 0..10 {
        nodes[at % 2].try_login(DEMO.0, "wrong").expect_problem(401, "invalid_credentials");
    }
    for node in &nodes {
        let answer = node.try_login(DEMO.0, DEMO.1).expect_problem(429, "too_many_requests");
        assert!(answer.header("retry-after").is_some());
    }
}

#[test]
fn the_cap_on_sessions_holds_over_all_nodes() {
    let Some(site) = Site::open() else { return };
    let launch = || site.node().var("AUTH_MAX_SESSIONS_PER_USER", "3");
    let nodes = [(); 2].map(|()| AuthService::launch(&launch()));
    let tokens: Vec<String> = (0..8).map(|at| nodes[at % 2].token()).collect();
    let alive: Vec<bool> = tokens.iter().map(|token| is_alive(&nodes[0].look_at(token))).collect();
    assert_eq!(alive, [false, false, false, false, false, true, true, true]);
    // At once, the last one to come in is never ended, so that at least one is left of each round.
    let barrier = Barrier::new(16);
    let tokens: Vec<String> = thread::scope(|scope| {
        let log_in = |at: usize| {
            let (node, barrier) = (&nodes[at % 2], &barrier);
            scope.spawn(move || {
                barrier.wait();
                node.token()
            })
        };
        let threads: Vec<_> = (0..16).map(log_in).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let alive = tokens.iter().filter(|token| is_alive(&nodes[1].look_at(token))).count();
    assert!((1..=3).contains(&alive), "{alive} of 16 live");
}

#[test]
fn what_a_command_does_to_a_user_ends_its_sessions_at_once() {
    let Some(site) = Site::open() else { return };
    let password = format!("{LONG_PASSWORD}\n");
    for name in [ANN, BOB] {
        let added = site.node().arg("users").arg("add").arg(name).run_with_input(&password);
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    let nodes = site.two_nodes();
    let data = business(&[&nodes[0], &nodes[1]]);
    let run = |arguments: &[&str], input: &str| {
        let launch = arguments
            .iter()
            .fold(site.node().arg("users"), |launch, argument| launch.arg(*argument));
        let done = launch.run_with_input(input);
        assert_eq!(done.code, Some(0), "{done:?}");
    };
    let new_password = "nine purple lamps hum\n";
    for (arguments, name, input) in [
        (&["roles", ANN, "user,admin"][..], ANN, ""),
        (&["disable", ANN], ANN, ""),
        (&["passwd", BOB], BOB, new_password),
    ] {
        let tokens = [nodes[0].login(name, LONG_PASSWORD), nodes[1].login(name, LONG_PASSWORD)];
        data.data(&tokens[0]).expect(200);
        run(arguments, input);
        for token in &tokens {
            data.data(token).expect_problem(401, "invalid_token");
            assert!(!is_alive(&nodes[0].validate(token)));
        }
    }
    let token = nodes[0].login(BOB, new_password.trim());
    run(&["delete", BOB], "");
    assert!(!is_alive(&nodes[1].validate(&token)));
}

#[test]
fn no_rotation_on_any_node_that_meets_a_logout_saves_the_session() {
    let Some(site) = Site::open() else { return };
    let [one, other] = site.two_nodes();
    let rotated = race(&[&one, &other, &other], &one, 60);
    assert!((1..60).contains(&rotated), "{rotated} of 60 rotations came first: no race");
}
