//! Many readers of events, and validations beside them.

#![expect(clippy::disallowed_methods, reason = "what is measured here is real time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clock::SystemClock;

use super::resident_bytes;
use crate::store::conformance::{Fixture, logout, use_of};
use crate::{
    Event, EventKind, EventRead, EventUser, MemoryStore, ReadFrom, SeenAt, SessionStore,
    TouchContext,
};

const READERS: usize = 1_000;
const EVENTS_A_TICK: usize = 50;
const TICK: Duration = Duration::from_millis(10);
/// One delivery of so many is timed.
const TIMED: usize = 64;

/// The middle, the 99th of a hundred, and the last.
fn spread(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied();
    [at(50), at(99), times.last().copied()].map(Option::unwrap_or_default)
}

/// Reads until told to stop: how many events there were, and how long some of them took to come here.
async fn read(
    store: Arc<dyn SessionStore>,
    began: Instant,
    is_over: Arc<AtomicBool>,
) -> (usize, Vec<Duration>) {
    let mut signal = store.event_signal();
    let (mut position, mut count, mut times): (Option<Box<str>>, usize, _) = (None, 0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        signal.borrow_and_update();
        let from = position.as_deref().map_or(ReadFrom::Now, ReadFrom::After);
        let read = store.read_events(from, 256).await.unwrap();
        let EventRead::Page(page) = read else { panic!("a reader fell behind: {read:?}") };
        for stored in &page.events {
            count += 1;
            if count % TIMED == 0 {
                let sent = stored.event.user.as_ref().unwrap().username.parse().unwrap();
                times.push(began.elapsed().saturating_sub(Duration::from_micros(sent)));
            }
        }
        let is_end = page.events.is_empty();
        position = Some(page.next);
        if is_end {
            let _ = tokio::time::timeout(TICK * 10, signal.changed()).await;
        }
    }
    (count, times)
}

async fn append(store: &dyn SessionStore, began: Instant) {
    let username = began.elapsed().as_micros().to_string().into();
    let user = Some(EventUser { id: None, external: None, username });
    let event = Event::of_user(EventKind::UserChanged, user, None, None, SeenAt::default());
    store.append_event(event).await.unwrap();
}

/// `SECONDS=30 cargo test --release -p session many_readers_of_events -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn many_readers_of_events() {
    let seconds = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    let fixture = Fixture::real(Arc::clone(&store) as Arc<_>, Duration::from_hours(1));
    let session = use_of(fixture.open().await);
    let (began, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let before = resident_bytes();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(Arc::clone(&store) as Arc<_>, began, Arc::clone(&is_over)));
    }
    let (mut uses, mut sent, mut most) = (Vec::new(), 0, 0);
    let mut ticks = tokio::time::interval(TICK);
    while began.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        for _ in 0..EVENTS_A_TICK {
            append(&*store, began).await;
            let started = Instant::now();
            assert!(store.touch(&[session], TouchContext::default()).await[0].is_ok());
            uses.push(started.elapsed());
        }
        sent += EVENTS_A_TICK;
        most = most.max(resident_bytes());
    }
    is_over.store(true, Ordering::Relaxed);
    let read = readers.join_all().await;
    let delivered: usize = read.iter().map(|(count, _)| count).sum();
    let times = spread(read.into_iter().flat_map(|(_, times)| times).collect());
    eprintln!(
        "{} events a second to {READERS} readers, {delivered} deliveries: {times:?} until it is read; \
         {} MB more memory; a use takes {:?} (the middle, 99 %, the longest)",
        sent as u64 / seconds,
        most.saturating_sub(before) / 1_000_000,
        spread(uses),
    );
    fixture.store.remove(session.id, &logout()).await.unwrap();
}
