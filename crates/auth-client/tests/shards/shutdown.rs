//! What ends: a thread with all that it had under way, and the client with all its shards.

use crate::threads::{
    RuntimeThread, alone, client, first_exchanges, tokens, until, until_waiting, user, waiting,
};
use testkit::fake_auth::Service;

const THREADS: usize = 3;

#[tokio::test]
async fn a_thread_that_ends_with_questions_under_way_harms_no_other() {
    let _alone = alone().await;
    for stopping in 0..THREADS {
        let mut service = Service::new().await;
        let client = client(&service.url, THREADS, 1);
        let mut threads = RuntimeThread::start_several(THREADS);
        let mut first = first_exchanges(&threads, &client, &mut service).await;
        let (stopped, lost) = (threads.remove(stopping), first.remove(stopping));
        let mut lost_too = stopped.validate_in_order(&client, &tokens("lost", 3)).await;
        let mut others = Vec::new();
        for (nth, thread) in threads.iter().enumerate() {
            others
                .push(thread.validate_in_order(&client, &tokens(&format!("kept-{nth}"), 3)).await);
        }

        stopped.stop();
        lost.1.until_given_up().await;
        lost_too.push(lost.0);
        for pending in lost_too {
            assert!(pending.await.unwrap_err().is_cancelled());
        }
        // Its waiting questions are neither sent by another thread nor counted any longer.
        until_waiting(&client, (THREADS - 1) * 4).await;
        assert!(service.is_idle());
        for ((pending, exchange), later) in first.into_iter().zip(others) {
            exchange.all_alive();
            assert!(user(pending).await.starts_with("first-"));
            let exchange = service.next_exchange().await;
            assert_eq!(exchange.items().len(), 3);
            exchange.all_alive();
            for pending in later {
                assert!(user(pending).await.starts_with("kept-"));
            }
        }
        assert_eq!(waiting(&client), 0);
        assert!(!client.stats().upstreams[0].breaker_open);
    }
}

#[tokio::test]
async fn a_thread_that_comes_to_the_lane_of_one_that_ended_finds_its_places_free() {
    let _alone = alone().await;
    for slots in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service.url, 1, slots);
        for round in 0..3 {
            let thread = RuntimeThread::start();
            let mut under_way = Vec::new();
            for token in tokens(&round.to_string(), slots) {
                let pending = thread.validate(&client, &token);
                under_way.push((pending, service.next_exchange().await, token));
            }
            let waits = thread.validate_in_order(&client, &tokens("waits", 2)).await;
            assert!(service.is_idle());
            if round == 1 {
                for (pending, exchange, token) in under_way {
                    exchange.all_alive();
                    assert_eq!(user(pending).await, token);
                }
                service.next_exchange().await.all_alive();
                for (pending, token) in waits.into_iter().zip(tokens("waits", 2)) {
                    assert_eq!(user(pending).await, token);
                }
            }
            thread.stop();
            until_waiting(&client, 0).await;
        }
    }
}

#[tokio::test]
async fn those_who_wait_behind_a_call_of_a_thread_that_ends_are_asked_for_by_their_own() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, 1, 1);
    let (ending, other) = (RuntimeThread::start(), RuntimeThread::start());
    let lost = ending.validate(&client, "lost");
    let exchange = service.next_exchange().await;
    let waiting = other.validate_in_order(&client, &tokens("waits", 3)).await;
    assert!(service.is_idle());
    ending.stop();
    exchange.until_given_up().await;
    assert!(lost.await.unwrap_err().is_cancelled());

    // They come back one by one, and the first may leave before the last is there.
    let mut asked = Vec::new();
    while asked.len() < 3 {
        let exchange = service.next_exchange().await;
        asked.extend(exchange.tokens());
        exchange.all_alive();
    }
    assert_eq!(asked, tokens("waits", 3));
    for (pending, token) in waiting.into_iter().zip(tokens("waits", 3)) {
        assert_eq!(user(pending).await, token);
    }
    assert!(!client.stats().upstreams[0].breaker_open);
}

#[tokio::test]
async fn nothing_goes_on_in_any_lane_once_the_client_is_dropped() {
    let _alone = alone().await;
    for slots in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service.url, THREADS, slots);
        let threads = RuntimeThread::start_several(THREADS);
        for (pending, exchange) in first_exchanges(&threads, &client, &mut service).await {
            exchange.all_alive();
            user(pending).await;
        }
        assert!(threads.iter().all(|thread| thread.tasks() > 0), "a shard has no worker");
        drop(client);
        until(|| threads.iter().all(|thread| thread.tasks() == 0), "a task outlives the client")
            .await;
    }
}
