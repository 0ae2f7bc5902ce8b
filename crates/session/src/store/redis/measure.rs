//! What a session takes in Redis, and what a validation takes. The figures are printed by hand:
//!
//! ```text
//! cargo test --release -p session redis::measure -- --ignored --nocapture --test-threads=1
//! ```

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock as _, SystemClock};
use uuid::Uuid;

use super::index::subject_key;
use super::key::shown;
use super::server::{Server, cluster, cluster_address, connect};
use super::tests::UNIT;
use super::{RedisStore, session_key};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Fixture, Held, held, subject, use_of};
use crate::{EventRetention, Kind, NewSession, Origin, Subject, Verdict};

/// How many are inserted at the same time.
const AT_ONCE: usize = 64;

/// A user like many: an address of 22 characters, a name of 11, one role.
fn user(number: usize) -> Arc<Subject> {
    let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 | number as u128);
    let subject = subject(id, &format!("user{number:06}@example.com"));
    let roles = ["user".into()].into();
    Arc::new(Subject { roles, display_name: "Ann Example".into(), ..(*subject).clone() })
}

fn session(fixture: &Fixture, number: usize, users: usize, agent: Option<&str>) -> NewSession {
    NewSession {
        subject: user(number % users),
        origin: Origin { ip: Some([10, 0, 0, 9].into()), user_agent: agent.map(Arc::from) },
        ..fixture.ending(Kind::Sliding, 1_000_000)
    }
}

async fn fixture(server: &Server) -> Fixture {
    // What events take is bounded, and no matter of the number of sessions.
    let retention = EventRetention { limit: 1, ..EventRetention::default() };
    let store = RedisStore::retaining(connect(&server.url()).await, retention);
    Fixture::real(Arc::new(store), UNIT)
}

/// Takes in sessions of so many users; one of them.
async fn fill(fixture: &Fixture, sessions: usize, users: usize, agent: Option<&str>) -> NewSession {
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..AT_ONCE {
        let news: Vec<NewSession> = (part..sessions)
            .step_by(AT_ONCE)
            .map(|number| session(fixture, number, users, agent))
            .collect();
        let store = Arc::clone(&fixture.store);
        tasks.spawn(async move {
            for new in &news {
                // A machine that is busy with other tests may miss the time that an answer has.
                while store.insert(new, 0, &logout()).await.is_err() {}
            }
            news.into_iter().next()
        });
    }
    tasks.join_all().await.into_iter().flatten().next().unwrap()
}

fn info(server: &Server, field: &str) -> u64 {
    let text = server.cli(&["INFO", "everything"]);
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap().trim().parse().unwrap()
}

fn usage(server: &Server, key: &str) -> u64 {
    server.cli(&["MEMORY", "USAGE", key]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_and_its_entry_in_the_index_stay_as_small_as_they_are() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let before = info(&server, "used_memory");
    let one = fill(&fixture, 16_000, 160, None).await;
    // Close below a power of two, at which the tables of keys are doubled.
    let bytes_per_session = (info(&server, "used_memory") - before) / 16_000;
    let key = usage(&server, &shown(session_key(one.id)));
    assert!(key <= 184, "{key} bytes for a session's key");
    // 286 where there are no events, whose one stream and scripts are counted as well.
    assert!(bytes_per_session <= 292, "{bytes_per_session} bytes a session in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validation_is_one_command_and_so_is_a_batch() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let mut helds = Vec::new();
    for _ in 0..100 {
        helds.push(fixture.open().await);
    }
    let presented: Vec<_> = helds.iter().map(|held| use_of(*held)).collect();
    fixture.store.touch(&presented, TouchContext::default()).await;
    let reads = || info(&server, "total_reads_processed");
    let (first, second) = (reads(), reads());
    let asking = second - first;
    for presented in &presented {
        fixture.touch(*presented).await;
    }
    let third = reads();
    assert_eq!(third - second - asking, 100, "one for each validation");
    let batch = fixture.store.touch(&presented, TouchContext::default()).await;
    assert!(batch.into_iter().all(|answer| answer.is_ok()));
    assert!(reads() - third - asking <= 2, "a batch of 100 comes in one go, or in two reads of it");
}

const MILLION: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, and takes a minute"]
async fn bytes_of_a_million_sessions() {
    print_bytes(20_000, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, and takes a minute"]
async fn bytes_of_a_million_sessions_of_browsers() {
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    print_bytes(20_000, Some(chrome)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, and takes a minute"]
async fn bytes_of_a_million_sessions_of_a_million_users() {
    print_bytes(MILLION, None).await;
}

async fn print_bytes(users: usize, agent: Option<&str>) {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let before = info(&server, "used_memory");
    let one = fill(&fixture, MILLION, users, agent).await;
    let in_all = (info(&server, "used_memory") - before) / MILLION as u64;
    let key = usage(&server, &shown(session_key(one.id)));
    let index = usage(&server, &shown(subject_key(one.subject.id)));
    let clock = SystemClock::new();
    let began = clock.now();
    let estimate = fixture.store.count().await.unwrap();
    let counted = clock.now().saturating_sub(began);
    let began = clock.now();
    for _ in 0..10_000 {
        fixture.touch(use_of(held(&one))).await;
    }
    let touch = clock.now().saturating_sub(began) / 10_000;
    println!(
        "{MILLION} sessions of {users} users, agent of {} bytes: {in_all} bytes each in all, \
         {key} for a session's key, {index} for a user's index; counted {estimate} in \
         {counted:?}; one validation after another {touch:?} each",
        agent.map_or(0, str::len),
    );
}

/// The processor time that this process has taken, in ticks of 10 ms.
fn own_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, which ends with the last bracket, may have spaces in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The processor time that the server's one thread for commands has taken, in microseconds.
fn server_us(server: &Server) -> u64 {
    let text = server.cli(&["INFO", "cpu"]);
    let seconds = |field: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().trim().parse::<f64>().unwrap()
    };
    let used = seconds("used_cpu_user_main_thread") + seconds("used_cpu_sys_main_thread");
    Duration::from_secs_f64(used).as_micros().try_into().unwrap()
}

/// How many uses are measured.
const USES: usize = 200_000;

#[tokio::test]
#[ignore = "prints figures, and takes a minute"]
async fn what_a_use_costs() {
    for arguments in [&[][..], &["--appendonly", "yes"]] {
        let Some(server) = Server::start(arguments) else { return };
        let fixture = fixture(&server).await;
        println!("{arguments:?}");
        print_uses(&[server], &fixture).await;
    }
}

#[tokio::test]
#[ignore = "prints figures, and takes a minute"]
async fn what_a_use_costs_in_a_cluster() {
    let servers = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap();
    let Some(servers) = servers else { return };
    let store = RedisStore::new(connect(&cluster_address(&servers)).await);
    print_uses(&servers, &Fixture::real(Arc::new(store), UNIT)).await;
}

async fn print_uses(servers: &[Server], fixture: &Fixture) {
    let mut helds = Vec::new();
    for number in 0..10_000 {
        helds.push(fixture.insert(&session(fixture, number, 1_000, None)).await);
    }
    for (callers, tokens) in [(1, 1), (16, 1), (64, 1), (256, 1), (1, 64), (1, 1024), (4, 64)] {
        print!("{callers} callers with {tokens} tokens each: ");
        print_use(servers, fixture, &helds, callers, tokens).await;
    }
}

/// Has so many callers use so many tokens at a time, over and over.
async fn print_use(
    servers: &[Server],
    fixture: &Fixture,
    helds: &[Held],
    callers: usize,
    tokens: usize,
) {
    let servers_us = || servers.iter().map(server_us).sum::<u64>();
    let rounds = if callers * tokens < 16 { USES / 20 } else { USES } / callers / tokens;
    let clock = SystemClock::new();
    let (server_before, own_before, began) = (servers_us(), own_ticks(), clock.now());
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (store, helds) = (Arc::clone(&fixture.store), helds.to_vec());
        tasks.spawn(async move {
            for round in 0..rounds {
                let at = caller * 997 + round * tokens;
                let next = (at..at + tokens).map(|at| use_of(helds[at % helds.len()]));
                for answer in store.touch(&next.collect::<Vec<_>>(), TouchContext::default()).await
                {
                    assert!(matches!(answer, Ok(Verdict::Alive(_))), "{answer:?}");
                }
            }
        });
    }
    tasks.join_all().await;
    let took = clock.now().saturating_sub(began);
    let uses = (rounds * callers * tokens) as u64;
    println!(
        "{} ns of the servers, {} ns of ours, {} uses a second",
        (servers_us() - server_before) * 1_000 / uses,
        (own_ticks() - own_before) * 10_000_000 / uses,
        u128::from(uses) * 1_000_000 / took.as_micros().max(1),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_are_counted_to_a_third() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::new(connect(&server.url()).await);
    let fixture = Fixture::real(Arc::new(store), UNIT);
    fill(&fixture, 6_000, 6_000, None).await;
    let count = fixture.store.count().await.unwrap();
    // Half of the keys are indices; by chance, 400 draws are that far off once in a billion.
    assert!((4_200..=7_800).contains(&count), "{count}");
}
