//! One of several services that says that it goes away.

use std::time::Duration;

use auth_client::{Answer, AuthClient, Question};
use tokio::time::timeout;

use crate::{client, one_by_one};
use testkit::fake_auth::{Act, Upstream, yes};

/// An answer after which the connection ends.
fn last_yes() -> Act {
    match yes() {
        Act::Say(bytes) => {
            Act::SayAndClose(bytes.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1))
        }
        _ => unreachable!("it says yes"),
    }
}

async fn ask(client: &AuthClient) {
    let outcome = client.validate(Question::new("T")).await;
    assert!(matches!(outcome, Ok(Answer::Alive(_))), "{outcome:?}");
}

/// Asks until it is so.
async fn until(client: &AuthClient, is_so: impl Fn() -> bool) {
    timeout(Duration::from_secs(5), async {
        while !is_so() {
            ask(client).await;
        }
    })
    .await
    .expect("it does not come to that");
}

#[tokio::test]
async fn others_are_preferred_to_one_that_goes_away_until_it_answers_as_before() {
    let (leaving, staying) = (Upstream::that(last_yes()).await, Upstream::that(yes()).await);
    let client = one_by_one(&[&leaving, &staying]);
    let asked = || leaving.count("\"T\"");
    until(&client, || asked() > 0).await;
    let before = asked();
    for _ in 0..50 {
        ask(&client).await;
    }
    assert_eq!(asked(), before);
    leaving.goes_on_with(yes());
    until(&client, || asked() > before).await;
}

#[tokio::test]
async fn one_that_goes_away_is_asked_where_there_is_no_other() {
    let (leaving, ill) = (Upstream::that(last_yes()).await, Upstream::that(Act::Reset).await);
    let client = one_by_one(&[&leaving, &ill]);
    let is_left_out = || client.stats().upstreams[1].breaker_open;
    while !is_left_out() {
        // It may be the ill one that is asked.
        let _ = client.validate(Question::new("T")).await;
    }
    for _ in 0..10 {
        ask(&client).await;
    }
}

#[tokio::test]
async fn the_only_one_is_not_probed_for_going_away() {
    let leaving = Upstream::that(last_yes()).await;
    let client = client(&[&leaving]);
    for _ in 0..20 {
        ask(&client).await;
    }
    assert_eq!((leaving.count("\"T\""), leaving.count("")), (20, 20));
}
