//! A request's body: it has a deadline, and what a handler leaves of it is read to its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Phase};

/// The longest rest of a body that is read so that the connection can be kept, in bytes.
const REST_BYTES: usize = 64 * 1024;
/// How long the rest of a body may take.
const REST_TIME: Duration = Duration::from_millis(500);

/// The client did not send the body in time: what a handler finds among the sources of the error
/// that it gets for the body. The connection is closed after the answer.
#[derive(Clone, Copy, Debug)]
pub struct BodyTimedOut;

impl BodyTimedOut {
    /// Whether it is the cause of this error.
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |e| e.source()).any(<dyn std::error::Error>::is::<Self>)
    }
}

impl fmt::Display for BodyTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not come in time")
    }
}

impl std::error::Error for BodyTimedOut {}

/// Where a body is left by a handler that did not read it to its end.
#[derive(Debug)]
pub(super) struct Rest {
    left: Mutex<Left>,
    /// Whether the client waits to be told before it sends the body.
    expects: bool,
}

impl Rest {
    pub(super) fn new(expects: bool) -> Self {
        Self { left: Mutex::default(), expects }
    }

    /// Whether the body is not to be read after an answer with this status: it is too long or of a
    /// wrong type, or reading it would have the client send it in vain.
    pub(super) fn is_refused(&self, status: StatusCode) -> bool {
        match (&*self.left.lock(), status) {
            (Left::Body { .. }, StatusCode::PAYLOAD_TOO_LARGE)
            | (Left::Body { begun: false, .. }, StatusCode::UNSUPPORTED_MEDIA_TYPE) => true,
            (Left::Body { begun, .. }, _) => self.expects && !begun,
            (Left::Held | Left::Nothing | Left::Broken, _) => false,
        }
    }
}

#[derive(Debug, Default)]
enum Left {
    /// Somebody still has the body.
    #[default]
    Held,
    /// All of it was read.
    Nothing,
    /// Nobody reads this any more, if anybody has begun to.
    Body { incoming: Incoming, begun: bool },
    /// It cannot be read to its end.
    Broken,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It can carry another request.
    Keep,
    /// Its bytes cannot be told apart any more, or are not worth it.
    Close,
}

/// A body with a deadline.
pub(super) struct Timed {
    incoming: Option<Incoming>,
    begun: bool,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    rest: Arc<Rest>,
    activity: Arc<Activity>,
}

impl Timed {
    pub(super) fn new(
        incoming: Incoming,
        timeout: Duration,
        rest: Arc<Rest>,
        activity: Arc<Activity>,
    ) -> Self {
        let deadline = Instant::now() + timeout;
        Self { incoming: Some(incoming), begun: false, deadline, sleep: None, rest, activity }
    }

    fn over(&mut self, left: Left) {
        self.incoming = None;
        self.answering();
        *self.rest.left.lock() = left;
    }

    /// Nobody waits for the body any more.
    fn answering(&self) {
        if self.activity.phase() == Phase::Body {
            self.activity.enter(Phase::Busy);
        }
    }

    /// A handler waits for the body from now on, whatever little of it comes meanwhile.
    fn waiting(&self) {
        if self.activity.phase() != Phase::Body {
            self.activity.enter(Phase::Body);
        }
    }

    /// Whether the time is over. The timer is made only for a body that keeps us waiting.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        sleep.as_mut().poll(cx)
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        this.begun = true;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(None) => {
                this.over(Left::Nothing);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if this.is_end_stream() {
                    this.answering();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.over(Left::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                this.waiting();
                ready!(this.poll_deadline(cx));
                this.over(Left::Broken);
                Poll::Ready(Some(Err(BodyTimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.answering();
            let left = if incoming.is_end_stream() {
                Left::Nothing
            } else {
                Left::Body { incoming, begun: self.begun }
            };
            *self.rest.left.lock() = left;
        }
    }
}

/// Reads what a handler left, so that the next request can follow on the same connection.
#[derive(Default)]
pub(super) struct Drain {
    read: usize,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Drain {
    pub(super) fn poll(&mut self, rest: &Rest, cx: &mut Context<'_>) -> Poll<After> {
        let mut left = rest.left.lock();
        let Left::Body { incoming, .. } = &mut *left else {
            let keep = !matches!(*left, Left::Broken);
            return Poll::Ready(if keep { After::Keep } else { After::Close });
        };
        if incoming.size_hint().lower() > REST_BYTES as u64 {
            return Poll::Ready(After::Close);
        }
        while self.read <= REST_BYTES {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(After::Keep),
                Poll::Ready(Some(Ok(frame))) => {
                    self.read += frame.data_ref().map_or(0, Bytes::len);
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(After::Close),
                Poll::Pending => {
                    let sleep =
                        self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_TIME)));
                    return sleep.as_mut().poll(cx).map(|()| After::Close);
                }
            }
        }
        Poll::Ready(After::Close)
    }
}
