//! One connection, from its first byte to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, Sleep};

use super::Limits;
use super::activity::{Activity, Phase};
use super::eviction::is_stalled;
use super::refuse::TOO_MANY;
use super::service::ToRouter;
use super::stream::Stream;
use crate::shutdown::Lifecycle;

const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The most that one connection buffers in each direction, in bytes.
const BUFFER: usize = 64 * 1024;

/// The settings of hyper that all connections of a listener share.
pub(super) fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .max_header_size(limits.head_bytes)
        .max_buf_size(BUFFER.max(limits.head_bytes))
        .timer(hyper_util::rt::TokioTimer::new())
        // Ours tells a slow head from an idle connection, and costs no timer for each request.
        .header_read_timeout(None);
    builder
}

/// Serves one connection to its end.
pub(super) async fn serve(
    protocol: &http1::Builder,
    stream: Stream,
    service: ToRouter,
    limits: Arc<Limits>,
) {
    let (activity, lifecycle) = (service.activity.clone(), service.lifecycle.clone());
    let mut driven = Driven {
        http: protocol.serve_connection(TokioIo::new(stream), service),
        alarm: Alarm::new(activity.since() + limits.head_timeout),
        activity,
        lifecycle,
        limits,
        closing: None,
    };
    let last_words = match (&mut driven).await {
        End::Over => return,
        End::Stalled => return driven.http.into_parts().io.into_inner().reset(),
        End::HeadTimedOut => TIMED_OUT,
        End::CutShort => TOO_MANY.as_bytes(),
    };
    // It is about to end, and makes no other room.
    driven.activity.enter(Phase::Busy);
    let patience = driven.limits.linger * 2;
    let mut stream = driven.http.into_parts().io.into_inner();
    let ending = async {
        // The client may have gone: then nobody is there to be told.
        let _ = stream.write_all(last_words).await;
        let _ = stream.shutdown().await;
    };
    let _ = tokio::time::timeout(patience, ending).await;
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By the protocol, by an error, or since it was idle or stuck for too long.
    Over,
    /// The head of a request did not come in time.
    HeadTimedOut,
    /// It made room for another one before its request had come whole.
    CutShort,
    /// The client does not take its answer.
    Stalled,
}

/// Whether a request waits to be read.
enum Quiet {
    Yes,
    No,
    /// The connection came to its end while it was asked.
    Over,
}

/// A connection and its deadlines.
struct Driven {
    http: http1::Connection<TokioIo<Stream>, ToRouter>,
    activity: Arc<Activity>,
    lifecycle: Lifecycle,
    limits: Arc<Limits>,
    alarm: Alarm,
    /// Since when no other request is wanted on it.
    closing: Option<Instant>,
}

impl Future for Driven {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        this.activity.wake_with(cx.waker());
        loop {
            if Pin::new(&mut this.http).poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            if let Some(end) = this.make_way() {
                return Poll::Ready(end);
            }
            if this.closing.is_none() && this.unwanted() {
                match this.quiet(cx) {
                    Quiet::Over => return Poll::Ready(End::Over),
                    Quiet::Yes => {
                        this.close();
                        continue;
                    }
                    Quiet::No => {}
                }
            }
            let due = this.due();
            if this.alarm.poll(due, cx).is_pending() {
                return Poll::Pending;
            }
            match this.activity.phase() {
                _ if this.activity.blocked_since().is_some() => return Poll::Ready(End::Stalled),
                Phase::Head => return Poll::Ready(End::HeadTimedOut),
                _ if this.closing.is_some() => return Poll::Ready(End::Over),
                _ => this.close(),
            }
        }
    }
}

impl Driven {
    /// Whether the connection is to end as soon as no request is dropped by it.
    fn unwanted(&self) -> bool {
        match self.activity.phase() {
            Phase::Idle if self.lifecycle.doors().closing() => {
                self.activity.used() || self.activity.since().elapsed() >= self.limits.last_call
            }
            Phase::Idle => self.activity.yielding(),
            // Its answer will announce the end.
            Phase::Head | Phase::Body | Phase::Busy => false,
        }
    }

    /// How a connection ends that was told to make room; `None` where it goes on, for the time being
    /// or for good.
    ///
    /// INVARIANT: whoever told it so has seen it a moment ago. A request that has come whole since
    /// is answered, and one that may be waiting to be read is looked for first, by `unwanted`.
    fn make_way(&self) -> Option<End> {
        if !self.activity.yielding() {
            return None;
        }
        let blocked = self.activity.blocked_since();
        match self.activity.phase() {
            Phase::Busy => self.activity.stay(),
            _ if blocked.is_some_and(|since| self.is_stalled(since)) => return Some(End::Stalled),
            _ if blocked.is_some() => self.activity.stay(),
            Phase::Head | Phase::Body => return Some(End::CutShort),
            Phase::Idle => {}
        }
        None
    }

    fn is_stalled(&self, blocked: Instant) -> bool {
        is_stalled(blocked, Instant::now(), self.limits.yield_after)
    }

    /// Whether no request waits to be read.
    ///
    /// INVARIANT: hyper closes an idle connection at once when it is told to end it, so it is told
    /// so only after the system itself said that nothing waits: the runtime may not have heard.
    fn quiet(&mut self, cx: &mut Context<'_>) -> Quiet {
        self.activity.ask_unread();
        if Pin::new(&mut self.http).poll(cx).is_ready() {
            return Quiet::Over;
        }
        let quiet = self.activity.phase() == Phase::Idle && !self.activity.unread();
        if quiet { Quiet::Yes } else { Quiet::No }
    }

    /// Ends the connection after the request that it carries, or at once.
    fn close(&mut self) {
        self.closing = Some(Instant::now());
        Pin::new(&mut self.http).graceful_shutdown();
    }

    /// The moment at which something has to be done if nothing happens before.
    fn due(&self) -> Option<Instant> {
        let limits = &self.limits;
        if let Some(blocked) = self.activity.blocked_since() {
            return Some(blocked + limits.write_timeout);
        }
        let since = self.activity.since();
        match (self.activity.phase(), self.closing) {
            (Phase::Body | Phase::Busy, _) => None,
            (Phase::Idle, Some(closing)) => Some(closing.max(since) + limits.linger * 2),
            (Phase::Idle, None) if self.activity.used() => Some(since + limits.idle_timeout),
            (Phase::Idle, None) if self.lifecycle.doors().closing() => {
                Some(since + limits.last_call)
            }
            (Phase::Idle, None) | (Phase::Head, _) => Some(since + limits.head_timeout),
        }
    }
}

/// A timer that is moved only when it has to ring earlier; when it rings too early it is moved then.
/// Most requests never touch it.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    polled: bool,
}

impl Alarm {
    fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first)), polled: false }
    }

    /// Ready when `due` has passed.
    fn poll(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        if due < self.sleep.deadline() {
            self.set(due);
        }
        loop {
            // A task has one waker for life, so one poll for each setting is enough.
            let rung = if self.polled {
                self.sleep.is_elapsed()
            } else {
                self.polled = true;
                self.sleep.as_mut().poll(cx).is_ready()
            };
            if !rung {
                return Poll::Pending;
            }
            if self.sleep.deadline() >= due {
                return Poll::Ready(());
            }
            self.set(due);
        }
    }

    fn set(&mut self, due: Instant) {
        self.sleep.as_mut().reset(due);
        self.polled = false;
    }
}
