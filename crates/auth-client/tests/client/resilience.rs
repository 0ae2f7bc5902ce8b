//! An auth service that is down, hangs, or is overrun, and its return.

use std::time::Duration;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use crate::{AT_ONCE, BUDGET, Outcome, SLACK, client, client_with, one_by_one, options};
use testkit::fake_auth::{Act, Upstream, unreachable, yes};

async fn validate(client: &AuthClient) -> Result<Answer, AuthUnavailable> {
    client.validate(Question::new("T")).await
}

/// Validates until the answer is yes, and returns how long that took.
async fn until_alive(client: &AuthClient) -> Duration {
    let started = Instant::now();
    while !matches!(validate(client).await, Ok(Answer::Alive(_))) {
        assert!(started.elapsed() < Duration::from_secs(5), "it does not come back");
        sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

/// Validates one token so often at once and gives the outcomes with the time each took.
async fn crowd(client: &AuthClient, size: usize) -> Vec<(Outcome, Duration)> {
    crate::crowd(client, size, |_| "T".to_owned()).await
}

#[tokio::test]
async fn a_hung_service_costs_the_budget_and_then_nothing() {
    let upstream = Upstream::start(Act::Hang).await;
    let client = one_by_one(&[&upstream]);
    for (outcome, took) in crowd(&client, 100).await {
        assert_eq!(outcome, Err(AuthUnavailable::TimedOut));
        assert!(took < BUDGET + SLACK, "{took:?}");
    }
    for (outcome, took) in crowd(&client, 100).await {
        assert_eq!(outcome, Err(AuthUnavailable::BreakerOpen));
        assert!(took < AT_ONCE, "{took:?}");
    }
    assert!(client.stats().upstreams[0].breaker_open);
    // What came in meanwhile were probes, one after the other.
    assert_eq!(upstream.count("\"T\""), 100);

    upstream.set_act(yes());
    let healed = until_alive(&client).await;
    assert!(healed < BUDGET + Duration::from_millis(600), "{healed:?}");
}

#[tokio::test]
async fn a_service_that_hangs_in_the_middle_of_batches_costs_the_budget_and_then_nothing() {
    for batches_in_flight in [1, 2, 4] {
        let upstream = Upstream::start(Act::Hang).await;
        let client = client_with(AuthClientOptions { batches_in_flight, ..options(&[&upstream]) });
        for (outcome, took) in crowd(&client, 100).await {
            assert_eq!(outcome, Err(AuthUnavailable::TimedOut));
            assert!(took < BUDGET + SLACK, "{took:?}");
        }
        for (outcome, took) in crowd(&client, 100).await {
            assert_eq!(outcome, Err(AuthUnavailable::BreakerOpen));
            assert!(took < AT_ONCE, "{took:?}");
        }
        let uses = upstream.requests_with("\"T\"");
        let uses: usize = uses.iter().map(|exchange| exchange.matches("\"T\"").count()).sum();
        assert_eq!(uses, 100, "each question is sent once");

        upstream.set_act(yes());
        let healed = until_alive(&client).await;
        assert!(healed < BUDGET + Duration::from_millis(600), "{healed:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_gone_is_refused_at_once_and_back_within_a_second() {
    let down = unreachable().await;
    let client = client(&[&down]);
    for _ in 0..100 {
        let started = Instant::now();
        let outcome = validate(&client).await;
        assert!(started.elapsed() < AT_ONCE);
        assert!(
            matches!(outcome, Err(AuthUnavailable::Unreachable | AuthUnavailable::BreakerOpen)),
            "{outcome:?}"
        );
    }
    assert_eq!(validate(&client).await, Err(AuthUnavailable::BreakerOpen));
    // Long enough for the probe's pauses to have grown to their longest.
    sleep(Duration::from_millis(1300)).await;

    let address = down.url.strip_prefix("http://").unwrap();
    let _back = Upstream::on(TcpListener::bind(address).await.unwrap(), yes());
    let healed = until_alive(&client).await;
    assert!(healed < Duration::from_secs(1), "{healed:?}");
}

#[tokio::test]
async fn one_of_two_that_hangs_is_soon_left_out_and_taken_back() {
    let (healthy, failing) = (Upstream::start(yes()).await, Upstream::start(Act::Hang).await);
    let client = one_by_one(&[&healthy, &failing]);
    let failed = crowd(&client, 100).await.iter().filter(|(outcome, _)| outcome.is_err()).count();
    assert_eq!(failed, failing.count("\"T\""), "only what was sent to it may fail");
    for (outcome, took) in crowd(&client, 100).await {
        assert!(matches!(outcome, Ok(Answer::Alive(_))), "{outcome:?}");
        assert!(took < BUDGET, "{took:?}");
    }
    let before = failing.count("\"T\"");
    failing.set_act(yes());
    timeout(Duration::from_secs(2), async {
        while failing.count("\"T\"") == before {
            validate(&client).await.unwrap();
        }
    })
    .await
    .expect("its breaker closes in time");
}

#[tokio::test]
async fn past_what_may_be_under_way_and_wait_questions_are_shed_at_once() {
    let upstream = Upstream::start(Act::Hang).await;
    let small = AuthClientOptions { max_in_flight: 2, max_waiting: 3, ..options(&[&upstream]) };
    let client = client_with(small);
    let outcomes = crowd(&client, 20).await;
    let shed = outcomes
        .iter()
        .filter(|(outcome, took)| *outcome == Err(AuthUnavailable::Overloaded) && *took < AT_ONCE);
    assert_eq!(shed.count(), 15);
    assert!(outcomes.iter().all(|(outcome, took)| outcome.is_err() && *took < BUDGET + SLACK));
    assert_eq!(client.stats().upstreams[0].in_flight, 0);
}

#[tokio::test]
async fn callers_that_go_away_give_back_their_places_and_count_for_nothing() {
    let upstream = Upstream::start(Act::Hang).await;
    let small = AuthClientOptions { max_in_flight: 2, max_waiting: 0, ..options(&[&upstream]) };
    let client = client_with(small);
    for _ in 0..20 {
        assert!(timeout(Duration::from_millis(5), validate(&client)).await.is_err());
    }
    upstream.set_act(yes());
    assert!(matches!(validate(&client).await, Ok(Answer::Alive(_))));
    assert!(!client.stats().upstreams[0].breaker_open);
}

#[tokio::test]
async fn a_token_that_breaks_its_own_question_does_not_break_the_others() {
    let upstream = Upstream::start(Act::Reset).await;
    let client = client(&[&upstream]);
    for _ in 0..5 {
        assert_eq!(validate(&client).await, Err(AuthUnavailable::Broken));
    }
    upstream.set_act(yes());
    let healed = until_alive(&client).await;
    assert!(healed < Duration::from_millis(250), "the first probe comes at once: {healed:?}");
}

#[tokio::test]
async fn nothing_goes_on_once_the_client_is_dropped() {
    let down = unreachable().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let client = client(&[&down]);
    while validate(&client).await != Err(AuthUnavailable::BreakerOpen) {}
    assert!(tasks() > before, "nothing is probed");
    drop(client);
    timeout(Duration::from_secs(2), async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a task outlives the client");
}

#[tokio::test]
async fn every_outcome_is_counted() {
    let upstream = Upstream::start(yes()).await;
    let client = client(&[&upstream]);
    validate(&client).await.unwrap();
    upstream.set_act(testkit::fake_auth::no("revoked"));
    validate(&client).await.unwrap();
    upstream.set_act(Act::Reset);
    validate(&client).await.unwrap_err();
    let counted: Vec<_> =
        client.stats().validations.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("alive", 1), ("revoked", 1), ("broken", 1)]);
}
