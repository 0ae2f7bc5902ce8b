//! Many threads with many callers each: to every question its own answer, and to every thread its
//! own calls.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use auth_client::{Answer, AuthClient, Question};
use parking_lot::Mutex;

use crate::crew::{Hand, alone, client, first_calls, tokens, user, waiting};
use testkit::fake_auth::{Service, alive, dead, token};

const CREW: usize = 4;
const PLACES: [usize; 3] = [1, 2, 4];

#[tokio::test]
async fn what_one_thread_asks_meanwhile_leaves_together_and_with_no_other_threads_questions() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, CREW, 1);
    let crew = Hand::several(CREW);
    let first = first_calls(&crew, &client, &mut service).await;
    let mut next = Vec::new();
    for (nth, hand) in crew.iter().enumerate() {
        let tokens = tokens(&format!("next-{nth}"), 5);
        next.push((hand.asks_each(&client, &tokens).await, tokens));
    }
    assert!(service.is_idle(), "each thread has one call under way and no more");
    // The last one's answer comes first: no shard waits for another.
    for (nth, ((asked, call), (later, tokens))) in first.into_iter().zip(next).enumerate().rev() {
        call.all_alive();
        assert_eq!(user(asked).await, format!("first-{nth}"));
        let call = service.call().await;
        assert_eq!(call.tokens(), tokens);
        assert!(service.is_idle());
        call.all_alive();
        for (asked, token) in later.into_iter().zip(tokens) {
            assert_eq!(user(asked).await, token);
        }
    }
    assert_eq!(waiting(&client), 0);
}

#[tokio::test]
async fn each_thread_has_all_its_places() {
    let _alone = alone().await;
    for places in PLACES {
        let mut service = Service::new().await;
        let client = client(&service.url, CREW, places);
        let crew = Hand::several(CREW);
        let mut under_way = Vec::new();
        for (nth, hand) in crew.iter().enumerate() {
            for token in tokens(&nth.to_string(), places) {
                let asked = hand.asks(&client, &token);
                under_way.push((asked, service.call().await, token));
            }
        }
        let waits = crew[0].asks_each(&client, &tokens("waits", 1)).await.remove(0);
        assert!(service.is_idle());
        for (asked, call, token) in under_way {
            call.all_alive();
            assert_eq!(user(asked).await, token);
        }
        service.call().await.all_alive();
        assert_eq!(user(waits).await, "waits-0");
    }
}

/// Asks for so many tokens of its own, one after the other.
async fn asks_in_a_row(client: AuthClient, thread: usize, caller: usize) {
    for nth in 0..10 {
        let token = format!("{thread}/{caller}/{nth}");
        match client.validate(Question::new(&token)).await {
            Ok(Answer::Alive(session)) => assert_eq!(session.user.username, token),
            other => panic!("{token}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn crowds_on_several_threads_get_each_their_own_answers_and_share_no_call() {
    let _alone = alone().await;
    for places in PLACES {
        let uses = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let mixed = Arc::new(Mutex::new(Vec::new()));
        let (counted, seen) = (Arc::clone(&uses), Arc::clone(&mixed));
        let url = Service::new().await.deals(move |call| {
            let asked = call.tokens();
            let threads = asked.iter().filter_map(|token| token.split('/').next());
            if threads.collect::<BTreeSet<_>>().len() != 1 {
                seen.lock().push(asked.clone());
            }
            for token in asked {
                *counted.lock().entry(token).or_default() += 1;
            }
            call.all_alive();
        });
        let client = client(&url, CREW, places);
        let crew = Hand::several(CREW);
        let mut callers = Vec::new();
        for (thread, hand) in crew.iter().enumerate() {
            for caller in 0..64 {
                callers.push(hand.runs(asks_in_a_row(client.clone(), thread, caller)));
            }
        }
        for caller in callers {
            caller.await.unwrap();
        }
        assert!(mixed.lock().is_empty(), "calls are shared: {:?}", mixed.lock());
        let uses = uses.lock();
        assert_eq!(uses.len(), CREW * 64 * 10);
        assert!(uses.values().all(|times| *times == 1), "a token was used more than once");
        let stats = client.stats();
        assert_eq!(stats.upstreams[0].in_flight, 0);
        let calls: u64 = stats.batches.steps.iter().map(|(_, calls)| calls).sum();
        assert!(calls * 4 < stats.batches.questions, "{calls} calls are hardly batches");
    }
}

#[tokio::test]
async fn a_single_use_token_passes_once_whichever_threads_present_it() {
    let _alone = alone().await;
    for places in PLACES {
        let used = Mutex::new(HashSet::new());
        let url = Service::new().await.judges(move |item| {
            let token = token(item);
            if used.lock().insert(token.clone()) { alive(&token) } else { dead("revoked") }
        });
        let client = client(&url, CREW, places);
        let crew = Hand::several(CREW);
        for nth in 0..10 {
            let token = format!("single-{nth}");
            let asked: Vec<_> =
                (0..64).map(|caller| crew[caller % CREW].asks(&client, &token)).collect();
            let mut alive = 0;
            for asked in asked {
                alive += usize::from(matches!(asked.await.unwrap().unwrap(), Answer::Alive(_)));
            }
            assert_eq!(alive, 1);
        }
    }
}

#[tokio::test]
async fn a_revocation_that_has_answered_is_seen_by_every_thread_that_asks_later() {
    const TOKENS: usize = 100;
    let _alone = alone().await;
    for places in PLACES {
        let revoked = Arc::new(Mutex::new(HashSet::<String>::new()));
        let known = Arc::clone(&revoked);
        let url = Service::new().await.judges(move |item| {
            let token = token(item);
            if known.lock().contains(&token) { dead("revoked") } else { alive(&token) }
        });
        let client = client(&url, CREW, places);
        let crew = Hand::several(CREW);
        let over = Arc::new(AtomicUsize::new(0));
        let mut callers = Vec::new();
        for caller in 0..32 {
            let (client, over, revoked) = (client.clone(), Arc::clone(&over), Arc::clone(&revoked));
            callers.push(crew[caller % CREW].runs(async move {
                let mut asked = 0;
                while over.load(Ordering::Acquire) < TOKENS {
                    let token = format!("token-{}", (asked * 7 + caller) % TOKENS);
                    let was_revoked = revoked.lock().contains(&token);
                    let outcome = client.validate(Question::new(&token)).await.unwrap();
                    let is_alive = matches!(outcome, Answer::Alive(_));
                    assert!(!(was_revoked && is_alive), "{token} lives on");
                    asked += 1;
                }
                asked
            }));
        }
        for nth in 0..TOKENS {
            revoked.lock().insert(format!("token-{nth}"));
            over.fetch_add(1, Ordering::Release);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        for caller in callers {
            assert!(caller.await.unwrap() > 0);
        }
    }
}
