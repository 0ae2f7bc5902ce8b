//! What a session takes in Redis, and what a validation takes. The figures are printed by hand:
//!
//! ```text
//! cargo test --release -p session redis::measure -- --ignored --nocapture --test-threads=1
//! ```

use std::sync::Arc;

use clock::{Clock as _, SystemClock};
use uuid::Uuid;

use super::RedisStore;
use super::server::{Server, link};
use super::tests::UNIT;
use crate::store::conformance::{Bench, held, subject, use_of};
use crate::{Kind, NewSession, Origin, Subject};

/// How many are inserted at the same time.
const AT_ONCE: usize = 64;

/// A user like many: an address of 22 characters, a name of 11, one role.
fn user(number: usize) -> Arc<Subject> {
    let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 | number as u128);
    let known = subject(id, &format!("user{number:06}@example.com"));
    let roles = ["user".into()].into();
    Arc::new(Subject { roles, display_name: "Ann Example".into(), ..(*known).clone() })
}

fn session(bench: &Bench, number: usize, users: usize, agent: Option<&str>) -> NewSession {
    NewSession {
        subject: user(number % users),
        origin: Origin { ip: Some([10, 0, 0, 9].into()), user_agent: agent.map(Arc::from) },
        ..bench.ending(Kind::Sliding, 1_000_000)
    }
}

async fn bench(server: &Server) -> Bench {
    let store = RedisStore::new(link(&server.address()).await);
    Bench::real(Arc::new(store), UNIT)
}

/// Takes in sessions of so many users; one of them.
async fn fill(bench: &Bench, sessions: usize, users: usize, agent: Option<&str>) -> NewSession {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..AT_ONCE {
        let news: Vec<NewSession> = (lane..sessions)
            .step_by(AT_ONCE)
            .map(|number| session(bench, number, users, agent))
            .collect();
        let store = Arc::clone(&bench.store);
        tasks.spawn(async move {
            for new in &news {
                // A machine that is busy with other tests may miss the time that an answer has.
                while store.insert(new, 0).await.is_err() {}
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
async fn a_session_and_its_place_in_the_index_stay_as_small_as_they_are() {
    let Some(server) = Server::start(&[]) else { return };
    let bench = bench(&server).await;
    let before = info(&server, "used_memory");
    let one = fill(&bench, 16_000, 160, None).await;
    // Close below a power of two, at which the tables of keys are doubled.
    let each = (info(&server, "used_memory") - before) / 16_000;
    let key = usage(&server, &format!("session:{}", one.id));
    assert!(key <= 216, "{key} bytes for a session's key");
    assert!(each <= 340, "{each} bytes a session in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validation_is_one_round_trip_and_so_is_a_batch() {
    let Some(server) = Server::start(&[]) else { return };
    let bench = bench(&server).await;
    let mut helds = Vec::new();
    for _ in 0..100 {
        helds.push(bench.open().await);
    }
    let presented: Vec<_> = helds.iter().map(|held| use_of(*held)).collect();
    bench.store.touch(&presented).await;
    let reads = || info(&server, "total_reads_processed");
    let (first, second) = (reads(), reads());
    let asking = second - first;
    for presented in &presented {
        bench.touch(*presented).await;
    }
    let third = reads();
    assert_eq!(third - second - asking, 100, "one for each validation");
    let batch = bench.store.touch(&presented).await;
    assert!(batch.into_iter().all(|answer| answer.is_ok()));
    assert!(reads() - third - asking <= 2, "a batch of 100 comes in one go, or in two reads of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, and takes minutes"]
async fn bytes_of_a_million_sessions() {
    const SESSIONS: usize = 1_000_000;
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    for (users, agent) in [(20_000, None), (SESSIONS, None), (20_000, Some(chrome))] {
        let Some(server) = Server::start(&[]) else { return };
        let bench = bench(&server).await;
        let before = info(&server, "used_memory");
        let one = fill(&bench, SESSIONS, users, agent).await;
        let in_all = (info(&server, "used_memory") - before) / SESSIONS as u64;
        let key = usage(&server, &format!("session:{}", one.id));
        let index = usage(&server, &format!("subject:{}", one.subject.id));
        let clock = SystemClock::new();
        let began = clock.now();
        let estimate = bench.store.count().await.unwrap();
        let counted = clock.now().saturating_sub(began);
        let began = clock.now();
        for _ in 0..10_000 {
            bench.touch(use_of(held(&one))).await;
        }
        let touch = clock.now().saturating_sub(began) / 10_000;
        println!(
            "{SESSIONS} sessions of {users} users, agent of {} bytes: {in_all} bytes each in all, \
             {key} for a session's key, {index} for a user's index; counted {estimate} in \
             {counted:?}; one validation after another {touch:?} each",
            agent.map_or(0, str::len),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_are_counted_to_a_third() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::new(link(&server.address()).await);
    let bench = Bench::real(Arc::new(store), UNIT);
    fill(&bench, 6_000, 6_000, None).await;
    let count = bench.store.count().await.unwrap();
    // Half of the keys are indices; by chance, 400 draws are that far off once in a billion.
    assert!((4_200..=7_800).contains(&count), "{count}");
}
