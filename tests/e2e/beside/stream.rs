//! Many streams of events, read by one thread.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clock::{Clock as _, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{KEY, Service};
use crate::harness::{TIMEOUT, eventually};

/// One event of so many is timed.
const TIMED: u64 = 8;
/// How often a reader without events looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);

/// What one reader read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) events: u64,
    /// How often it was told that events were missed, or found it.
    pub(super) gaps: u64,
    /// How many milliseconds after it was made an event came here.
    pub(super) late_ms: Vec<i64>,
    last: u64,
}

/// Readers that are reading.
pub(super) struct Readers {
    thread: JoinHandle<Vec<Read>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    events: AtomicU64,
    is_over: AtomicBool,
}

impl Readers {
    /// So many, each with this query, once each of them has its head. Numbers of events have no gaps
    /// where all types are read.
    pub(super) fn open(service: &Service, count: usize, query: &'static str) -> Self {
        let shared = Arc::<Shared>::default();
        let (port, given) = (service.internal.port, Arc::clone(&shared));
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut readers = JoinSet::new();
                for _ in 0..count {
                    readers.spawn(read(port, query, Arc::clone(&given)));
                }
                readers.join_all().await
            })
        });
        eventually("all streams are open", 3 * TIMEOUT, || {
            (shared.open.load(Ordering::Relaxed) == count).then_some(())
        });
        Self { thread, shared }
    }

    /// How many events all of them have read so far.
    pub(super) fn events(&self) -> u64 {
        self.shared.events.load(Ordering::Relaxed)
    }

    pub(super) fn close(self) -> Vec<Read> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn read(port: u16, query: &str, shared: Arc<Shared>) -> Read {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let head = format!(
        "GET /events?stream{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut bytes, clock) = (Read::default(), Vec::new(), SystemClock::new());
    let mut is_open = false;
    while !shared.is_over.load(Ordering::Relaxed) {
        let Ok(count) = tokio::time::timeout(LOOK, stream.read_buf(&mut bytes)).await else {
            continue;
        };
        assert!(count.unwrap() > 0, "the service has closed a stream");
        if !std::mem::replace(&mut is_open, true) {
            assert!(bytes.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&bytes));
            shared.open.fetch_add(1, Ordering::Relaxed);
        }
        let before = read.events;
        read.take(&mut bytes, clock.unix_ms(), !query.contains("types"));
        shared.events.fetch_add(read.events - before, Ordering::Relaxed);
    }
    read
}

impl Read {
    /// Takes whole lines.
    fn take(&mut self, bytes: &mut Vec<u8>, now_ms: i64, has_all: bool) {
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[from..]) {
            let line = &bytes[from..from + length];
            if let Some(position) = line.strip_prefix(b"id: ") {
                self.event(std::str::from_utf8(position).unwrap(), now_ms, has_all);
            } else if line.starts_with(b"event: reset") {
                self.gaps += 1;
            }
            from += length + 1;
        }
        bytes.drain(..from);
    }

    /// In memory a position is that of its event: the history, its number, its date.
    fn event(&mut self, position: &str, now_ms: i64, has_all: bool) {
        let mut parts = position.split('.').skip(1);
        let number: u64 = parts.next().unwrap().parse().unwrap();
        self.gaps += u64::from(
            self.last != 0 && (has_all && number != self.last + 1 || number <= self.last),
        );
        self.last = number;
        self.events += 1;
        if self.events.is_multiple_of(TIMED) {
            self.late_ms.push(now_ms - parts.next().unwrap().parse::<i64>().unwrap());
        }
    }
}
