//! What the engine's small steps cost: reading clocks and tokens, touching sessions in memory,
//! sweeping.
//! Only the store in memory is measured here, without sockets and HTTP.
//!
//! ```text
//! cargo bench --bench session
//! ```

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock, SystemClock};
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main, measurement::WallTime,
};
use futures_util::FutureExt as _;
use session::{
    Cause, EventContext, Intent, Kind, MemoryStore, NewSession, Origin, Presented, SecretDigest,
    SessionId, SessionStore, Subject, Token, TouchContext, Transport,
};
use uuid::Uuid;

const LIVE: usize = 1_000_000;
/// Sessions of each user.
const SESSIONS_PER_USER: usize = 20;
const EXPIRING: usize = 100_000;
/// Prime to the number of sessions, and large: steps of this size go everywhere, in no order that
/// the processor foresees.
const STRIDE: usize = 618_033_989;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// An id as a server makes it: a date, a version, and 74 random bits.
fn fresh_id() -> SessionId {
    uuid::Builder::from_unix_timestamp_millis(1_795_176_000_000, &random()).into_uuid().into()
}

/// A store, and what is needed to fill it.
struct Filled {
    store: MemoryStore,
    subjects: Vec<Arc<Subject>>,
    agents: Vec<Arc<str>>,
    presented: Vec<Presented>,
}

impl Filled {
    /// A store of a million sessions that live for a week.
    fn new(clock: Arc<dyn Clock>) -> Self {
        let mut filled = Self {
            store: MemoryStore::new(clock),
            subjects: (0..LIVE / SESSIONS_PER_USER).map(subject).collect(),
            agents: (0..500).map(|number| format!("agent {number}").into()).collect(),
            presented: Vec::new(),
        };
        filled.presented = filled.fill(LIVE, Duration::from_hours(7 * 24));
        filled
    }

    /// Takes in more sessions; what opens them.
    fn fill(&self, sessions: usize, ttl: Duration) -> Vec<Presented> {
        (0..sessions).map(|number| self.open(number, ttl)).collect()
    }

    fn open(&self, number: usize, ttl: Duration) -> Presented {
        let new = NewSession {
            id: fresh_id(),
            digest: SecretDigest::from_bytes(random()),
            kind: Kind::Sliding,
            transport: Transport::Bearer,
            subject: Arc::clone(&self.subjects[number % self.subjects.len()]),
            role: 0,
            generation: 1,
            scopes: None,
            name: None,
            ttl,
            max_lifetime: Duration::from_hours(30 * 24),
            login_age: Duration::ZERO,
            origin: Origin {
                ip: Some("203.0.113.9".parse().unwrap()),
                user_agent: Some(Arc::clone(&self.agents[number % self.agents.len()])),
            },
            maker: None,
        };
        let context = EventContext::without_client(Cause::Login);
        self.store.insert(&new, 0, &context).now_or_never().unwrap().unwrap();
        Presented { id: new.id, digest: new.digest, intent: Intent::Use }
    }
}

fn subject(number: usize) -> Arc<Subject> {
    Arc::new(Subject {
        id: Uuid::from_bytes(random()),
        external: None,
        username: format!("user{number}@example.com").into(),
        display_name: "Ann".into(),
        roles: ["user".into()].into(),
    })
}

/// The clock of timeouts and the one of sessions, as a store reads them.
fn clocks(criterion: &mut Criterion) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut group = criterion.benchmark_group("clock");
    group.bench_function("now", |bench| bench.iter(|| black_box(&clock).now()));
    group.bench_function("boot time", |bench| bench.iter(|| black_box(&clock).boot_time()));
}

fn token(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    let (id, draw) = (fresh_id(), random());
    group.bench_function("make", |bench| bench.iter(|| Token::new(black_box(id), &draw)));
    let (token, _) = Token::new(id, &draw);
    let good = token.expose();
    group.bench_function("read", |bench| bench.iter(|| Token::read(black_box(good)).unwrap()));
    let mistyped = format!("{}{}", &good[..63], if good.ends_with('0') { '1' } else { '0' });
    group.bench_function("refuse a mistyped one", |bench| {
        bench.iter(|| Token::read(black_box(&mistyped)).unwrap_err());
    });
}

/// Uses `size` sessions in one call, going through `used` ones that lie all over the store.
fn touch_batch(
    group: &mut BenchmarkGroup<'_, WallTime>,
    filled: &Filled,
    size: usize,
    used: usize,
) {
    let mut at = 0;
    let mut next = move || {
        at = (at + STRIDE) % used;
        filled.presented[at * (LIVE / used)]
    };
    group.throughput(Throughput::Elements(size as u64));
    group.bench_function(format!("{size} a call, {used} in use"), |bench| {
        bench.iter_batched_ref(
            || (0..size).map(|_| next()).collect::<Vec<_>>(),
            |batch| filled.store.touch(batch, TouchContext::default()).now_or_never().unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn touch(criterion: &mut Criterion) {
    let filled = Filled::new(Arc::new(SystemClock::new()));
    let mut group = criterion.benchmark_group("touch");
    for (size, used) in [(1, 1), (1, 10_000), (1, LIVE), (64, 10_000), (64, LIVE), (1024, LIVE)] {
        touch_batch(&mut group, &filled, size, used);
    }
}

fn sweep(criterion: &mut Criterion) {
    let clock = ManualClock::new();
    let filled = Filled::new(Arc::new(clock.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sweep = || runtime.block_on(filled.store.sweep()).unwrap().removed;

    let mut group = criterion.benchmark_group("sweep");
    group.bench_function("nothing of a million", |bench| {
        bench.iter_batched(
            || clock.advance(Duration::from_millis(100)),
            |()| assert_eq!(sweep(), 0),
            BatchSize::PerIteration,
        );
    });
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.throughput(Throughput::Elements(EXPIRING as u64));
    group.bench_function("100,000 of a million", |bench| {
        bench.iter_batched(
            || {
                filled.fill(EXPIRING, Duration::from_secs(30));
                clock.advance(Duration::from_mins(1));
            },
            |()| assert_eq!(sweep(), EXPIRING as u64),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, clocks, token, touch, sweep);
criterion_main!(benches);
