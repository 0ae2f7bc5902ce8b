//! One of several services that says that it is draining.

use std::time::Duration;

use auth_client::{Answer, AuthClient, Question};
use tokio::time::timeout;

use crate::{client, one_by_one};
use testkit::fake_auth::{Act, Upstream, yes};

/// An answer after which the connection ends.
fn last_yes() -> Act {
    match yes() {
        Act::Reply(bytes) => {
            Act::ReplyAndClose(bytes.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1))
        }
        _ => unreachable!("it says yes"),
    }
}

async fn validate(client: &AuthClient) {
    let outcome = client.validate(Question::new("T")).await;
    assert!(matches!(outcome, Ok(Answer::Alive(_))), "{outcome:?}");
}

/// Validates until it is so.
async fn until(client: &AuthClient, is_so: impl Fn() -> bool) {
    timeout(Duration::from_secs(5), async {
        while !is_so() {
            validate(client).await;
        }
    })
    .await
    .expect("it becomes so in time");
}

#[tokio::test]
async fn others_are_preferred_to_one_that_goes_away_until_it_answers_as_before() {
    let (draining, staying) = (Upstream::start(last_yes()).await, Upstream::start(yes()).await);
    let client = one_by_one(&[&draining, &staying]);
    let requests = || draining.count("\"T\"");
    until(&client, || requests() > 0).await;
    let before = requests();
    for _ in 0..50 {
        validate(&client).await;
    }
    assert_eq!(requests(), before);
    draining.set_act(yes());
    until(&client, || requests() > before).await;
}

#[tokio::test]
async fn one_that_goes_away_is_asked_where_there_is_no_other() {
    let (draining, failing) =
        (Upstream::start(last_yes()).await, Upstream::start(Act::Reset).await);
    let client = one_by_one(&[&draining, &failing]);
    let is_open = || client.stats().upstreams[1].breaker_open;
    while !is_open() {
        // The failing one may get this question.
        let _ = client.validate(Question::new("T")).await;
    }
    for _ in 0..10 {
        validate(&client).await;
    }
}

#[tokio::test]
async fn the_only_one_is_not_probed_for_going_away() {
    let draining = Upstream::start(last_yes()).await;
    let client = client(&[&draining]);
    for _ in 0..20 {
        validate(&client).await;
    }
    assert_eq!((draining.count("\"T\""), draining.count("")), (20, 20));
}
