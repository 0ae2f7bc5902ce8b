//! Validations in the packed form, and in JSON where a service does not know it.

mod service;
mod unreadable;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, Client, Question};
use tokio::time::Instant;

use crate::batches::{options as batching, spawn_validate, until_waiting, user};
use crate::{BUDGET, SLACK, client_with};
use service::{Act, Form, Seen, Service};
use testkit::fake_auth::yes;

/// Without batching: one request for each question.
fn client(service: &Service) -> AuthClient {
    let urls = vec![service.url.parse().unwrap()];
    let options = AuthClientOptions { timeout: BUDGET, ..AuthClientOptions::new(urls) };
    client_with(AuthClientOptions { batching: false, ..options })
}

/// The same, which knows that the service knows the form.
async fn knowing(service: &Service, act: Act) -> AuthClient {
    learn(client(service), service, act).await
}

/// Has the client find out that the service knows the form; from then on that does what `act` says.
async fn learn(client: AuthClient, service: &Service, act: Act) -> AuthClient {
    validate(&client, "known").await;
    service.set_act(act);
    client
}

/// The user of a token that is alive.
async fn validate(client: &AuthClient, token: &str) -> String {
    match client.validate(Question::new(token)).await {
        Ok(Answer::Alive(session)) => session.user.username.into_owned(),
        other => panic!("not alive: {other:?}"),
    }
}

fn is_open(client: &AuthClient) -> bool {
    client.stats().upstreams[0].breaker_open
}

#[tokio::test]
async fn a_service_is_asked_packed_once_it_has_answered_so() {
    let service = Service::start(Act::Answer).await;
    let client = client(&service);
    for token in ["one", "two", "three"] {
        assert_eq!(validate(&client, token).await, token);
    }
    assert_eq!(service.tokens(Form::Json), ["one"]);
    assert_eq!(service.tokens(Form::Packed), ["two", "three"]);
}

#[tokio::test]
async fn a_question_and_its_answer_are_packed() {
    let service = Service::start(Act::Answer).await;
    let client = knowing(&service, Act::Answer).await;
    let own = Client { ip: Some("203.0.113.9".to_owned()), user_agent: Some("ü".to_owned()) };
    let question = Question {
        token: "T\"\0",
        touch: false,
        client: Some(own.clone()),
        request_id: Some("r-1"),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    };
    let packed = client.validate(question.clone()).await;
    let [seen] = &service.seen()[..] else { panic!("one request") };
    assert_eq!((seen.form, seen.tokens.as_slice()), (Form::Packed, &["T\"\0".to_owned()][..]));
    assert_eq!((seen.touch, &seen.client), (Some(false), &Some(own)));
    assert_eq!(seen.request_id.as_deref(), Some("r-1"));
    for (name, value) in [
        ("content-type", "application/vnd.reinflate.validation"),
        ("accept", "application/vnd.reinflate.validation, application/json"),
        ("x-request-id", "r-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(seen.headers.get(name).unwrap(), value);
    }

    service.set_act(Act::JsonOnly);
    assert_eq!(client.validate(question).await, packed, "the answer is the same in JSON");
    let [_, refused, json] = &service.seen()[..] else { panic!("two more requests") };
    assert_eq!((refused.form, json.form), (Form::Packed, Form::Json));
    let same = |seen: &Seen| {
        let Seen { tokens, touch, client, request_id, .. } = seen.clone();
        let named = |name: &str| seen.headers.get(name).cloned();
        (tokens, touch, client, request_id, named("x-request-id"), named("traceparent"))
    };
    assert_eq!(same(refused), same(json), "it asks the same");
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(json.headers["accept"], "application/vnd.reinflate.validation, application/json");
}

#[tokio::test]
async fn a_service_that_does_not_know_the_form_is_asked_in_json_alone() {
    let service = Service::start(Act::JsonOnly).await;
    let client = client(&service);
    for nth in 0..20 {
        let token = format!("T-{nth}");
        assert_eq!(validate(&client, &token).await, token);
    }
    assert_eq!(service.count(Form::Packed), 0);
    let json: Vec<String> = service.tokens(Form::Json);
    assert_eq!(json, (0..20).map(|nth| format!("T-{nth}")).collect::<Vec<_>>());
    assert!(!is_open(&client));
}

#[tokio::test]
async fn what_many_ask_at_once_of_a_service_that_knows_the_form_no_longer_is_answered_once_each() {
    for (batches, batching_on) in [(1, true), (4, true), (1, false)] {
        let service = Service::start(Act::Answer).await;
        let options = batching(&service.url, batches);
        let client = client_with(AuthClientOptions { batching: batching_on, ..options });
        let client = learn(client, &service, Act::JsonOnly).await;
        let pending: Vec<_> =
            (0..200).map(|nth| spawn_validate(&client, &format!("T-{nth}"))).collect();
        for (nth, pending) in pending.into_iter().enumerate() {
            assert_eq!(user(pending).await, format!("T-{nth}"));
        }
        let mut asked = service.tokens(Form::Json);
        asked.sort();
        asked.dedup();
        assert_eq!((asked.len(), service.tokens(Form::Json).len()), (200, 200));
        // None of the refusals was a failure: five would have opened the breaker.
        let stats = client.stats();
        assert!(!stats.upstreams[0].breaker_open);
        assert_eq!(stats.batches.questions, 201);
        let ended: u64 = stats.validations.iter().map(|(_, count)| count).sum();
        assert_eq!((ended, stats.validations[0]), (201, ("alive", 201)));
    }
}

#[tokio::test]
async fn a_service_that_goes_back_a_release_is_asked_in_json_until_it_answers_packed_again() {
    let service = Service::start(Act::Answer).await;
    let client = knowing(&service, Act::JsonOnly).await;
    for token in ["back", "again"] {
        assert_eq!(validate(&client, token).await, token);
    }
    service.set_act(Act::Answer);
    for token in ["forth", "after"] {
        assert_eq!(validate(&client, token).await, token);
    }
    assert_eq!(service.tokens(Form::Packed), ["back", "after"]);
    assert_eq!(service.tokens(Form::Json), ["back", "again", "forth"]);
    assert!(!is_open(&client));
}

#[tokio::test]
async fn what_something_on_the_way_refuses_is_unclear_once_and_asked_in_json_from_then_on() {
    for status in [400, 403, 406, 415] {
        let service = Service::start(Act::Answer).await;
        let client = knowing(&service, Act::Stopped(status)).await;
        let outcome = client.validate(Question::new("refused")).await;
        assert_eq!(outcome, Err(AuthUnavailable::Unclear), "{status}");
        for token in ["one", "two"] {
            assert_eq!(validate(&client, token).await, token);
        }
        assert_eq!(service.tokens(Form::Packed), ["refused"], "{status}");
        assert_eq!(service.tokens(Form::Json), ["one", "two"], "{status}");
    }
}

#[tokio::test]
async fn nothing_but_our_own_415_is_asked_again_and_that_only_once() {
    for status in [400, 401, 403, 404, 406, 413, 415, 429, 500, 503] {
        let service = Service::start(Act::Answer).await;
        let client = knowing(&service, Act::Status(status)).await;
        let outcome = client.validate(Question::new("T")).await;
        assert_eq!(outcome, Err(AuthUnavailable::Unclear), "{status}");
        assert_eq!(service.seen().len(), 1, "{status}");
    }
    let service = Service::start(Act::Answer).await;
    let client = knowing(&service, Act::Unsupported).await;
    let outcome = client.validate(Question::new("T")).await;
    assert_eq!(outcome, Err(AuthUnavailable::Unclear));
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn asking_again_takes_no_more_than_what_is_left_of_the_budget() {
    let service = Service::start(Act::Answer).await;
    let client = knowing(&service, Act::HangInJson).await;
    let began = Instant::now();
    let outcome = client.validate(Question::new("T")).await;
    assert_eq!(outcome, Err(AuthUnavailable::TimedOut));
    assert!(began.elapsed() < BUDGET + SLACK, "{:?}", began.elapsed());
    assert_eq!((service.count(Form::Packed), service.count(Form::Json)), (1, 1));
}

#[tokio::test]
async fn an_answer_in_json_is_read_whatever_the_question_came_in() {
    let service = Service::start(Act::Answer).await;
    let client = client_with(batching(&service.url, 1));
    let client = learn(client, &service, Act::AnswerInJson).await;
    let gate = service.close_gate().await;
    let first = spawn_validate(&client, "first");
    service.until_seen(1).await;
    let both = ["a", "b"].map(|token| spawn_validate(&client, token));
    until_waiting(&client, 3).await;
    drop(gate);
    assert_eq!(user(first).await, "first");
    for (pending, token) in both.into_iter().zip(["a", "b"]) {
        assert_eq!(user(pending).await, token);
    }
    assert_eq!(service.count(Form::Json), 0);
}

#[tokio::test]
async fn the_test_doubles_of_releases_before_are_asked_in_json() {
    let upstream = testkit::fake_auth::Upstream::start(yes()).await;
    let client = crate::client(&[&upstream]);
    for _ in 0..3 {
        client.validate(Question::new("T")).await.unwrap();
    }
    assert_eq!(upstream.count("{\"token\":\"T\"}"), 3);
}
