//! What ends: a thread with all that it had under way, and the client with all its shards.

use crate::crew::{Hand, alone, client, first_calls, tokens, until, until_waiting, user, waiting};
use testkit::fake_auth::Service;

const CREW: usize = 3;

#[tokio::test]
async fn a_thread_that_ends_with_questions_under_way_harms_no_other() {
    let _alone = alone().await;
    for leaving in 0..CREW {
        let mut service = Service::new().await;
        let client = client(&service.url, CREW, 1);
        let mut crew = Hand::several(CREW);
        let mut first = first_calls(&crew, &client, &mut service).await;
        let (gone, lost) = (crew.remove(leaving), first.remove(leaving));
        let mut lost_too = gone.asks_each(&client, &tokens("lost", 3)).await;
        let mut kept = Vec::new();
        for (nth, hand) in crew.iter().enumerate() {
            kept.push(hand.asks_each(&client, &tokens(&format!("kept-{nth}"), 3)).await);
        }

        gone.leaves();
        lost.1.until_given_up().await;
        lost_too.push(lost.0);
        for asked in lost_too {
            assert!(asked.await.unwrap_err().is_cancelled());
        }
        // What it had waiting is neither sent by another nor counted on.
        until_waiting(&client, (CREW - 1) * 4).await;
        assert!(service.is_idle());
        for ((asked, call), later) in first.into_iter().zip(kept) {
            call.all_alive();
            assert!(user(asked).await.starts_with("first-"));
            let call = service.call().await;
            assert_eq!(call.items().len(), 3);
            call.all_alive();
            for asked in later {
                assert!(user(asked).await.starts_with("kept-"));
            }
        }
        assert_eq!(waiting(&client), 0);
        assert!(!client.stats().upstreams[0].breaker_open);
    }
}

#[tokio::test]
async fn a_thread_that_comes_to_the_lane_of_one_that_ended_finds_its_places_free() {
    let _alone = alone().await;
    for places in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service.url, 1, places);
        for round in 0..3 {
            let hand = Hand::hired();
            let mut under_way = Vec::new();
            for token in tokens(&round.to_string(), places) {
                let asked = hand.asks(&client, &token);
                under_way.push((asked, service.call().await, token));
            }
            let waits = hand.asks_each(&client, &tokens("waits", 2)).await;
            assert!(service.is_idle());
            if round == 1 {
                for (asked, call, token) in under_way {
                    call.all_alive();
                    assert_eq!(user(asked).await, token);
                }
                service.call().await.all_alive();
                for (asked, token) in waits.into_iter().zip(tokens("waits", 2)) {
                    assert_eq!(user(asked).await, token);
                }
            }
            hand.leaves();
            until_waiting(&client, 0).await;
        }
    }
}

#[tokio::test]
async fn nothing_goes_on_in_any_lane_once_the_client_is_dropped() {
    let _alone = alone().await;
    for places in [1, 2, 4] {
        let mut service = Service::new().await;
        let client = client(&service.url, CREW, places);
        let crew = Hand::several(CREW);
        for (asked, call) in first_calls(&crew, &client, &mut service).await {
            call.all_alive();
            user(asked).await;
        }
        assert!(crew.iter().all(|hand| hand.tasks() > 0), "a shard has no places");
        drop(client);
        until(|| crew.iter().all(|hand| hand.tasks() == 0), "a task outlives the client").await;
    }
}
