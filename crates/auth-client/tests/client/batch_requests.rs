//! Batches as requests: what fits into one, which headers it has, and what its callers get when it
//! fails or hangs.

use std::time::Duration;

use auth_client::{AuthClientOptions, AuthUnavailable, Question};
use tokio::time::Instant;

use crate::batches::{client, options, spawn_validate, until_waiting, user, validate_in_order};
use crate::client_with;
use testkit::fake_auth::json;
use testkit::fake_auth::{Service, alive, token};

#[tokio::test]
async fn an_answer_that_does_not_match_its_call_is_none_for_all_of_it() {
    let yes = alive("x");
    for answer in [
        format!(r#"{{"results":[{yes}]}}"#),
        format!(r#"{{"results":[{yes},{yes},{yes}]}}"#),
        format!(r#"{{"results":[{yes},{yes}],"results":[{yes},{yes}]}}"#),
        format!(r#"{{"results":[7,{yes},{yes}]}}"#),
        r#"{"results":[]}"#.to_owned(),
        r#"{"results":null}"#.to_owned(),
        yes.clone(),
        format!("[{yes},{yes}]"),
        format!(r#"{{"results":[{yes},{yes}]"#),
    ] {
        let mut service = Service::new().await;
        let client = client(&service, 1);
        let first = spawn_validate(&client, "first");
        let exchange = service.next_exchange().await;
        let pending = validate_in_order(&client, &["a", "b"]).await;
        exchange.all_alive();
        service.next_exchange().await.reply(&json(&answer));
        for pending in pending {
            assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Unclear), "{answer}");
        }
        user(first).await;
    }
}

#[tokio::test]
async fn a_call_holds_no_more_than_the_service_takes() {
    for (length, whole) in [(1, 1024), (500, 0), (4000, 0)] {
        let mut service = Service::new().await;
        let client = client(&service, 1);
        let first = spawn_validate(&client, "first");
        let exchange = service.next_exchange().await;
        let token = "x".repeat(length);
        let pending: Vec<_> = (0..1500).map(|_| spawn_validate(&client, &token)).collect();
        until_waiting(&client, 1501).await;
        exchange.all_alive();
        user(first).await;
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 1500 {
            let exchange = service.next_exchange().await;
            assert!(exchange.size() <= 128 * 1024, "{} bytes", exchange.size());
            sizes.push(exchange.tokens().len());
            if sizes.iter().sum::<usize>() < 1500 && whole == 0 {
                assert!(exchange.size() + length + 64 > 128 * 1024, "{} bytes", exchange.size());
            }
            exchange.all_alive();
        }
        if whole > 0 {
            assert_eq!(sizes, [whole, 1500 - whole]);
        }
        for pending in pending {
            assert_eq!(user(pending).await, token);
        }
    }
}

#[tokio::test]
async fn the_headers_of_a_request_go_with_a_question_alone_and_its_id_with_its_item() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let spawn_validate = |id: &'static str| {
        let client = client.clone();
        tokio::spawn(async move {
            let question = Question {
                touch: id != "r-2",
                request_id: Some(id),
                traceparent: Some(trace),
                ..Question::new("T")
            };
            client.validate(question).await
        })
    };
    let alone = spawn_validate("r-1");
    let exchange = service.next_exchange().await;
    assert!(exchange.has_header("x-request-id: r-1"));
    assert!(exchange.has_header(&format!("traceparent: {trace}")));
    let (second, third) = (spawn_validate("r-2"), spawn_validate("r-3"));
    until_waiting(&client, 3).await;
    exchange.all_alive();

    let exchange = service.next_exchange().await;
    assert!(
        !exchange.request.contains("x-request-id") && !exchange.request.contains("traceparent")
    );
    let mut items = exchange.items();
    items.sort_by_key(|item| item["request_id"].to_string());
    assert_eq!(items[0], serde_json::json!({"request_id": "r-2", "token": "T", "touch": false}));
    assert_eq!(items[1], serde_json::json!({"request_id": "r-3", "token": "T"}));
    assert_eq!(items.len(), 2);
    exchange.judge(|item| alive(&token(item)));
    for pending in [alone, second, third] {
        assert_eq!(user(pending).await, "T");
    }
}

#[tokio::test]
async fn a_call_that_hangs_does_not_keep_later_questions_from_being_asked() {
    for slots in [1, 2, 4] {
        let mut service = Service::new().await;
        let budget = Duration::from_secs(1);
        let client =
            client_with(AuthClientOptions { timeout: budget, ..options(&service.url, slots) });
        let started = Instant::now();
        let (mut hung, mut exchanges) = (Vec::new(), Vec::new());
        for _ in 0..slots {
            hung.push(spawn_validate(&client, "hung"));
            exchanges.push(service.next_exchange().await);
        }
        let later = validate_in_order(&client, &["a", "b"]).await;
        let mut answered = Vec::new();
        while answered.len() < 2 {
            let exchange = service.next_exchange().await;
            answered.extend(exchange.tokens());
            exchange.all_alive();
        }
        for (pending, token) in later.into_iter().zip(["a", "b"]) {
            assert_eq!(user(pending).await, token);
        }
        assert!(started.elapsed() < budget / 2, "{:?}", started.elapsed());
        // Each of those that hang ends at its own deadline.
        for pending in hung {
            assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::TimedOut));
        }
        assert!(started.elapsed() < budget * 3 / 2, "{:?}", started.elapsed());
        for exchange in exchanges {
            exchange.until_given_up().await;
        }
        assert!(!client.stats().upstreams[0].breaker_open);
    }
}

#[tokio::test]
async fn those_who_wait_for_a_service_that_is_left_out_do_not_wait_on() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    for _ in 1..5 {
        let pending = spawn_validate(&client, "broken");
        drop(service.next_exchange().await);
        assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Broken));
    }
    let last = spawn_validate(&client, "last");
    let exchange = service.next_exchange().await;
    let waiting = validate_in_order(&client, &["a", "b"]).await;
    drop(exchange);
    assert_eq!(last.await.unwrap(), Err(AuthUnavailable::Broken));
    for pending in waiting {
        assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::BreakerOpen));
    }
    let probe = service.next_exchange().await;
    assert_eq!(probe.items()[0]["touch"], false, "only the probe is sent");
    assert!(service.is_idle());
}

#[tokio::test]
async fn what_waits_where_nothing_answers_goes_to_another_that_does() {
    let (mut failing, mut healthy) = (Service::new().await, Service::new().await);
    let urls = vec![failing.url.parse().unwrap(), healthy.url.parse().unwrap()];
    let client = client_with(AuthClientOptions { urls, ..options(&failing.url, 1) });
    for _ in 1..5 {
        // Round robin, so that the failing one gets the first question each time.
        let (one, other) = (spawn_validate(&client, "one"), spawn_validate(&client, "other"));
        let (exchange, answered) = (failing.next_exchange().await, healthy.next_exchange().await);
        answered.all_alive();
        drop(exchange);
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    }
    let (one, other) = (spawn_validate(&client, "one"), spawn_validate(&client, "other"));
    let (exchange, answered) = (failing.next_exchange().await, healthy.next_exchange().await);
    let waiting = validate_in_order(&client, &["a", "b"]).await;
    answered.all_alive();
    drop(exchange);
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let exchange = healthy.next_exchange().await;
        tokens.extend(exchange.tokens());
        exchange.all_alive();
    }
    for (pending, token) in waiting.into_iter().zip(["a", "b"]) {
        assert_eq!(user(pending).await, token);
    }
    let outcomes = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
}
