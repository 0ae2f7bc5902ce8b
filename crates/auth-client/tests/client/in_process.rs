//! A validator in this process: the budget and the limits of a service behind a URL, to which no
//! question is sent, and a breaker that opens only where nobody is answered in time.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_client::{
    Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question, Reason, Validating, Validator,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::{AT_ONCE, BUDGET, Outcome, SLACK, client_with};
use testkit::fake_auth::unreachable;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Every token is expired, but for `T`, of which nothing is known.
    Answer,
    Hang,
}

#[derive(Debug)]
struct Fake {
    act: Mutex<Act>,
    uses: AtomicUsize,
}

impl Validator for Fake {
    fn validate<'a>(&'a self, question: &'a Question<'a>) -> Validating<'a> {
        self.uses.fetch_add(usize::from(question.touch), Ordering::Relaxed);
        let act = *self.act.lock();
        Box::pin(async move {
            match act {
                Act::Answer => (question.token != "T").then_some(Answer::Dead(Reason::Expired)),
                Act::Hang => pending().await,
            }
        })
    }
}

/// A client of it whose URL leads nowhere.
async fn client_of(act: Act, limits: AuthClientOptions) -> (Arc<Fake>, AuthClient) {
    let fake = Arc::new(Fake { act: Mutex::new(act), uses: AtomicUsize::new(0) });
    let client = client_with(AuthClientOptions {
        urls: vec![unreachable().await.url.parse().unwrap()],
        timeout: BUDGET,
        validator: Some(Arc::clone(&fake) as Arc<dyn Validator>),
        ..limits
    });
    (fake, client)
}

fn default_limits() -> AuthClientOptions {
    AuthClientOptions::new(Vec::new())
}

/// Validates so many tokens at once and gives the outcomes with the time each took.
async fn crowd(client: &AuthClient, size: usize) -> Vec<(Outcome, Duration)> {
    crate::crowd(client, size, |nth| format!("token-{nth}")).await
}

#[tokio::test]
async fn each_question_is_validated_once_and_nothing_is_sent() {
    let (fake, client) = client_of(Act::Answer, default_limits()).await;
    assert!(client.ready().await);
    for (outcome, _) in crowd(&client, 100).await {
        assert_eq!(outcome, Ok(Answer::Dead(Reason::Expired)));
    }
    let look = Question { touch: false, ..Question::new("token") };
    assert_eq!(client.validate(look).await, Ok(Answer::Dead(Reason::Expired)));
    let too_long = "x".repeat(5_000);
    let too_long = client.validate(Question::new(&too_long)).await;
    assert_eq!(too_long, Ok(Answer::Dead(Reason::Malformed)));
    assert_eq!(fake.uses.load(Ordering::Relaxed), 100);
    let stats = client.stats();
    assert!(stats.validations.contains(&("expired", 101)), "{stats:?}");
    assert_eq!(stats.batches.questions, 102, "the probe included");
    assert_eq!(stats.upstreams[0].in_flight, 0);
}

#[tokio::test]
async fn no_answer_about_one_token_keeps_nobody_from_an_answer_about_another() {
    let (_, client) = client_of(Act::Answer, default_limits()).await;
    for _ in 0..20 {
        assert_eq!(client.validate(Question::new("T")).await, Err(AuthUnavailable::Unclear));
    }
    assert!(!client.stats().upstreams[0].breaker_open);
    let other = client.validate(Question::new("other")).await;
    assert_eq!(other, Ok(Answer::Dead(Reason::Expired)));
}

#[tokio::test]
async fn one_that_hangs_costs_the_budget_and_then_nothing_until_a_probe_is_answered() {
    let (fake, client) = client_of(Act::Hang, default_limits()).await;
    for (outcome, took) in crowd(&client, 100).await {
        assert_eq!(outcome, Err(AuthUnavailable::TimedOut));
        assert!(took < BUDGET + SLACK, "{took:?}");
    }
    for (outcome, took) in crowd(&client, 100).await {
        assert_eq!(outcome, Err(AuthUnavailable::BreakerOpen));
        assert!(took < AT_ONCE, "{took:?}");
    }
    assert!(client.stats().upstreams[0].breaker_open);
    assert_eq!(fake.uses.load(Ordering::Relaxed), 100, "none is tried again");

    *fake.act.lock() = Act::Answer;
    let started = Instant::now();
    while client.validate(Question::new("token")).await.is_err() {
        assert!(started.elapsed() < BUDGET + Duration::from_millis(600), "it does not come back");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_more_are_validated_at_once_or_wait_than_a_client_may_hold() {
    let limits = AuthClientOptions { max_in_flight: 2, max_waiting: 3, ..default_limits() };
    let (fake, client) = client_of(Act::Hang, limits).await;
    let outcomes = crowd(&client, 9).await;
    let refused = outcomes
        .iter()
        .filter(|(outcome, took)| *outcome == Err(AuthUnavailable::Overloaded) && *took < AT_ONCE);
    assert_eq!(refused.count(), 4, "{outcomes:?}");
    assert!(fake.uses.load(Ordering::Relaxed) <= 5, "who is refused uses nothing");
}
