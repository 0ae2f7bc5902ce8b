//! The breaker is shared: it opens for all shards, and closes for all.

use auth_client::AuthUnavailable;

use crate::threads::{
    RuntimeThread, alone, client, first_exchanges, tokens, until, until_waiting, user,
};
use testkit::fake_auth::Service;

const THREADS: usize = 3;
/// So many failures in a row open the breaker.
const THRESHOLD: usize = 5;

#[tokio::test]
async fn failures_in_one_lane_turn_away_those_who_wait_in_every_lane() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, THREADS, 1);
    let threads = RuntimeThread::start_several(THREADS);
    let mut first = first_exchanges(&threads, &client, &mut service).await;
    let mut waiting = Vec::new();
    for thread in &threads[1..] {
        waiting.extend(thread.validate_in_order(&client, &tokens("waits", 4)).await);
    }
    // Each of these requests is reset; the last one opens the breaker.
    let (mut pending, mut exchange) = first.remove(0);
    for nth in 1..=THRESHOLD {
        drop(exchange);
        assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Broken));
        assert_eq!(client.stats().upstreams[0].breaker_open, nth == THRESHOLD);
        if nth == THRESHOLD {
            break;
        }
        pending = threads[0].validate(&client, "again");
        exchange = service.next_exchange().await;
    }
    for pending in waiting {
        assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::BreakerOpen));
    }
    // Those whose requests are in flight still wait for their answers.
    until_waiting(&client, THREADS - 1).await;
    let probe = service.next_exchange().await;
    for thread in &threads {
        let pending = thread.validate(&client, "meanwhile").await.unwrap();
        assert_eq!(pending, Err(AuthUnavailable::BreakerOpen));
    }
    assert!(service.is_idle(), "there is one probe for all shards");

    // An answer to any of them closes the breaker for all.
    for (pending, exchange) in first {
        exchange.all_alive();
        assert!(user(pending).await.starts_with("first-"));
        assert!(!client.stats().upstreams[0].breaker_open);
    }
    for (nth, thread) in threads.iter().enumerate() {
        let pending = thread.validate(&client, &nth.to_string());
        service.next_exchange().await.all_alive();
        assert_eq!(user(pending).await, nth.to_string());
    }
    drop(probe);
}

#[tokio::test]
async fn a_probe_whose_thread_ended_is_taken_over_by_another() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, THREADS, 1);
    let mut threads = RuntimeThread::start_several(THREADS);
    for (pending, exchange) in first_exchanges(&threads, &client, &mut service).await {
        exchange.all_alive();
        user(pending).await;
    }
    let prober = threads.remove(0);
    for _ in 0..THRESHOLD {
        let pending = prober.validate(&client, "T");
        drop(service.next_exchange().await);
        assert_eq!(pending.await.unwrap(), Err(AuthUnavailable::Broken));
    }
    let probe = service.next_exchange().await;
    prober.stop();
    probe.until_given_up().await;
    let pending = threads[0].validate(&client, "T").await.unwrap();
    assert_eq!(pending, Err(AuthUnavailable::BreakerOpen));
    let probe = service.next_exchange().await;
    assert!(client.stats().upstreams[0].breaker_open);
    probe.all_alive();
    until(|| !client.stats().upstreams[0].breaker_open, "the breaker closes in time").await;
    let pending = threads[1].validate(&client, "T");
    service.next_exchange().await.all_alive();
    assert_eq!(user(pending).await, "T");
}
