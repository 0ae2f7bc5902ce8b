//! Many callers at once: whatever happens to calls and callers, each gets the answer to its own
//! question, and no use is lost, doubled or borrowed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::batches::options;
use crate::client_with;
use testkit::fake_auth::unreachable;
use testkit::fake_auth::{Service, alive, dead, token};

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_of_a_single_use_token_exactly_one_succeeds() {
    for slots in [1, 2, 4] {
        let used = Mutex::new(HashSet::new());
        let url = Service::new().await.judge_with(move |item| {
            let token = token(item);
            if used.lock().insert(token.clone()) { alive(&token) } else { dead("revoked") }
        });
        let client = client_with(options(&url, slots));
        for nth in 0..20 {
            let mut crowd = JoinSet::new();
            for _ in 0..64 {
                let client = client.clone();
                crowd.spawn(async move {
                    client.validate(Question::new(&format!("single-{nth}"))).await.unwrap()
                });
            }
            let outcomes = crowd.join_all().await;
            let alive = outcomes.iter().filter(|outcome| matches!(outcome, Answer::Alive(_)));
            assert_eq!(alive.count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_callers_of_whom_many_leave_get_each_their_own_answer() {
    for slots in [1, 2, 4] {
        let uses = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let counted = Arc::clone(&uses);
        let url = Service::new().await.judge_with(move |item| {
            let token = token(item);
            *counted.lock().entry(token.clone()).or_default() += 1;
            alive(&token)
        });
        let client =
            client_with(AuthClientOptions { max_in_flight: 20_000, ..options(&url, slots) });
        let (mut crowd, mut dice) = (JoinSet::new(), Dice(7));
        for nth in 0..10_000 {
            let client = client.clone();
            let cancel_after =
                (dice.roll(3) == 0).then(|| Duration::from_micros(dice.roll(20_000)));
            crowd.spawn(async move {
                let token = format!("token-{nth}");
                let validation = client.validate(Question::new(&token));
                let outcome = match cancel_after {
                    Some(cancel_after) => timeout(cancel_after, validation).await.ok(),
                    None => Some(validation.await),
                };
                match outcome {
                    Some(Ok(Answer::Alive(session))) => {
                        assert_eq!(session.user.username, token);
                        (token, true)
                    }
                    Some(other) => panic!("{other:?}"),
                    None => (token, false),
                }
            });
        }
        let outcomes = crowd.join_all().await;
        let uses = uses.lock();
        for (token, answered) in &outcomes {
            let times = uses.get(token).copied().unwrap_or_default();
            let right = if *answered { times == 1 } else { times <= 1 };
            assert!(right, "{token} was used {times} times");
        }
        assert!(outcomes.iter().filter(|(_, answered)| *answered).count() > 6000);
        let stats = client.stats();
        assert_eq!(stats.upstreams[0].in_flight, 0);
        let exchanges: u64 = stats.batches.steps.iter().map(|(_, exchanges)| exchanges).sum();
        assert!(
            exchanges * 4 < stats.batches.questions,
            "{exchanges} requests for so many questions are hardly batches"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_that_has_answered_is_seen_by_every_question_that_starts_later() {
    const TOKENS: usize = 200;
    for slots in [1, 2, 4] {
        let revoked = Arc::new(Mutex::new(HashSet::<String>::new()));
        let revoked_tokens = Arc::clone(&revoked);
        let url = Service::new().await.judge_with(move |item| {
            let token = token(item);
            if revoked_tokens.lock().contains(&token) { dead("revoked") } else { alive(&token) }
        });
        let client = client_with(options(&url, slots));
        let over = Arc::new(AtomicUsize::new(0));
        let mut crowd = JoinSet::new();
        for nth in 0..32 {
            let (client, over, revoked) = (client.clone(), Arc::clone(&over), Arc::clone(&revoked));
            crowd.spawn(async move {
                let mut dice = Dice(nth);
                let mut seen = [0; 2];
                while over.load(Ordering::Acquire) < TOKENS {
                    let token = format!("token-{}", dice.roll(TOKENS as u64));
                    let was_revoked = revoked.lock().contains(&token);
                    let outcome = client.validate(Question::new(&token)).await.unwrap();
                    let is_alive = matches!(outcome, Answer::Alive(_));
                    assert!(!(was_revoked && is_alive), "{token} lives on");
                    seen[usize::from(is_alive)] += 1;
                }
                seen
            });
        }
        for nth in 0..TOKENS {
            revoked.lock().insert(format!("token-{nth}"));
            over.fetch_add(1, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seen = crowd.join_all().await;
        assert!(seen.iter().all(|[dead, alive]| dead + alive > 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_break_or_hang_leave_no_caller_with_a_wrong_answer_or_none() {
    for slots in [1, 2, 4] {
        let uses = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let (counted, dice) = (Arc::clone(&uses), Mutex::new(Dice(11)));
        let held = Mutex::new(Vec::new());
        let url = Service::new().await.handle_with(move |exchange| {
            for token in exchange.tokens() {
                *counted.lock().entry(token).or_default() += 1;
            }
            match dice.lock().roll(8) {
                0 => drop(exchange),
                1 => held.lock().push(exchange),
                2 => exchange.results(&[]),
                _ => exchange.all_alive(),
            }
        });
        let budget = Duration::from_millis(500);
        let client = client_with(AuthClientOptions { timeout: budget, ..options(&url, slots) });
        let mut crowd = JoinSet::new();
        for nth in 0..64 {
            let client = client.clone();
            crowd.spawn(async move { validate_repeatedly(&client, nth, budget).await });
        }
        let counts = crowd.join_all().await;
        let alive: usize = counts.iter().map(|(alive, _)| alive).sum();
        let failed: usize = counts.iter().map(|(_, failed)| failed).sum();
        assert!(alive > 0 && failed > 0, "{alive} alive, {failed} failed");
        let doubled = uses
            .lock()
            .iter()
            .filter(|(token, _)| token.starts_with("token-"))
            .any(|(_, uses)| *uses > 1);
        assert!(!doubled, "a use was repeated");
        assert_eq!(client.stats().upstreams[0].in_flight, 0);
    }
}

/// Validates tokens of its own, one after the other. Returns how often it got an answer and how
/// often none.
async fn validate_repeatedly(
    client: &AuthClient,
    caller: usize,
    budget: Duration,
) -> (usize, usize) {
    let (mut alive, mut failed) = (0, 0);
    while alive + failed < 25 {
        let token = format!("token-{caller}-{}", alive + failed);
        let validation = client.validate(Question::new(&token));
        let outcome = timeout(budget + Duration::from_millis(300), validation).await;
        match outcome.expect("a caller waits past its deadline") {
            Ok(Answer::Alive(session)) => {
                assert_eq!(session.user.username, token);
                alive += 1;
            }
            Ok(Answer::Dead(reason)) => panic!("{token} is taken for dead: {reason:?}"),
            // It was not sent: the same token is validated again, and still used once at most.
            Err(AuthUnavailable::BreakerOpen) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(_) => failed += 1,
        }
    }
    (alive, failed)
}

#[tokio::test]
async fn a_batch_that_cannot_have_been_received_is_asked_elsewhere_and_used_once() {
    let uses = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&uses);
    let url = Service::new().await.judge_with(move |item| {
        counted.fetch_add(usize::from(item["touch"].is_null()), Ordering::Relaxed);
        alive(&token(item))
    });
    let down = unreachable().await;
    let urls = vec![down.url.parse().unwrap(), url.parse().unwrap()];
    let client = client_with(AuthClientOptions { urls, ..options(&url, 1) });
    for round in 1..=5 {
        let mut crowd = JoinSet::new();
        for _ in 0..200 {
            let client = client.clone();
            crowd.spawn(async move { client.validate(Question::new("T")).await });
        }
        for outcome in crowd.join_all().await {
            assert!(matches!(outcome, Ok(Answer::Alive(_))), "{outcome:?}");
        }
        assert_eq!(uses.load(Ordering::Relaxed), 200 * round);
    }
}
