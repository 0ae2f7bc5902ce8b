//! Many threads with many callers each: to every question its own answer, and to every thread its
//! own calls.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use auth_client::{Answer, AuthClient, Question};
use parking_lot::Mutex;

use crate::threads::{RuntimeThread, alone, client, first_exchanges, tokens, user, waiting};
use testkit::fake_auth::{Service, alive, dead, token};

const THREADS: usize = 4;
const SLOTS: [usize; 3] = [1, 2, 4];

#[tokio::test]
async fn what_one_thread_asks_meanwhile_leaves_together_and_with_no_other_threads_questions() {
    let _alone = alone().await;
    let mut service = Service::new().await;
    let client = client(&service.url, THREADS, 1);
    let threads = RuntimeThread::start_several(THREADS);
    let first = first_exchanges(&threads, &client, &mut service).await;
    let mut next = Vec::new();
    for (nth, thread) in threads.iter().enumerate() {
        let tokens = tokens(&format!("next-{nth}"), 5);
        next.push((thread.validate_in_order(&client, &tokens).await, tokens));
    }
    assert!(service.is_idle(), "each thread has one request in flight and no more");
    // The last one's answer comes first: no shard waits for another.
    for (nth, ((pending, exchange), (later, tokens))) in
        first.into_iter().zip(next).enumerate().rev()
    {
        exchange.all_alive();
        assert_eq!(user(pending).await, format!("first-{nth}"));
        let exchange = service.next_exchange().await;
        assert_eq!(exchange.tokens(), tokens);
        assert!(service.is_idle());
        exchange.all_alive();
        for (pending, token) in later.into_iter().zip(tokens) {
            assert_eq!(user(pending).await, token);
        }
    }
    assert_eq!(waiting(&client), 0);
}

#[tokio::test]
async fn each_thread_has_all_its_places() {
    let _alone = alone().await;
    for slots in SLOTS {
        let mut service = Service::new().await;
        let client = client(&service.url, THREADS, slots);
        let threads = RuntimeThread::start_several(THREADS);
        let mut under_way = Vec::new();
        for (nth, thread) in threads.iter().enumerate() {
            for token in tokens(&nth.to_string(), slots) {
                let pending = thread.validate(&client, &token);
                under_way.push((pending, service.next_exchange().await, token));
            }
        }
        let waits = threads[0].validate_in_order(&client, &tokens("waits", 1)).await.remove(0);
        assert!(service.is_idle());
        for (pending, exchange, token) in under_way {
            exchange.all_alive();
            assert_eq!(user(pending).await, token);
        }
        service.next_exchange().await.all_alive();
        assert_eq!(user(waits).await, "waits-0");
    }
}

/// Validates ten tokens of its own, one after the other.
async fn asks_in_a_row(client: AuthClient, thread_index: usize, caller: usize) {
    for nth in 0..10 {
        let token = format!("{thread_index}/{caller}/{nth}");
        match client.validate(Question::new(&token)).await {
            Ok(Answer::Alive(session)) => assert_eq!(session.user.username, token),
            other => panic!("{token}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn crowds_on_several_threads_get_each_their_own_answers_and_share_no_call() {
    let _alone = alone().await;
    for slots in SLOTS {
        let uses = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let mixed = Arc::new(Mutex::new(Vec::new()));
        let (counted, seen) = (Arc::clone(&uses), Arc::clone(&mixed));
        let url = Service::new().await.handle_with(move |exchange| {
            let tokens = exchange.tokens();
            let prefixes = tokens.iter().filter_map(|token| token.split('/').next());
            if prefixes.collect::<BTreeSet<_>>().len() != 1 {
                seen.lock().push(tokens.clone());
            }
            for token in tokens {
                *counted.lock().entry(token).or_default() += 1;
            }
            exchange.all_alive();
        });
        let client = client(&url, THREADS, slots);
        let threads = RuntimeThread::start_several(THREADS);
        let mut callers = Vec::new();
        for (index, thread) in threads.iter().enumerate() {
            for caller in 0..64 {
                callers.push(thread.spawn(asks_in_a_row(client.clone(), index, caller)));
            }
        }
        for caller in callers {
            caller.await.unwrap();
        }
        assert!(mixed.lock().is_empty(), "requests are shared: {:?}", mixed.lock());
        let uses = uses.lock();
        assert_eq!(uses.len(), THREADS * 64 * 10);
        assert!(uses.values().all(|times| *times == 1), "a token was used more than once");
        let stats = client.stats();
        assert_eq!(stats.upstreams[0].in_flight, 0);
        let exchanges: u64 = stats.batches.steps.iter().map(|(_, exchanges)| exchanges).sum();
        assert!(
            exchanges * 4 < stats.batches.questions,
            "{exchanges} requests for so many questions are hardly batches"
        );
    }
}

#[tokio::test]
async fn a_single_use_token_passes_once_whichever_threads_present_it() {
    let _alone = alone().await;
    for slots in SLOTS {
        let used = Mutex::new(HashSet::new());
        let url = Service::new().await.judge_with(move |item| {
            let token = token(item);
            if used.lock().insert(token.clone()) { alive(&token) } else { dead("revoked") }
        });
        let client = client(&url, THREADS, slots);
        let threads = RuntimeThread::start_several(THREADS);
        for nth in 0..10 {
            let token = format!("single-{nth}");
            let pending: Vec<_> =
                (0..64).map(|caller| threads[caller % THREADS].validate(&client, &token)).collect();
            let mut alive = 0;
            for pending in pending {
                alive += usize::from(matches!(pending.await.unwrap().unwrap(), Answer::Alive(_)));
            }
            assert_eq!(alive, 1);
        }
    }
}

#[tokio::test]
async fn a_revocation_that_has_answered_is_seen_by_every_thread_that_asks_later() {
    const TOKENS: usize = 100;
    let _alone = alone().await;
    for slots in SLOTS {
        let revoked = Arc::new(Mutex::new(HashSet::<String>::new()));
        let revoked_tokens = Arc::clone(&revoked);
        let url = Service::new().await.judge_with(move |item| {
            let token = token(item);
            if revoked_tokens.lock().contains(&token) { dead("revoked") } else { alive(&token) }
        });
        let client = client(&url, THREADS, slots);
        let threads = RuntimeThread::start_several(THREADS);
        let over = Arc::new(AtomicUsize::new(0));
        let mut callers = Vec::new();
        for caller in 0..32 {
            let (client, over, revoked) = (client.clone(), Arc::clone(&over), Arc::clone(&revoked));
            callers.push(threads[caller % THREADS].spawn(async move {
                let mut validated = 0;
                while over.load(Ordering::Acquire) < TOKENS {
                    let token = format!("token-{}", (validated * 7 + caller) % TOKENS);
                    let was_revoked = revoked.lock().contains(&token);
                    let outcome = client.validate(Question::new(&token)).await.unwrap();
                    let is_alive = matches!(outcome, Answer::Alive(_));
                    assert!(!(was_revoked && is_alive), "{token} lives on");
                    validated += 1;
                }
                validated
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
