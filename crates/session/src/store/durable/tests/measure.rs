//! Figures of the durable store, on this machine's disk:
//! `SESSIONS=1000000 cargo test --release -p session durable::tests::measure -- --ignored --nocapture`.

#![expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
#![expect(clippy::cast_precision_loss, reason = "a figure for people")]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use clock::SystemClock;

use super::*;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{fresh_id, held, subject, use_of};
use crate::store::memory::measure::resident_bytes;
use crate::{Kind, MemoryStore, NewSession, Origin, Presented};

/// How many tasks open sessions at once.
const TASKS: usize = 64;
/// How many of the sessions are in use.
const IN_USE: usize = 10_000;
const HOUR: Duration = Duration::from_hours(1);

fn sessions() -> usize {
    std::env::var("SESSIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

fn new(number: usize, template: &NewSession) -> NewSession {
    let user = number / 8;
    let agent =
        format!("Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox", number % 90);
    let octet = u8::try_from(number % 250).unwrap();
    NewSession {
        id: fresh_id(),
        subject: subject(Uuid::from_u128(user as u128 + 1), &format!("user{user}@example.com")),
        origin: Origin { ip: Some([192, 0, 2, octet].into()), user_agent: Some(agent.into()) },
        ..template.clone()
    }
}

/// Opens the file; how many commits were made is counted.
async fn open(path: &Path) -> (Opened, Arc<AtomicUsize>) {
    let (clock, commits) = (Arc::new(SystemClock::new()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&commits);
    let observe = Box::new(move |_| {
        counted.fetch_add(1, Relaxed);
    });
    let opened =
        DurableStore::open(path, Durability::Full, clock, 1000, EventRetention::default(), observe);
    (opened.await.unwrap(), commits)
}

/// Opens that many sessions, a few tasks at once; how long it took.
async fn fill(store: &dyn SessionStore, news: &[NewSession]) -> Duration {
    let began = Instant::now();
    let tasks = news.chunks(news.len().div_ceil(TASKS).max(1)).map(|news| async move {
        for new in news {
            store.insert(new, 0, &logout()).await.unwrap();
        }
    });
    futures_util::future::join_all(tasks).await;
    began.elapsed()
}

/// How often a second something small is on the disk.
fn syncs(directory: &Path) -> f64 {
    let mut file = std::fs::File::create(directory.join("syncs")).unwrap();
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < Duration::from_secs(2) {
        std::io::Write::write_all(&mut file, &[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}

/// Uses a second, one token each.
async fn uses(store: &dyn SessionStore, tokens: &[Presented]) -> f64 {
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(2) {
        for token in tokens {
            assert!(
                store.touch(std::slice::from_ref(token), TouchContext::default()).await[0].is_ok()
            );
        }
        count += u32::try_from(tokens.len()).unwrap();
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn figures() {
    let machine = Machine::new();
    let template = NewSession {
        ttl: 30 * HOUR,
        max_lifetime: 300 * HOUR,
        ..Fixture::memory().ending(Kind::Sliding, 1)
    };
    let news: Vec<NewSession> = (0..sessions()).map(|number| new(number, &template)).collect();
    let (opened, commits) = open(&machine.path()).await;
    let cancel = CancellationToken::new();
    let writing = tokio::spawn(opened.writer.run(cancel.clone()));
    let some = &news[..news.len().min(20_000)];
    let syncs = syncs(machine.directory.path());
    let took = fill(&opened.sessions, some).await;
    let openings = some.len() as f64 / took.as_secs_f64();
    eprintln!(
        "{openings:.0} openings a second by {TASKS} tasks, {:.1} in each commit, on a disk that syncs \
         {syncs:.0} times a second",
        some.len() as f64 / commits.load(Relaxed) as f64
    );
    fill(&opened.sessions, &news[some.len()..]).await;
    let memory = MemoryStore::new(Arc::new(SystemClock::new()));
    let before = resident_bytes();
    fill(&memory, &news).await;
    let each = (resident_bytes() - before) as f64 / news.len() as f64;
    eprintln!("{each:.0} bytes a session in memory alone");
    let step = news.len() / IN_USE.min(news.len());
    let tokens: Vec<Presented> =
        news.iter().step_by(step).take(IN_USE).map(|new| use_of(held(new))).collect();
    let mut ratios: Vec<f64> = Vec::new();
    for _ in 0..5 {
        let (plain, durable) =
            (uses(&memory, &tokens).await, uses(&opened.sessions, &tokens).await);
        eprintln!("uses a second: {plain:.0} in memory, {durable:.0} with the file");
        ratios.push(durable / plain);
    }
    ratios.sort_by(f64::total_cmp);
    eprintln!("{:.3} of memory, the median of five", ratios[2]);
    for new in news.iter().take(100_000) {
        opened.sessions.touch(&[use_of(held(new))], TouchContext::default()).await;
    }
    let began = Instant::now();
    cancel.cancel();
    writing.await.unwrap();
    eprintln!("a clean stop with 100,000 unwritten uses: {:?}", began.elapsed());
    let bytes = machine.path().metadata().unwrap().len();
    eprintln!("{} sessions: {} MB", news.len(), bytes / 1_000_000);
    let (began, before) = (Instant::now(), resident_bytes());
    let (again, _) = open(&machine.path()).await;
    eprintln!("loaded in {:?}", began.elapsed());
    let each = resident_bytes().saturating_sub(before) as f64 / news.len() as f64;
    eprintln!("{each:.0} bytes a session in memory, of a file that was loaded");
    assert_eq!(again.sessions.count().await.unwrap(), news.len() as u64);
}
