//! One connection, from its first byte to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::Limits;
use crate::activity::{Activity, Phase};
use crate::eviction::is_stalled;
use crate::lazy_timer::LazyTimer;
use crate::lifecycle::Lifecycle;
use crate::refuse::TOO_MANY_CONNECTIONS;
use crate::service::RouterService;
use crate::stream::Stream;

const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The most that one connection buffers in each direction, in bytes.
const BUFFER: usize = 64 * 1024;

/// The settings of hyper that all connections of a listener share.
pub(crate) fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .max_header_size(limits.head_bytes)
        .max_buf_size(BUFFER.max(limits.head_bytes))
        .timer(hyper_util::rt::TokioTimer::new())
        // Our own deadline tells a slow head from an idle connection, and sets no timer for a request.
        .header_read_timeout(None);
    if limits.one_buffer {
        builder.writev(false);
    }
    builder
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    protocol: &http1::Builder,
    stream: Stream,
    service: RouterService,
    limits: Arc<Limits>,
) {
    let (activity, lifecycle) = (service.activity.clone(), service.lifecycle.clone());
    let mut task = ConnectionTask {
        http: protocol.serve_connection(TokioIo::new(stream), service),
        timer: LazyTimer::new(activity.since() + limits.head_timeout),
        activity,
        lifecycle,
        limits,
        closing: None,
    };
    let final_response = match (&mut task).await {
        End::Over => return,
        End::Stalled => return task.http.into_parts().io.into_inner().reset(),
        End::HeadTimedOut => TIMED_OUT,
        End::Evicted => TOO_MANY_CONNECTIONS.as_bytes(),
    };
    // It is about to close, so evicting it would make no room.
    task.activity.enter(Phase::Busy);
    let timeout = task.limits.linger * 2;
    let mut stream = task.http.into_parts().io.into_inner();
    let ending = async {
        // Where the client has closed its side, the response is of no use to it.
        let _ = stream.write_all(final_response).await;
        let _ = stream.shutdown().await;
    };
    let _ = tokio::time::timeout(timeout, ending).await;
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By the protocol, by an error, or since it was idle or stuck for too long.
    Over,
    /// The head of a request did not come in time.
    HeadTimedOut,
    /// It was evicted before its request had arrived whole.
    Evicted,
    /// The client does not read its response.
    Stalled,
}

/// Whether a connection has no request that waits to be read.
enum Idle {
    Yes,
    No,
    /// The connection closed during the check.
    Closed,
}

/// A connection and its deadlines.
struct ConnectionTask {
    http: http1::Connection<TokioIo<Stream>, RouterService>,
    activity: Arc<Activity>,
    lifecycle: Lifecycle,
    limits: Arc<Limits>,
    timer: LazyTimer,
    /// Since when it takes no further request.
    closing: Option<Instant>,
}

impl Future for ConnectionTask {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        this.activity.register_waker(cx.waker());
        loop {
            if Pin::new(&mut this.http).poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            if let Some(end) = this.eviction_outcome() {
                return Poll::Ready(end);
            }
            if this.closing.is_none() && this.should_close() {
                match this.check_idle(cx) {
                    Idle::Closed => return Poll::Ready(End::Over),
                    Idle::Yes => {
                        this.close();
                        continue;
                    }
                    Idle::No => {}
                }
            }
            let due = this.due();
            if this.timer.poll(due, cx).is_pending() {
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

impl ConnectionTask {
    /// Whether the connection is to close as soon as that drops no request.
    fn should_close(&self) -> bool {
        match self.activity.phase() {
            Phase::Idle if self.lifecycle.listener_group().is_closing() => {
                self.activity.used()
                    || self.activity.since().elapsed() >= self.limits.first_request_grace
            }
            Phase::Idle => self.activity.eviction_requested(),
            // Its response announces the end.
            Phase::Head | Phase::Body | Phase::Busy => false,
        }
    }

    /// How a connection ends whose eviction was requested; `None` where it goes on, for the time being
    /// or for good.
    ///
    /// INVARIANT: the eviction was chosen by a phase of a moment ago. A request that has arrived whole
    /// since is answered, and an idle connection is checked for an unread one before it closes.
    fn eviction_outcome(&self) -> Option<End> {
        if !self.activity.eviction_requested() {
            return None;
        }
        let blocked = self.activity.blocked_since();
        match self.activity.phase() {
            Phase::Busy => self.activity.cancel_eviction(),
            _ if blocked.is_some_and(|since| self.is_stalled(since)) => return Some(End::Stalled),
            _ if blocked.is_some() => self.activity.cancel_eviction(),
            Phase::Head | Phase::Body => return Some(End::Evicted),
            Phase::Idle => {}
        }
        None
    }

    fn is_stalled(&self, blocked: Instant) -> bool {
        is_stalled(blocked, Instant::now(), self.limits.evict_after)
    }

    /// Whether no request waits to be read.
    ///
    /// INVARIANT: hyper closes an idle connection at once on `graceful_shutdown`, so it is called only
    /// after the kernel itself reported nothing to read: the runtime may have no event for it yet.
    fn check_idle(&mut self, cx: &mut Context<'_>) -> Idle {
        self.activity.request_unread_check();
        if Pin::new(&mut self.http).poll(cx).is_ready() {
            return Idle::Closed;
        }
        let idle = self.activity.phase() == Phase::Idle && !self.activity.has_unread();
        if idle { Idle::Yes } else { Idle::No }
    }

    /// Closes the connection after the request that it carries, or at once.
    fn close(&mut self) {
        self.closing = Some(Instant::now());
        Pin::new(&mut self.http).graceful_shutdown();
    }

    /// The connection's next deadline, where its phase has one.
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
            (Phase::Idle, None) if self.lifecycle.listener_group().is_closing() => {
                Some(since + limits.first_request_grace)
            }
            (Phase::Idle, None) | (Phase::Head, _) => Some(since + limits.head_timeout),
        }
    }
}
