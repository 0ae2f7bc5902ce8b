//! Which questions leave together, when, and that each keeps its own fate.

use std::time::Duration;

use auth_api_types::Reason;
use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Question};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client_with;
use testkit::fake_auth::http;
use testkit::fake_auth::{Service, alive, dead};

/// Long enough for nothing here to be overdue.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

pub(crate) fn options(url: &str, batches_in_flight: usize) -> AuthClientOptions {
    AuthClientOptions {
        timeout: PATIENT,
        max_in_flight: 4096,
        batches_in_flight,
        ..AuthClientOptions::new(vec![url.parse().unwrap()])
    }
}

pub(crate) fn client(service: &Service, batches_in_flight: usize) -> AuthClient {
    client_with(options(&service.url, batches_in_flight))
}

pub(crate) fn ask(client: &AuthClient, token: &str) -> JoinHandle<Outcome> {
    let (client, token) = (client.clone(), token.to_owned());
    tokio::spawn(async move { client.validate(Question::new(&token)).await })
}

/// Asks one after the other, each in its place before the next.
pub(crate) async fn ask_each(client: &AuthClient, tokens: &[&str]) -> Vec<JoinHandle<Outcome>> {
    let mut asked = Vec::new();
    let before = waiting(client);
    for token in tokens {
        asked.push(ask(client, token));
        until_waiting(client, before + asked.len()).await;
    }
    asked
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
    timeout(PATIENT, there).await.expect("a question gets lost");
}

pub(crate) async fn user(asked: JoinHandle<Outcome>) -> String {
    match asked.await.unwrap() {
        Ok(Answer::Alive(session)) => session.user.username.into_owned(),
        other => panic!("not alive: {other:?}"),
    }
}

pub(crate) fn sizes(client: &AuthClient) -> Vec<(usize, u64)> {
    let steps = client.stats().batches.steps;
    steps.into_iter().filter(|(_, calls)| *calls > 0).collect()
}

#[tokio::test]
async fn what_comes_while_a_call_is_under_way_leaves_together_in_the_next() {
    for places in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service, places);
        let (mut first, mut calls) = (Vec::new(), Vec::new());
        for nth in 0..places {
            first.push(ask(&client, &format!("first-{nth}")));
            calls.push(service.call().await);
        }
        let tokens: Vec<String> = (0..10).map(|nth| format!("next-{nth}")).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let next = ask_each(&client, &tokens).await;
        assert!(service.is_idle(), "{places} calls and no more are under way");

        for call in calls {
            call.all_alive();
        }
        for (nth, asked) in first.into_iter().enumerate() {
            assert_eq!(user(asked).await, format!("first-{nth}"));
        }
        let call = service.call().await;
        assert_eq!(call.tokens(), tokens);
        call.all_alive();
        for (asked, token) in next.into_iter().zip(&tokens) {
            assert_eq!(user(asked).await, *token);
        }
        assert!(service.is_idle());
        assert_eq!(sizes(&client), [(1, places as u64), (16, 1)]);
        assert_eq!(client.stats().batches.questions, places as u64 + 10);
    }
}

#[tokio::test]
async fn a_question_is_never_answered_by_a_call_that_had_left_before_it_came() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let early = ask(&client, "T");
    let call = service.call().await;
    let late = ask_each(&client, &["T"]).await.remove(0);
    call.all_alive();
    assert_eq!(user(early).await, "T");

    let call = service.call().await;
    assert!(!late.is_finished());
    call.judge(|_| dead("revoked"));
    assert_eq!(late.await.unwrap(), Ok(Answer::Dead(Reason::Revoked)));
}

#[tokio::test]
async fn a_token_that_is_named_twice_is_used_twice() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = ask(&client, "T");
    let call = service.call().await;
    let both = ask_each(&client, &["T", "T"]).await;
    call.all_alive();
    let call = service.call().await;
    assert_eq!(call.tokens(), ["T", "T"]);
    call.results(&[alive("one"), alive("other")]);
    let mut users = Vec::new();
    for asked in both {
        users.push(user(asked).await);
    }
    assert_eq!(users, ["one", "other"]);
    user(first).await;
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_takes_its_question_with_it() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = ask(&client, "first");
    let call = service.call().await;
    let mut asked = ask_each(&client, &["a", "b", "c"]).await;
    asked.remove(1).abort();
    until_waiting(&client, 3).await;
    call.all_alive();
    let call = service.call().await;
    assert_eq!(call.tokens(), ["a", "c"]);
    call.all_alive();
    for (asked, token) in asked.into_iter().zip(["a", "c"]) {
        assert_eq!(user(asked).await, token);
    }
    user(first).await;
}

#[tokio::test]
async fn a_caller_that_leaves_its_call_leaves_the_others_in_it() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = ask(&client, "first");
    let call = service.call().await;
    let mut asked = ask_each(&client, &["a", "b", "c"]).await;
    // It goes away with the call that it is alone in, and strands nobody.
    first.abort();
    call.until_given_up().await;
    let call = service.call().await;
    assert_eq!(call.tokens(), ["a", "b", "c"]);
    asked.remove(0).abort();
    until_waiting(&client, 2).await;
    call.all_alive();
    for (asked, token) in asked.into_iter().zip(["b", "c"]) {
        assert_eq!(user(asked).await, token);
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_until_given_up() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = ask(&client, "first");
    let call = service.call().await;
    let asked = ask_each(&client, &["a", "b", "c"]).await;
    call.all_alive();
    user(first).await;
    let call = service.call().await;
    for caller in asked {
        caller.abort();
    }
    call.until_given_up().await;
    let next = ask(&client, "next");
    service.call().await.all_alive();
    assert_eq!(user(next).await, "next");
    assert!(!client.stats().upstreams[0].breaker_open);
}

#[tokio::test]
async fn whatever_a_token_holds_is_its_own_affair() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let first = ask(&client, "first");
    let call = service.call().await;
    let long = "\u{1}".repeat(4096);
    let odd = ["", "\0", "\"]}", "\"},{\"token\":\"x", "\\", "ä\u{2028}😀\u{fffd}", &long, "well"];
    let asked = ask_each(&client, &odd).await;
    // Neither of these gets as far as a call.
    let too_long = ask(&client, &"x".repeat(5000)).await.unwrap();
    assert_eq!(too_long, Ok(Answer::Dead(Reason::Malformed)));
    let huge = "x".repeat(200_000);
    let question = Question { request_id: Some(&huge), ..Question::new("T") };
    assert_eq!(client.validate(question).await, Err(AuthUnavailable::Unclear));

    call.all_alive();
    let call = service.call().await;
    assert_eq!(call.tokens(), odd);
    call.all_alive();
    for (asked, token) in asked.into_iter().zip(odd) {
        assert_eq!(user(asked).await, token);
    }
    user(first).await;
}

#[tokio::test]
async fn a_call_that_fails_fails_its_own_callers_only() {
    for places in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service, places);
        let (mut first, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..places {
            first.push(ask(&client, "first"));
            calls.push(service.call().await);
        }
        let doomed = ask_each(&client, &["a", "b"]).await;
        calls.remove(0).all_alive();
        let call = service.call().await;
        assert_eq!(call.tokens(), ["a", "b"]);
        let later = ask_each(&client, &["c", "d"]).await;
        // Its connection is reset in the middle of the batch.
        drop(call);
        for asked in doomed {
            assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Broken));
        }
        let call = service.call().await;
        assert_eq!(call.tokens(), ["c", "d"], "what was received is not asked again");
        call.say(&http("503 Busy", "application/problem+json", "{}"));
        for asked in later {
            assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Unclear));
        }
        for call in calls {
            call.all_alive();
        }
        for asked in first {
            assert_eq!(user(asked).await, "first");
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
            let first = ask(&client, "first");
            let call = service.call().await;
            let mut asked = ask_each(&client, &["a", "b", "c"]).await;
            call.all_alive();
            let call = service.call().await;
            call.results(&[alive("a"), unclear.clone(), dead("expired")]);
            assert_eq!(user(asked.remove(0)).await, "a");
            assert_eq!(asked.remove(0).await.unwrap(), Err(AuthUnavailable::Unclear));
            assert_eq!(asked.remove(0).await.unwrap(), Ok(Answer::Dead(Reason::Expired)));
            user(first).await;
        }
        assert!(!client.stats().upstreams[0].breaker_open, "{unclear}");
    }
}
