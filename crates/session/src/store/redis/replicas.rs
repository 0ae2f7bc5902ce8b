//! Replicas that are waited for, and a cluster that loses a master or moves its slots.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::key::{shown, tag_of, tagged_session_key};
use super::server::{PATIENT, Server, cluster, cluster_address, connect, connect_with, until};
use super::tests::UNIT;
use super::{RedisStore, session_key};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Fixture, Held, end_of, fresh_digest, held, look, use_of};
use crate::{ClientDigest, Ending, Kind, NewSession, RedisOptions, StoreError, Verdict};

const WAIT: RedisOptions = RedisOptions { wait_for_replica: true, ..PATIENT };

async fn waiting(address: &str) -> Fixture {
    Fixture::real(Arc::new(RedisStore::new(connect_with(address, WAIT).await)), UNIT)
}

/// A master and its replica, joined.
fn pair() -> Option<(Server, Server)> {
    let (master, replica) = (Server::start(&[])?, Server::start(&[])?);
    replica.cli(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    until("the replica follows", || master.cli(&["INFO", "replication"]).contains("state=online"));
    Some((master, replica))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_come_undone_fails_until_a_replica_has_it() {
    let Some((master, replica)) = pair() else { return };
    let fixture = waiting(&master.url()).await;
    let news: Vec<_> = (0..7).map(|_| fixture.ending(Kind::Sliding, 10_000)).collect();
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 10_000)).await;
    let twice = fixture.insert(&fixture.ending(Kind::SingleUse, 10_000)).await;
    for new in &news {
        fixture.insert(new).await;
    }
    assert!(fixture.store.remove(news[0].id, &logout()).await.unwrap());
    assert_eq!(fixture.use_live(once).await.refresh_count, 1);
    let replaced = held(&news[6]);
    let client = ClientDigest::default();
    let rotated =
        fixture.store.rotate(&use_of(replaced), fresh_digest(), None, client, &logout()).await;
    assert!(matches!(rotated, Ok(Verdict::Alive(_))), "{rotated:?}");
    assert!(matches!(fixture.touch(end_of(held(&news[4]))).await, Verdict::Alive(_)));
    replica.signal("STOP");
    // A logout, the same once more, and a theft.
    for _ in 0..2 {
        assert!(
            fixture
                .store
                .touch(&[end_of(held(&news[5]))], TouchContext::default())
                .await
                .remove(0)
                .is_err()
        );
    }
    fixture.pass(1).await;
    assert!(
        fixture
            .store
            .end_reused(&use_of(replaced), client, Duration::ZERO, &logout())
            .await
            .is_err()
    );
    assert!(fixture.store.remove(news[1].id, &logout()).await.is_err());
    let ended =
        fixture.store.remove_subject(news[2].subject.id, Ending::default(), &logout()).await;
    assert!(ended.is_err());
    assert!(
        fixture.store.touch(&[use_of(twice)], TouchContext::default()).await.remove(0).is_err()
    );
    // A second logout is not reported as done.
    let ended = look(held(&news[1]));
    assert!(fixture.store.touch(&[ended], TouchContext::default()).await.remove(0).is_err());
    // What changes no truth goes on.
    assert_eq!(fixture.use_live(held(&news[3])).await.refresh_count, 1);
    replica.signal("CONT");
    until("it answers again", || replica.cli(&["PING"]) == "PONG");
    assert!(fixture.store.remove(news[3].id, &logout()).await.unwrap());
    assert!(!fixture.lives(held(&news[1])).await);
    let ended = [0, 1, 2, 4, 5, 6].map(|at| news[at].id);
    for id in ended.into_iter().chain([once.id, twice.id]) {
        assert_eq!(replica.cli(&["EXISTS", &shown(session_key(id))]), "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_replica_nothing_that_must_have_one_succeeds() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = waiting(&server.url()).await;
    let held = fixture.open().await;
    assert!(fixture.store.remove(held.id, &logout()).await.is_err());
    assert!(matches!(fixture.touch(use_of(held)).await, Verdict::Dead(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_cluster_is_open_only_once_a_replica_knows_where_it_is() {
    let Some(servers) = tokio::task::spawn_blocking(|| cluster(1)).await.unwrap() else {
        return;
    };
    let is_behind = |server: &Server| {
        let role = server.cli(&["ROLE"]);
        role.starts_with("slave") && !role.contains("connected")
    };
    until("the replicas follow", || !servers.iter().any(is_behind));
    let fixture = waiting(&cluster_address(&servers)).await;
    // Replicas that have only just begun to follow may be too slow for the first ones.
    let mut new = fixture.ending(Kind::Sliding, 10_000);
    for _ in 0..20 {
        if fixture.store.insert(&new, 0, &logout()).await.is_ok() {
            break;
        }
        new = fixture.ending(Kind::Sliding, 10_000);
    }
    assert!(fixture.lives(held(&new)).await, "it could never be opened");
    let index = shown(super::index::subject_key(new.subject.id));
    let holds = |server: &&Server| server.cli(&["KEYS", &index]) == index;
    assert_eq!(servers.iter().filter(holds).count(), 2, "a master and its replica");
    let is_replica = |server: &Server| server.cli(&["ROLE"]).starts_with("slave");
    let replica = servers.iter().find(|server| is_replica(server) && holds(server)).unwrap();
    replica.signal("STOP");
    let of_same = NewSession { subject: Arc::clone(&new.subject), ..fixture.new_session() };
    assert!(fixture.store.insert(&of_same, 0, &logout()).await.is_err());
    replica.signal("CONT");
}

/// Uses each once; which of them failed.
async fn use_all(fixture: &Fixture, helds: &[Held]) -> Vec<bool> {
    let presented: Vec<_> = helds.iter().map(|held| use_of(*held)).collect();
    let answers = fixture.store.touch(&presented, TouchContext::default()).await.into_iter();
    answers
        .map(|answer| match answer {
            Ok(Verdict::Alive(_)) => false,
            Ok(Verdict::Dead(dead)) => panic!("a live session is {dead:?}"),
            Err(_) => true,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_master_is_missed_by_its_own_sessions_only_until_its_replica_takes_over() {
    let Some(mut servers) = tokio::task::spawn_blocking(|| cluster(1)).await.unwrap() else {
        return;
    };
    let store = RedisStore::new(connect(&cluster_address(&servers)).await);
    let fixture = Fixture::real(Arc::new(store), UNIT);
    let mut helds = Vec::new();
    for _ in 0..60 {
        helds.push(fixture.insert(&fixture.ending(Kind::Sliding, 10_000)).await);
    }
    let is_master = |server: &Server| server.cli(&["ROLE"]).starts_with("master");
    let lost = servers.iter().position(is_master).unwrap();
    let of_lost = servers[lost].cli(&["KEYS", "session:*"]);
    let lives_there: Vec<bool> =
        helds.iter().map(|held| of_lost.contains(&shown(tagged_session_key(held.id)))).collect();
    assert!(lives_there.contains(&true) && lives_there.contains(&false));
    let tags: HashSet<u8> = helds.iter().map(|held| tag_of(held.id.uuid())).collect();
    // Each session has two keys, and each tag of theirs the two of its events.
    let expected = 4 * helds.len() + 4 * tags.len();
    until("replicas have it all", || {
        let keys: usize =
            servers.iter().map(|server| server.cli(&["DBSIZE"]).parse::<usize>().unwrap()).sum();
        keys == expected
    });
    servers[lost].kill();
    assert_eq!(use_all(&fixture, &helds).await, lives_there);
    let mut rounds = 0;
    loop {
        let failed = use_all(&fixture, &helds).await;
        for (failed, there) in failed.iter().zip(&lives_there) {
            assert!(!failed || *there, "a session of another master failed");
        }
        if !failed.contains(&true) {
            break;
        }
        rounds += 1;
        assert!(rounds < 2_000, "no replica took over");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for held in helds {
        assert!(fixture.store.remove(held.id, &logout()).await.unwrap());
        assert!(!fixture.lives(held).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_slots_move_each_use_counts_exactly_once() {
    let Some(servers) = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap() else {
        return;
    };
    let store = RedisStore::new(connect(&cluster_address(&servers)).await);
    let fixture = Fixture::real(Arc::new(store), UNIT);
    let mut helds = Vec::new();
    for _ in 0..200 {
        helds.push(fixture.insert(&fixture.ending(Kind::Sliding, 10_000)).await);
    }
    let id = |server: &Server| server.cli(&["CLUSTER", "MYID"]);
    let (from, to) = (id(&servers[0]), id(&servers[1]));
    let at = format!("127.0.0.1:{}", servers[0].port);
    let moving = tokio::task::spawn_blocking(move || {
        let moved = std::process::Command::new("redis-cli")
            .args(["--cluster", "reshard", &at, "--cluster-from", &from, "--cluster-to", &to])
            .args(["--cluster-slots", "3000", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(moved.status.success(), "{moved:?}");
    });
    let mut uses = vec![Uses::default(); helds.len()];
    let mut rounds = 0;
    while !moving.is_finished() || rounds < 10 {
        let presented: Vec<_> = helds.iter().map(|held| use_of(*held)).collect();
        let answers = fixture.store.touch(&presented, TouchContext::default()).await;
        for (uses, answer) in uses.iter_mut().zip(answers) {
            uses.count(answer);
        }
        rounds += 1;
    }
    moving.await.unwrap();
    for (held, uses) in helds.into_iter().zip(uses) {
        let counted = fixture.use_live(held).await.refresh_count - 1;
        assert!((uses.answered..=uses.answered + uses.unknown).contains(&counted), "{uses:?}");
        assert!(uses.answered > 0, "{uses:?} in {rounds} rounds");
    }
}

/// What became of the uses of one session.
#[derive(Clone, Debug, Default)]
struct Uses {
    answered: u64,
    /// Whose answer did not come in time: each may have been counted, once.
    unknown: u64,
}

impl Uses {
    /// A busy machine may keep an answer back for longer than it is waited for. Nothing else may
    /// fail: a server that sends us elsewhere has not carried the use out.
    fn count(&mut self, answer: Result<Verdict, StoreError>) {
        match answer {
            Ok(Verdict::Alive(_)) => self.answered += 1,
            Ok(Verdict::Dead(dead)) => panic!("a live session is {dead:?}"),
            Err(StoreError(error)) => {
                assert!(error.contains("timed out"), "{error}");
                self.unknown += 1;
            }
        }
    }
}
