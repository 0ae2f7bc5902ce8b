//! Which questions share a request, when it is sent, and that each question has its own outcome.

use std::time::Duration;

use auth_api_types::Reason;
use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client_with;
use testkit::fake_auth::http;
use testkit::fake_auth::{Service, alive, dead};

/// Long enough for nothing here to be overdue.
pub(crate) const LONG_BUDGET: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

pub(crate) fn options(url: &str, batches_in_flight: usize) -> AuthClientOptions {
    AuthClientOptions {
        timeout: LONG_BUDGET,
        max_in_flight: 4096,
        batches_in_flight,
        ..AuthClientOptions::new(vec![url.parse().unwrap()])
    }
}

pub(crate) fn client(service: &Service, batches_in_flight: usize) -> AuthClient {
    client_with(options(&service.url, batches_in_flight))
}

pub(crate) fn spawn_validate(client: &AuthClient, token: &str) -> JoinHandle<Outcome> {
    let (client, token) = (client.clone(), token.to_owned());
    tokio::spawn(async move { client.validate(Question::new(&token)).await })
}

/// Validates one token after the other, each queued before the next is sent.
pub(crate) async fn validate_in_order(
    client: &AuthClient,
    tokens: &[&str],
) -> Vec<JoinHandle<Outcome>> {
    let mut pending = Vec::new();
    let before = waiting(client);
    for token in tokens {
        pending.push(spawn_validate(client, token));
        until_waiting(client, before + pending.len()).await;
    }
    pending
}

pub(crate) fn waiting(client: &AuthClient) -> usize {
    client.stats().upstreams.iter().map(|upstream| upstream.in_flight).sum()
}

pub(crate) async fn until_waiting(client: &AuthClient, questions: usize) {
    let there = async {
        while waiting(client) != questions {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_BUDGET, there).await.expect("a question is lost");
}

pub(crate) async fn user(pending: JoinHandle<Outcome>) -> String {
    match pending.await.unwrap() {
        Ok(Answer::Alive(session)) => session.user.username.into_owned(),
        other => panic!("not alive: {other:?}"),
    }
}

pub(crate) fn sizes(client: &AuthClient) -> Vec<(usize, u64)> {
    let steps = client.stats().batches.steps;
    steps.into_iter().filter(|(_, exchanges)| *exchanges > 0).collect()
}

#[tokio::test]
async fn what_comes_while_a_call_is_under_way_leaves_together_in_the_next() {
    for slots in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service, slots);
        let (mut first, mut exchanges) = (Vec::new(), Vec::new());
        for nth in 0..slots {
            first.push(spawn_validate(&client, &format!("first-{nth}")));
            exchanges.push(service.next_exchange().await);
        }
        let tokens: Vec<String> = (0..10).map(|nth| format!("next-{nth}")).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let next = validate_in_order(&client, &tokens).await;
        assert!(service.is_idle(), "{slots} requests and no more are in flight");

        for exchange in exchanges {
            exchange.all_alive();
        }
        for (nth, pending) in first.into_iter().enumerate() {
            assert_eq!(user(pending).await, format!("first-{nth}"));
        }
        let exchange = service.next_exchange().await;
        assert_eq!(exchange.tokens(), tokens);
        exchange.all_alive();
        for (pending, token) in next.into_iter().zip(&tokens) {
            assert_eq!(user(pending).await, *token);
        }
        assert!(service.is_idle());
        assert_eq!(sizes(&client), [(1, slots as u64), (16, 1)]);
        assert_eq!(client.stats().batches.questions, slots as u64 + 10);
    }
}

#[tokio::test]
async fn a_question_is_never_answered_by_a_call_that_had_left_before_it_came() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let early = spawn_validate(&client, "T");
    let exchange = service.next_exchange().await;
    let late = validate_in_order(&client, &["T"]).await.remove(0);
    exchange.all_alive();
    assert_eq!(user(early).await, "T");

    let exchange = service.next_exchange().await;
    assert!(!late.is_finished());
    exchange.judge(|_| dead("revoked"));
    assert_eq!(late.await.unwrap(), Ok(Answer::Dead(Reason::Revoked)));
}

#[tokio::test]
async fn a_token_that_is_named_twice_is_used_twice() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = spawn_validate(&client, "T");
    let exchange = service.next_exchange().await;
    let both = validate_in_order(&client, &["T", "T"]).await;
    exchange.all_alive();
    let exchange = service.next_exchange().await;
    assert_eq!(exchange.tokens(), ["T", "T"]);
    exchange.results(&[alive("one"), alive("other")]);
    let mut users = Vec::new();
    for pending in both {
        users.push(user(pending).await);
    }
    assert_eq!(users, ["one", "other"]);
    user(first).await;
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_takes_its_question_with_it() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = spawn_validate(&client, "first");
    let exchange = service.next_exchange().await;
    let mut pending = validate_in_order(&client, &["a", "b", "c"]).await;
    pending.remove(1).abort();
    until_waiting(&client, 3).await;
    exchange.all_alive();
    let exchange = service.next_exchange().await;
    assert_eq!(exchange.tokens(), ["a", "c"]);
    exchange.all_alive();
    for (pending, token) in pending.into_iter().zip(["a", "c"]) {
        assert_eq!(user(pending).await, token);
    }
    user(first).await;
}

#[tokio::test]
async fn a_caller_that_leaves_its_call_leaves_the_others_in_it() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = spawn_validate(&client, "first");
    let exchange = service.next_exchange().await;
    let mut pending = validate_in_order(&client, &["a", "b", "c"]).await;
    // It cancels the request that it is alone in, which harms no other caller.
    first.abort();
    exchange.until_given_up().await;
    let exchange = service.next_exchange().await;
    assert_eq!(exchange.tokens(), ["a", "b", "c"]);
    pending.remove(0).abort();
    until_waiting(&client, 2).await;
    exchange.all_alive();
    for (pending, token) in pending.into_iter().zip(["b", "c"]) {
        assert_eq!(user(pending).await, token);
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_until_given_up() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = spawn_validate(&client, "first");
    let exchange = service.next_exchange().await;
    let pending = validate_in_order(&client, &["a", "b", "c"]).await;
    exchange.all_alive();
    user(first).await;
    let exchange = service.next_exchange().await;
    for caller in pending {
        caller.abort();
    }
    exchange.until_given_up().await;
    let next = spawn_validate(&client, "next");
    service.next_exchange().await.all_alive();
    assert_eq!(user(next).await, "next");
    assert!(!client.stats().upstreams[0].breaker_open);
}

#[tokio::test]
async fn whatever_a_token_holds_is_its_own_affair() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = spawn_validate(&client, "first");
    let exchange = service.next_exchange().await;
    let long = "\u{1}".repeat(4096);
    let odd = ["", "\0", "\"]}", "\"},{\"token\":\"x", "\\", "ä\u{2028}😀\u{fffd}", &long, "well"];
    let pending = validate_in_order(&client, &odd).await;
    // Neither of these is sent.
    let too_long = spawn_validate(&client, &"x".repeat(5000)).await.unwrap();
    assert_eq!(too_long, Ok(Answer::Dead(Reason::Malformed)));
    let huge = "x".repeat(200_000);
    let question = Question { request_id: Some(&huge), ..Question::new("T") };
    assert_eq!(client.validate(question).await, Err(AuthUnavailable::Unclear));

    exchange.all_alive();
    let exchange = service.next_exchange().await;
    assert_eq!(exchange.tokens(), odd);
    exchange.all_alive();
    for (pending, token) in pending.into_iter().zip(odd) {
        assert_eq!(user(pending).await, token);
    }
    user(first).await;
}

#[tokio::test]
async fn a_call_that_fails_fails_its_own_callers_only() {
    for slots in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service, slots);
        let (mut first, mut exchanges) = (Vec::new(), Vec::new());
        for _ in 0..slots {
            first.push(spawn_validate(&client, "first"));
            exchanges.push(service.next_exchange().await);
        }
        let doomed = validate_in_order(&client, &["a", "b"]).await;
        exchanges.remove(0).all_alive();
        let exchange = service.next_exchange().await;
        assert_eq!(exchange.tokens(), ["a", "b"]);
        let later = validate_in_order(&client, &["c", "d"]).await;
        // Its connection is reset in the middle of the batch.
        drop(exchange);
        for pending in doomed {
            assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Broken));
        }
        let exchange = service.next_exchange().await;
        assert_eq!(exchange.tokens(), ["c", "d"], "what was received is not sent again");
        exchange.reply(&http("503 Busy", "application/problem+json", "{}"));
        for pending in later {
            assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Unclear));
        }
        for exchange in exchanges {
            exchange.all_alive();
        }
        for pending in first {
            assert_eq!(user(pending).await, "first");
        }
    }
}

#[tokio::test]
async fn what_the_service_does_not_know_of_one_is_unknown_of_that_one_only() {
    let unavailable = r#"{"error":"unavailable"}"#.to_owned();
    let odd = r#"{"authenticated":"yes"}"#.to_owned();
    for unclear in [unavailable, odd, "7".to_owned(), "{}".to_owned()] {
        let mut service = Service::new().await;
        let client = client(&service, 1);
        for _ in 0..6 {
            let first = spawn_validate(&client, "first");
            let exchange = service.next_exchange().await;
            let mut pending = validate_in_order(&client, &["a", "b", "c"]).await;
            exchange.all_alive();
            let exchange = service.next_exchange().await;
            exchange.results(&[alive("a"), unclear.clone(), dead("expired")]);
            assert_eq!(user(pending.remove(0)).await, "a");
            assert_eq!(pending.remove(0).await.unwrap(), Err(AuthUnavailable::Unclear));
            assert_eq!(pending.remove(0).await.unwrap(), Ok(Answer::Dead(Reason::Expired)));
            user(first).await;
        }
        assert!(!client.stats().upstreams[0].breaker_open, "{unclear}");
    }
}
