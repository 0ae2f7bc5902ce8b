//! A service that does not answer is not asked by any shard, and taken back by all.

use auth_client::AuthUnavailable;

use crate::crew::{Hand, alone, client, first_calls, tokens, until, until_waiting, user};
use testkit::fake_auth::Service;

const CREW: usize = 3;
/// So many failures without an answer in between leave a service out.
const TOO_OFTEN: usize = 5;

#[tokio::test]
async fn failures_in_one_lane_turn_away_those_who_wait_in_every_lane() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, CREW, 1);
    let crew = Hand::several(CREW);
    let mut first = first_calls(&crew, &client, &mut service).await;
    let mut waiting = Vec::new();
    for hand in &crew[1..] {
        waiting.extend(hand.asks_each(&client, &tokens("waits", 4)).await);
    }
    // Each of these calls is reset; the last one opens the breaker.
    let (mut asked, mut call) = first.remove(0);
    for nth in 1..=TOO_OFTEN {
        drop(call);
        assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Broken));
        assert_eq!(client.stats().upstreams[0].breaker_open, nth == TOO_OFTEN);
        if nth == TOO_OFTEN {
            break;
        }
        asked = crew[0].asks(&client, "again");
        call = service.call().await;
    }
    for asked in waiting {
        assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::BreakerOpen));
    }
    // Those whose calls are under way still wait for their answers.
    until_waiting(&client, CREW - 1).await;
    let probe = service.call().await;
    for hand in &crew {
        let asked = hand.asks(&client, "meanwhile").await.unwrap();
        assert_eq!(asked, Err(AuthUnavailable::BreakerOpen));
    }
    assert!(service.is_idle(), "there is one probe for all shards");

    // An answer to any of them ends it for all.
    for (asked, call) in first {
        call.all_alive();
        assert!(user(asked).await.starts_with("first-"));
        assert!(!client.stats().upstreams[0].breaker_open);
    }
    for (nth, hand) in crew.iter().enumerate() {
        let asked = hand.asks(&client, &nth.to_string());
        service.call().await.all_alive();
        assert_eq!(user(asked).await, nth.to_string());
    }
    drop(probe);
}

#[tokio::test]
async fn a_probe_whose_thread_ended_is_taken_over_by_another() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, CREW, 1);
    let mut crew = Hand::several(CREW);
    for (asked, call) in first_calls(&crew, &client, &mut service).await {
        call.all_alive();
        user(asked).await;
    }
    let prober = crew.remove(0);
    for _ in 0..TOO_OFTEN {
        let asked = prober.asks(&client, "T");
        drop(service.call().await);
        assert_eq!(asked.await.unwrap(), Err(AuthUnavailable::Broken));
    }
    let probe = service.call().await;
    prober.leaves();
    probe.until_given_up().await;
    let asked = crew[0].asks(&client, "T").await.unwrap();
    assert_eq!(asked, Err(AuthUnavailable::BreakerOpen));
    let probe = service.call().await;
    assert!(client.stats().upstreams[0].breaker_open);
    probe.all_alive();
    until(|| !client.stats().upstreams[0].breaker_open, "it is not taken back").await;
    let asked = crew[1].asks(&client, "T");
    service.call().await.all_alive();
    assert_eq!(user(asked).await, "T");
}
