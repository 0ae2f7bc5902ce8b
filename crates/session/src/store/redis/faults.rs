//! A server that dies, hangs, comes back empty, is full, or wants a password.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock as _, SystemClock};

use super::RedisStore;
use super::server::{Server, connect, connect_with, until};
use super::tests::UNIT;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Fixture, Held, held, look, use_of};
use crate::{
    ClientDigest, Ending, Insertion, Kind, NewSession, RedisConnection, RedisOptions, SecretDigest,
    Verdict,
};

/// At once, on a machine that may be busy with other tests: far less than what a reply is waited
/// for by those who are patient.
const SOON: Duration = Duration::from_secs(5);

async fn fixture(server: &Server) -> Fixture {
    Fixture::real(Arc::new(RedisStore::new(connect(&server.url()).await)), UNIT)
}

/// A session that outlives the test.
fn long(fixture: &Fixture) -> NewSession {
    fixture.ending(Kind::Sliding, 10_000)
}

async fn fails(fixture: &Fixture, held: Held) -> bool {
    fixture.store.touch(&[use_of(held)], TouchContext::default()).await.remove(0).is_err()
}

/// How long it takes.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let clock = SystemClock::new();
    let began = clock.now();
    let done = work.await;
    (done, clock.now().saturating_sub(began))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_an_error_at_once_and_what_it_stored_is_as_it_was() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let fixture = fixture(&server).await;
    let (live, removed) =
        (fixture.insert(&long(&fixture)).await, fixture.insert(&long(&fixture)).await);
    fixture.use_live(live).await;
    assert!(fixture.store.remove(removed.id, &logout()).await.unwrap());
    server.kill();
    for _ in 0..50 {
        let (failed, took) = timed(fails(&fixture, live)).await;
        assert!(failed && took < SOON, "{took:?}");
        assert!(fixture.store.ping().await.is_err());
        assert!(fixture.store.remove(live.id, &logout()).await.is_err());
        assert!(fixture.store.insert(&long(&fixture), 5, &logout()).await.is_err());
        assert!(fixture.store.list(long(&fixture).subject.id).await.is_err());
    }
    server.start_again();
    server.wait();
    let ((), took) = timed(async {
        while fails(&fixture, live).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(took < SOON, "{took:?}");
    assert!(fixture.use_live(live).await.refresh_count >= 2);
    assert!(!fixture.lives(removed).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_is_an_error_in_time_and_not_too_much_waits_for_it() {
    let Some(server) = Server::start(&[]) else { return };
    let patient = fixture(&server).await;
    let held = patient.insert(&long(&patient)).await;
    let limit = RedisOptions::default().response_timeout;
    let limited = connect_with(&server.url(), RedisOptions::default()).await;
    let limited = Fixture::real(Arc::new(RedisStore::new(limited)), UNIT);
    server.signal("STOP");
    let clock = SystemClock::new();
    let began = clock.now();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..6_000 {
        let store = Arc::clone(&limited.store);
        waiting.spawn(async move {
            let (answers, took) = timed(store.touch(&[look(held)], TouchContext::default())).await;
            (answers[0].clone().map_err(|error| error.0), took)
        });
    }
    let answers = waiting.join_all().await;
    let turned_away = answers.iter().filter(|(answer, _)| {
        answer.as_ref().is_err_and(|error| error.contains("4096 commands in flight"))
    });
    let turned_away = turned_away.count();
    let ended = clock.now().saturating_sub(began);
    assert!(turned_away <= 6_000 - 4_096, "{turned_away}");
    // On a busy machine some may come so late that they have the room of others who gave up. They
    // give up no earlier than two time limits after the first came.
    if ended < limit * 2 {
        assert_eq!(turned_away, 6_000 - 4_096);
    }
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    assert!(answers.iter().all(|(answer, _)| answer.is_err()));
    // The rest is for a machine that runs other tests as well.
    assert!(slowest < limit + SOON, "{slowest:?}");
    let (failed, took) = timed(fails(&limited, held)).await;
    assert!(failed && (limit..limit + SOON).contains(&took), "{took:?}");
    server.signal("CONT");
    until("it answers again", || server.cli(&["PING"]) == "PONG");
    let (alive, took) = timed(patient.lives(held)).await;
    assert!(alive && took < SOON, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_has_no_session_and_learns_the_scripts_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let ended = fixture.insert(&long(&fixture)).await;
    server.kill();
    server.start_again();
    server.wait();
    while fails(&fixture, ended).await {}
    assert!(!fixture.lives(ended).await);
    let new = long(&fixture);
    let Insertion::Created { .. } = fixture.store.insert(&new, 5, &logout()).await.unwrap() else {
        panic!("taken")
    };
    server.cli(&["SCRIPT", "FLUSH"]);
    let several = [use_of(held(&new)), use_of(held(&new)), look(ended), use_of(held(&new))];
    let counts: Vec<Option<u64>> = fixture
        .store
        .touch(&several, TouchContext::default())
        .await
        .into_iter()
        .map(|answer| match answer.unwrap() {
            Verdict::Alive(session) => Some(session.refresh_count),
            Verdict::Dead(_) => None,
        })
        .collect();
    assert_eq!(counts, [Some(1), Some(2), None, Some(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_no_session_in_and_ends_none() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let fixture = fixture(&server).await;
    let news: Vec<NewSession> = (0..6).map(|_| long(&fixture)).collect();
    let mut helds = Vec::new();
    for new in &news {
        helds.push(fixture.insert(new).await);
    }
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    assert!(fixture.store.insert(&long(&fixture), 5, &logout()).await.is_err());
    for (count, held) in helds.iter().enumerate() {
        assert_eq!(fixture.use_live(*held).await.refresh_count, 1, "{count}");
        assert!(fixture.lives(*held).await);
    }
    let digest = SecretDigest::from_bytes([7; 32]);
    let rotated = fixture
        .store
        .rotate(&use_of(helds[0]), digest, None, ClientDigest::default(), &logout())
        .await
        .unwrap();
    assert!(matches!(rotated, Verdict::Alive(_)));
    assert!(fixture.store.remove(helds[1].id, &logout()).await.unwrap());
    assert!(!fixture.lives(helds[1]).await);
    let id = news[2].subject.id;
    assert_eq!(fixture.store.list(id).await.unwrap().len(), 1);
    let keep = Ending { below_generation: Some(9), keep: Some(helds[2].id) };
    assert!(fixture.store.remove_subject(id, keep, &logout()).await.unwrap().is_empty());
    assert_eq!(fixture.look_live(helds[2]).await.generation, 9);
    let id = news[3].subject.id;
    assert_eq!(
        fixture.store.remove_subject(id, Ending::default(), &logout()).await.unwrap(),
        [helds[3].id]
    );
    assert!(fixture.store.values(helds[4].id).await.unwrap().is_some());
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert!(fixture.store.insert(&long(&fixture), 5, &logout()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_lose_sessions_is_warned_of() {
    let Some(server) =
        Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
    else {
        return;
    };
    let warnings = connect(&server.url()).await.warnings().await;
    for word in ["allkeys-lru", "appendonly", "replica"] {
        assert!(warnings.iter().any(|warning| warning.contains(word)), "{word} in {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_used_and_wrong_ones_are_an_error_that_does_not_show_them() {
    let acl = ["--user", "ann", "on", ">anns-own", "~*", "+@all"];
    let arguments = [&["--requirepass", "right-one"][..], &acl].concat();
    let Some(server) = Server::start_silent(&arguments) else { return };
    let open = async |text: String| {
        let clock = Arc::new(SystemClock::new());
        RedisConnection::open(text.parse().unwrap(), RedisOptions::default(), clock)
            .await
            .map(|_| ())
    };
    let at = format!("127.0.0.1:{}", server.port);
    until("it listens", || std::net::TcpStream::connect(&at).is_ok());
    open(format!("redis://:right-one@{at}")).await.unwrap();
    open(format!("redis://ann:anns-own@{at}/3")).await.unwrap();
    for wrong in ["redis://:wrong-one@", "redis://ann:wrong-one@", "redis://"] {
        let error = open(format!("{wrong}{at}")).await.unwrap_err().to_string();
        assert!(error.contains(&at) && !error.contains("wrong-one"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connections_left_at_one_moment_is_not_for_ever() {
    let Some(mut server) = Server::start(&["--appendonly", "yes"]) else { return };
    let fixture = fixture(&server).await;
    let held = fixture.insert(&long(&fixture)).await;
    server.kill();
    server.start_again();
    server.wait();
    // It refuses us as soon as we connect, which is no error of the network.
    assert_eq!(server.cli(&["CONFIG", "SET", "requirepass", "for-a-moment"]), "OK");
    for _ in 0..20 {
        assert!(fails(&fixture, held).await);
    }
    server.cli(&["-a", "for-a-moment", "CONFIG", "SET", "requirepass", ""]);
    let ((), took) = timed(async { while fails(&fixture, held).await {} }).await;
    assert!(took < SOON, "{took:?}");
}
