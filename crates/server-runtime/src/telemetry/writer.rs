//! The thread that writes the log: the only one that waits for the log's reader.
//!
//! A line that does not fit into its queue, or cannot be written, is lost and counted. What the
//! writer itself logs goes straight out, past the queues.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use clock::{Clock as _, Moment, SystemClock};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::ALWAYS;
use super::queue::{Kind, Queue};

/// The target of the lines that are lost last.
const AUDIT: &str = "audit";
/// How often who waits for room looks whether there is some.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// After how many looks without one line written the log counts as read by nobody.
const LOOKS_IN_VAIN: u32 = 50;
/// How often, at most, the log says how many of its lines are missing.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::new);
static LOST: LazyLock<Lost> = LazyLock::new(Lost::new);
/// Whether the thread that writes was started, which is done once.
static STARTED: LazyLock<bool> = LazyLock::new(|| {
    let writer = thread::Builder::new().name("log-writer".to_owned());
    writer.spawn(write_lines).is_ok()
});

thread_local! {
    static WRITES_DIRECTLY: Cell<bool> = const { Cell::new(false) };
}

/// How many lines of each queue were lost, as a metric with the label `queue`.
pub(crate) type LostFamily = Family<[(&'static str, &'static str); 1], Counter>;

/// The counter of this process's lost lines.
pub(crate) fn lost_lines() -> LostFamily {
    LOST.family.clone()
}

struct Lost {
    family: LostFamily,
    audit: Counter,
    other: Counter,
}

impl Lost {
    fn new() -> Self {
        let family = LostFamily::default();
        let audit = family.get_or_create_owned(&[("queue", AUDIT)]);
        let other = family.get_or_create_owned(&[("queue", "other")]);
        Self { family, audit, other }
    }

    fn count(&self, kind: Kind) {
        match kind {
            Kind::Audit => self.audit.inc(),
            Kind::Other => self.other.inc(),
        };
    }

    fn totals(&self) -> (u64, u64) {
        (self.audit.get(), self.other.get())
    }
}

/// Waits until half of the room for audit lines is free, but not for a log that nobody reads: for who
/// has many lines at once, which can wait, so that none of them is dropped.
///
/// # Cancel safety
///
/// It changes nothing.
pub async fn wait_for_audit_room() {
    let (mut least, mut in_vain) = (usize::MAX, 0);
    while let Some(backlog) = QUEUE.audit_backlog() {
        in_vain = if backlog < least { 0 } else { in_vain + 1 };
        if in_vain > LOOKS_IN_VAIN {
            return;
        }
        least = backlog.min(least);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits until what was logged is written, and no longer than `within`: a log that is not read
/// must not keep the process from ending.
pub(crate) fn drain(within: Duration) {
    QUEUE.drain(within);
}

/// Writes lines to standard output through the queues and the thread that this starts.
#[derive(Clone, Copy)]
pub(super) struct StandardOutput {
    /// Without a thread to spare for it, each thread writes its own lines.
    queued: bool,
}

impl StandardOutput {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        Self { queued: *STARTED }
    }
}

impl<'a> MakeWriter<'a> for StandardOutput {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { queued: self.queued, kind: Kind::Other }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> LineWriter {
        let kind = if of.target() == AUDIT { Kind::Audit } else { Kind::Other };
        LineWriter { queued: self.queued, kind }
    }
}

/// Takes one line, whole.
pub(super) struct LineWriter {
    queued: bool,
    kind: Kind,
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let done = if self.queued && !WRITES_DIRECTLY.get() {
            QUEUE.put(self.kind, line)
        } else {
            write_whole(line).is_ok()
        };
        if !done {
            LOST.count(self.kind);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the thread does for as long as the process lives.
fn write_lines() {
    WRITES_DIRECTLY.set(true);
    let mut reporter = Reporter { clock: SystemClock::new(), reported: (0, 0), last: None };
    loop {
        let (kind, line) = QUEUE.next();
        if write_whole(&line).is_ok() {
            reporter.report();
        } else {
            LOST.count(kind);
        }
    }
}

/// Says in the log how many lines are missing from it, once lines can be written again.
struct Reporter {
    clock: SystemClock,
    reported: (u64, u64),
    last: Option<Moment>,
}

impl Reporter {
    fn report(&mut self) {
        let totals = LOST.totals();
        if totals == self.reported {
            return;
        }
        let now = self.clock.now();
        if self.last.is_some_and(|last| now.saturating_sub(last) < REPORT_INTERVAL) {
            return;
        }
        let (audit, other) = (totals.0 - self.reported.0, totals.1 - self.reported.1);
        (self.reported, self.last) = (totals, Some(now));
        tracing::warn!(target: ALWAYS, audit, other, "log lines were dropped: they were not read in time");
    }
}

/// Writes to standard output itself: the library's own handle has a lock and a buffer, of which a
/// line that blocks would keep the one and leave a part in the other.
fn write_whole(mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match rustix::io::write(stdout(), line) {
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another process that shares the pipe has made it non-blocking; the line waits all the same.
            Err(Errno::AGAIN) => {
                let output = stdout();
                poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
