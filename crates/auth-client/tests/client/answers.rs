//! What counts as an answer, and that a question which was received is not sent again.

use std::time::Duration;

use auth_api_types::{Client, Reason};
use auth_client::{Answer, AuthUnavailable, InternalKey, Question};
use tokio::time::Instant;

use crate::{BUDGET, client, client_with, options};
use testkit::fake_auth::{Act, SESSION, Upstream, http, json, no, unreachable, yes};

#[tokio::test]
async fn a_clear_yes_is_alive_and_a_clear_no_is_dead() {
    let upstream = Upstream::start(yes()).await;
    let client = client(&[&upstream]);
    let Ok(Answer::Alive(session)) = client.validate(Question::new("T")).await else {
        panic!("a clear yes was not understood");
    };
    assert_eq!((session.user.username.as_ref(), session.refresh_count), ("ann@example.com", 3));

    for (word, reason) in [
        ("malformed", Reason::Malformed),
        ("unknown", Reason::Unknown),
        ("expired", Reason::Expired),
        ("revoked", Reason::Revoked),
        ("a newer one", Reason::Unknown),
    ] {
        upstream.set_act(no(word));
        assert_eq!(client.validate(Question::new("T")).await, Ok(Answer::Dead(reason)));
    }
    assert_eq!(upstream.count("\"T\""), 6);
}

#[tokio::test]
async fn whatever_is_neither_yes_nor_no_is_no_answer_and_is_not_asked_again() {
    use AuthUnavailable::{Broken, TimedOut, Unclear};
    let clear = format!(r#"{{"authenticated":true,"session":{SESSION}}}"#);
    let twice = format!(r#"{{"authenticated":false,"authenticated":true,"session":{SESSION}}}"#);
    let both = format!(r#"{{"authenticated":true,"session":{SESSION},"reason":"expired"}}"#);
    let long = format!(r#"{{"authenticated":false,"x":"{}"}}"#, "x".repeat(300_000));
    let truncated = json(&clear).replace("content-length: ", "content-length: 9");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n";
    for (name, act, expected) in [
        ("no JSON", Act::Reply(json("yes")), Unclear),
        ("an empty body", Act::Reply(json("")), Unclear),
        ("an empty object", Act::Reply(json("{}")), Unclear),
        ("yes without a session", Act::Reply(json(r#"{"authenticated":true}"#)), Unclear),
        ("yes with a reason", Act::Reply(json(&both)), Unclear),
        ("yes and no", Act::Reply(json(&twice)), Unclear),
        ("an error", Act::Reply(json(r#"{"error":"unavailable"}"#)), Unclear),
        ("nested brackets", Act::Reply(json(&"[".repeat(10_000))), Unclear),
        ("another type", Act::Reply(http("200 OK", "text/html", &clear)), Unclear),
        ("another 2xx", Act::Reply(http("203 Other", "application/json", &clear)), Unclear),
        ("a 401", Act::Reply(http("401 Unauthorized", "application/json", &clear)), Unclear),
        ("a 404", Act::Reply(http("404 Not Found", "application/json", &clear)), Unclear),
        ("a 500", Act::Reply(http("500 Oops", "application/json", &clear)), Unclear),
        ("a 503", Act::Reply(http("503 Busy", "application/problem+json", "{}")), Unclear),
        ("too long", Act::ReplyAndClose(json(&long)), Unclear),
        ("truncated", Act::ReplyAndClose(truncated), Broken),
        ("no answer", Act::ReplyAndClose(String::new()), Broken),
        ("no HTTP", Act::ReplyAndClose("SSH-2.0-OpenSSH_9.2\r\n".to_owned()), Broken),
        ("a reset", Act::Reset, Broken),
        ("nothing", Act::Hang, TimedOut),
        ("half an answer", Act::Reply(head.to_owned()), TimedOut),
        ("a slow drip", Act::Drip(json(&clear)), TimedOut),
    ] {
        let upstream = Upstream::start(act.clone()).await;
        let other = Upstream::start(act).await;
        let started = Instant::now();
        let outcome = client(&[&upstream, &other]).validate(Question::new("T")).await;
        assert_eq!(outcome, Err(expected), "{name}");
        assert!(started.elapsed() < BUDGET + Duration::from_millis(200), "{name}");
        assert_eq!(upstream.count("\"T\"") + other.count("\"T\""), 1, "{name}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Upstream::start(yes()).await;
    for status in ["302 Found", "307 Temporary Redirect"] {
        let to = format!("location: {}/validateToken", elsewhere.url);
        let answer = format!("HTTP/1.1 {status}\r\n{to}\r\ncontent-length: 0\r\n\r\n");
        let upstream = Upstream::start(Act::Reply(answer)).await;
        let outcome = client(&[&upstream]).validate(Question::new("T")).await;
        assert_eq!(outcome, Err(AuthUnavailable::Unclear));
    }
    assert_eq!(elsewhere.count(""), 0);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_nothing() {
    let Act::Reply(answer) = yes() else { unreachable!() };
    // It closes the connection without announcing it in a header.
    let upstream = Upstream::start(Act::ReplyAndClose(answer)).await;
    let client = client(&[&upstream]);
    for nth in 1..=50 {
        let outcome = client.validate(Question::new("T")).await;
        assert!(matches!(outcome, Ok(Answer::Alive(_))), "{nth}: {outcome:?}");
        assert_eq!(upstream.count("\"T\""), nth);
        // Time for the close to arrive at this side, as it does while a connection is idle.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let upstream = Upstream::start(yes()).await;
    let client = client(&[&upstream]);
    for _ in 0..20 {
        client.validate(Question::new("T")).await.unwrap();
    }
    upstream.set_act(Act::Reset);
    assert_eq!(client.validate(Question::new("U")).await, Err(AuthUnavailable::Broken));
    assert_eq!(upstream.count("\"U\""), 1);
}

#[tokio::test]
async fn a_question_carries_what_it_was_given_and_nothing_else() {
    let upstream = Upstream::start(yes()).await;
    let keys = vec![InternalKey::new("k-1").unwrap()];
    let client = client_with(auth_client::AuthClientOptions { keys, ..options(&[&upstream]) });

    client.validate(Question::new("T\"\\")).await.unwrap();
    let bare = upstream.requests_with("").remove(0).to_lowercase();
    assert!(bare.starts_with("post /validatetoken http/1.1\r\n"), "{bare}");
    assert!(bare.contains("\r\nauthorization: bearer k-1\r\n"), "{bare}");
    assert!(bare.contains("\r\ncontent-type: application/json\r\n"), "{bare}");
    assert!(bare.ends_with("\r\n\r\n{\"token\":\"t\\\"\\\\\"}"), "{bare}");
    assert!(!bare.contains("x-request-id") && !bare.contains("traceparent"), "{bare}");

    let ended = Client { ip: Some("203.0.113.9".to_owned()), user_agent: None };
    let question = Question {
        token: "T",
        touch: false,
        client: Some(ended),
        request_id: Some("r-1"),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    };
    client.validate(question).await.unwrap();
    let full = upstream.requests_with("").remove(1);
    assert!(full.contains("\r\nx-request-id: r-1\r\n"), "{full}");
    assert!(full.contains("\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"), "{full}");
    let body = r#"{"token":"T","touch":false,"client":{"ip":"203.0.113.9"},"request_id":"r-1"}"#;
    assert!(full.ends_with(body), "{full}");
}

#[tokio::test]
async fn only_an_absurdly_long_token_is_told_malformed_without_asking() {
    let upstream = Upstream::start(yes()).await;
    let client = client(&[&upstream]);
    let long = "x".repeat(4097);
    let outcome = client.validate(Question::new(&long)).await;
    assert_eq!(outcome, Ok(Answer::Dead(Reason::Malformed)));
    assert_eq!(upstream.count(""), 0);
    for token in ["", "no token of ours", &long[1..]] {
        assert!(matches!(client.validate(Question::new(token)).await, Ok(Answer::Alive(_))));
    }
    assert_eq!(upstream.count(""), 3);
}

#[tokio::test]
async fn what_cannot_have_been_received_is_asked_elsewhere() {
    let (up, down) = (Upstream::start(yes()).await, unreachable().await);
    let client = client(&[&down, &up]);
    for nth in 1..=100 {
        let outcome = client.validate(Question::new("T")).await;
        assert!(matches!(outcome, Ok(Answer::Alive(_))), "{nth}: {outcome:?}");
        assert_eq!(up.count("\"T\""), nth);
    }
}

#[tokio::test]
async fn ready_means_that_a_question_is_answered() {
    let (up, down) = (Upstream::start(no("unknown")).await, unreachable().await);
    assert!(client(&[&down, &up]).ready().await);
    assert!(up.requests_with("").iter().all(|request| request.contains("\"touch\":false")));
    assert!(!client(&[&down]).ready().await);
    up.set_act(Act::Reply(http("401 Unauthorized", "application/problem+json", "{}")));
    assert!(!client(&[&up]).ready().await);
}
