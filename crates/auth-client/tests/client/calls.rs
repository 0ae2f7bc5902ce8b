//! Batches as calls: what fits into one, what goes with one, and what becomes of those in it when it
//! fails or hangs.

use std::time::Duration;

use auth_client::{AuthClientOptions, AuthUnavailable, Question};
use tokio::time::Instant;

use crate::batches::{ask, ask_each, client, options, until_waiting, user};
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
        let first = ask(&client, "first");
        let call = service.call().await;
        let asked = ask_each(&client, &["a", "b"]).await;
        call.all_alive();
        service.call().await.say(&json(&answer));
        for asked in asked {
            assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Unclear), "{answer}");
        }
        user(first).await;
    }
}

#[tokio::test]
async fn a_call_holds_no_more_than_the_service_takes() {
    for (length, whole) in [(1, 1024), (500, 0), (4000, 0)] {
        let mut service = Service::new().await;
        let client = client(&service, 1);
        let first = ask(&client, "first");
        let call = service.call().await;
        let token = "x".repeat(length);
        let asked: Vec<_> = (0..1500).map(|_| ask(&client, &token)).collect();
        until_waiting(&client, 1501).await;
        call.all_alive();
        user(first).await;
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 1500 {
            let call = service.call().await;
            assert!(call.size() <= 128 * 1024, "{} bytes", call.size());
            sizes.push(call.tokens().len());
            if sizes.iter().sum::<usize>() < 1500 && whole == 0 {
                assert!(call.size() + length + 64 > 128 * 1024, "{} bytes", call.size());
            }
            call.all_alive();
        }
        if whole > 0 {
            assert_eq!(sizes, [whole, 1500 - whole]);
        }
        for asked in asked {
            assert_eq!(user(asked).await, token);
        }
    }
}

#[tokio::test]
async fn the_headers_of_a_request_go_with_a_question_alone_and_its_id_with_its_item() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ask = |id: &'static str| {
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
    let alone = ask("r-1");
    let call = service.call().await;
    assert!(call.has_header("x-request-id: r-1"));
    assert!(call.has_header(&format!("traceparent: {trace}")));
    let (second, third) = (ask("r-2"), ask("r-3"));
    until_waiting(&client, 3).await;
    call.all_alive();

    let call = service.call().await;
    assert!(!call.request.contains("x-request-id") && !call.request.contains("traceparent"));
    let mut items = call.items();
    items.sort_by_key(|item| item["request_id"].to_string());
    assert_eq!(items[0], serde_json::json!({"request_id": "r-2", "token": "T", "touch": false}));
    assert_eq!(items[1], serde_json::json!({"request_id": "r-3", "token": "T"}));
    assert_eq!(items.len(), 2);
    call.judge(|item| alive(&token(item)));
    for asked in [alone, second, third] {
        assert_eq!(user(asked).await, "T");
    }
}

#[tokio::test]
async fn a_call_that_hangs_does_not_keep_later_questions_from_being_asked() {
    for places in [1, 2, 4] {
        let mut service = Service::new().await;
        let budget = Duration::from_secs(1);
        let client =
            client_with(AuthClientOptions { timeout: budget, ..options(&service.url, places) });
        let started = Instant::now();
        let (mut hung, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..places {
            hung.push(ask(&client, "hung"));
            calls.push(service.call().await);
        }
        let later = ask_each(&client, &["a", "b"]).await;
        let mut answered = Vec::new();
        while answered.len() < 2 {
            let call = service.call().await;
            answered.extend(call.tokens());
            call.all_alive();
        }
        for (asked, token) in later.into_iter().zip(["a", "b"]) {
            assert_eq!(user(asked).await, token);
        }
        assert!(started.elapsed() < budget / 2, "{:?}", started.elapsed());
        // Each that hangs has its own deadline, and ends with it.
        for asked in hung {
            assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::TimedOut));
        }
        assert!(started.elapsed() < budget * 3 / 2, "{:?}", started.elapsed());
        for call in calls {
            call.until_given_up().await;
        }
        assert!(!client.stats().upstreams[0].breaker_open);
    }
}

#[tokio::test]
async fn those_who_wait_for_a_service_that_is_left_out_do_not_wait_on() {
    let mut service = Service::new().await;
    let client = client(&service, 1);
    for _ in 1..5 {
        let asked = ask(&client, "broken");
        drop(service.call().await);
        assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Broken));
    }
    let last = ask(&client, "last");
    let call = service.call().await;
    let waiting = ask_each(&client, &["a", "b"]).await;
    drop(call);
    assert_eq!(last.await.unwrap(), Err(AuthUnavailable::Broken));
    for asked in waiting {
        assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::BreakerOpen));
    }
    let probe = service.call().await;
    assert_eq!(probe.items()[0]["touch"], false, "nothing but the probe comes");
    assert!(service.is_idle());
}

#[tokio::test]
async fn what_waits_where_nothing_answers_goes_to_another_that_does() {
    let (mut ill, mut well) = (Service::new().await, Service::new().await);
    let urls = vec![ill.url.parse().unwrap(), well.url.parse().unwrap()];
    let client = client_with(AuthClientOptions { urls, ..options(&ill.url, 1) });
    for _ in 1..5 {
        // In turn, so that the ill one is asked first each time.
        let (one, other) = (ask(&client, "one"), ask(&client, "other"));
        let (call, answered) = (ill.call().await, well.call().await);
        answered.all_alive();
        drop(call);
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    }
    let (one, other) = (ask(&client, "one"), ask(&client, "other"));
    let (call, answered) = (ill.call().await, well.call().await);
    let waiting = ask_each(&client, &["a", "b"]).await;
    answered.all_alive();
    drop(call);
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let call = well.call().await;
        tokens.extend(call.tokens());
        call.all_alive();
    }
    for (asked, token) in waiting.into_iter().zip(["a", "b"]) {
        assert_eq!(user(asked).await, token);
    }
    let outcomes = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
}
