//! Callers who share a request, and batches that are longer than one.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use std::sync::Arc;

use super::key::shown;
use super::server::{Server, connect};
use super::tests::UNIT;
use super::{RedisStore, session_key};
use crate::TouchContext;
use crate::store::conformance::{Fixture, Held, look, use_of};
use crate::{Kind, Outcome, Verdict};

async fn fixture(server: &Server) -> Fixture {
    Fixture::real(Arc::new(RedisStore::new(connect(&server.url()).await)), UNIT)
}

async fn long_lived(fixture: &Fixture, kind: Kind, count: usize) -> Vec<Held> {
    let mut helds = Vec::new();
    for _ in 0..count {
        helds.push(fixture.insert(&fixture.ending(kind, 10_000)).await);
    }
    helds
}

/// How often it was used, if it lives.
fn count_of(outcome: &Outcome) -> Option<u64> {
    match outcome.as_ref().unwrap() {
        Verdict::Alive(session) => Some(session.refresh_count),
        Verdict::Dead(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_named_all_over_a_long_batch_is_used_in_order() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let sliding = long_lived(&fixture, Kind::Sliding, 1).await[0];
    let once = long_lived(&fixture, Kind::SingleUse, 1).await[0];
    let batch: Vec<_> = (0..2_500)
        .map(|at| match at % 5 {
            0 => use_of(once),
            1 => look(sliding),
            _ => use_of(sliding),
        })
        .collect();
    let counts: Vec<_> =
        fixture.store.touch(&batch, TouchContext::default()).await.iter().map(count_of).collect();
    let mut uses = 0;
    for (at, count) in counts.into_iter().enumerate() {
        match at % 5 {
            0 => assert_eq!(count, (at == 0).then_some(1), "{at}"),
            1 => assert_eq!(count, Some(uses), "{at}"),
            _ => {
                uses += 1;
                assert_eq!(count, Some(uses), "{at}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_give_up_take_no_other_along_and_no_use_is_lost_or_doubled() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let helds = long_lived(&fixture, Kind::Sliding, 200).await;
    let mut answered = vec![0; helds.len()];
    for round in 0..20 {
        let mut callers = Vec::new();
        for held in &helds {
            let (store, held) = (Arc::clone(&fixture.store), *held);
            callers.push(tokio::spawn(async move {
                store.touch(&[use_of(held)], TouchContext::default()).await.remove(0)
            }));
        }
        for (at, caller) in callers.into_iter().enumerate() {
            if (at + round) % 3 == 0 {
                caller.abort();
            }
            match caller.await {
                Ok(outcome) => answered[at] = count_of(&outcome).unwrap(),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
    }
    for (held, answered) in helds.into_iter().zip(answered) {
        let count = fixture.look_live(held).await.refresh_count;
        // Cancelled callers may have been served, and none was served twice.
        assert!((answered..=20).contains(&count), "{answered} {count}");
        assert!(count >= 13, "{count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_session_fails_alone() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let helds = long_lived(&fixture, Kind::Sliding, 60).await;
    for held in helds.iter().step_by(3) {
        let key = shown(session_key(held.id));
        server.cli(&["DEL", &key]);
        server.cli(&["LPUSH", &key, "x"]);
    }
    let batch: Vec<_> = helds.iter().map(|held| use_of(*held)).collect();
    for (at, outcome) in
        fixture.store.touch(&batch, TouchContext::default()).await.iter().enumerate()
    {
        if at % 3 == 0 {
            assert!(outcome.is_err(), "{at}");
        } else {
            assert_eq!(count_of(outcome), Some(1), "{at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_the_same_time_share_requests() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let held = fixture.insert(&fixture.ending(Kind::Sliding, 10_000)).await;
    let requests = || {
        let stats = server.cli(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.unwrap().split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = requests();
    let waiting: Vec<_> = (0..1_000)
        .map(|_| {
            let store = Arc::clone(&fixture.store);
            tokio::spawn(async move {
                count_of(&store.touch(&[use_of(held)], TouchContext::default()).await[0]).unwrap()
            })
        })
        .collect();
    let mut counts = Vec::new();
    for caller in waiting {
        counts.push(caller.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=1_000).collect::<Vec<_>>());
    let requests = requests() - before;
    assert!(requests < 500, "{requests} calls for 1000 uses");
}
