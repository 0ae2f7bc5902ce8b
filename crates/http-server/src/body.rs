//! A request's body: it has a deadline, and what a handler leaves unread is read to its end.

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

use crate::activity::{Activity, Phase};

/// The longest rest of a body that is read so that the connection can be kept, in bytes.
const REST_BYTES: usize = 64 * 1024;
/// How long the rest of a body may take.
const REST_TIME: Duration = Duration::from_millis(500);

/// The client did not send the body in time: what a handler finds scope the sources of the error
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
        f.write_str("the body did not arrive in time")
    }
}

impl std::error::Error for BodyTimedOut {}

/// Holds the rest of a body that a handler did not read to its end.
#[derive(Debug)]
pub(crate) struct UnreadBody {
    remainder: Mutex<Remainder>,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    expects: bool,
}

impl UnreadBody {
    pub(crate) fn new(expects: bool) -> Self {
        Self { remainder: Mutex::default(), expects }
    }

    /// Whether the body is not to be read after an answer with this status: it is too long or of a
    /// wrong type, or reading it would have the client send it in vain.
    pub(crate) fn is_refused(&self, status: StatusCode) -> bool {
        match (&*self.remainder.lock(), status) {
            (Remainder::Body { .. }, StatusCode::PAYLOAD_TOO_LARGE)
            | (Remainder::Body { begun: false, .. }, StatusCode::UNSUPPORTED_MEDIA_TYPE) => true,
            (Remainder::Body { begun, .. }, _) => self.expects && !begun,
            (Remainder::InUse | Remainder::Nothing | Remainder::Broken, _) => false,
        }
    }
}

#[derive(Debug, Default)]
enum Remainder {
    /// The handler still has the body.
    #[default]
    InUse,
    /// All of it was read.
    Nothing,
    /// The handler dropped this, and may have begun to read it.
    Body { incoming: Incoming, begun: bool },
    /// It cannot be read to its end.
    Broken,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// It can carry another request.
    Keep,
    /// Where the next request begins is unknown, or not worth finding out.
    Close,
}

/// A body with a deadline.
pub(crate) struct TimedBody {
    incoming: Option<Incoming>,
    begun: bool,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    rest: Arc<UnreadBody>,
    activity: Arc<Activity>,
}

impl TimedBody {
    pub(crate) fn new(
        incoming: Incoming,
        timeout: Duration,
        rest: Arc<UnreadBody>,
        activity: Arc<Activity>,
    ) -> Self {
        let deadline = Instant::now() + timeout;
        Self { incoming: Some(incoming), begun: false, deadline, sleep: None, rest, activity }
    }

    fn over(&mut self, remainder: Remainder) {
        self.incoming = None;
        self.answering();
        *self.rest.remainder.lock() = remainder;
    }

    /// The handler does not wait for the body any more.
    fn answering(&self) {
        if self.activity.phase() == Phase::Body {
            self.activity.enter(Phase::Busy);
        }
    }

    /// From now on a handler waits for the body, also where a little of it arrives meanwhile.
    fn waiting(&self) {
        if self.activity.phase() != Phase::Body {
            self.activity.enter(Phase::Body);
        }
    }

    /// Ready once the deadline has passed. The timer is made only for a body that is waited for.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        sleep.as_mut().poll(cx)
    }
}

impl Body for TimedBody {
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
                this.over(Remainder::Nothing);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if this.is_end_stream() {
                    this.answering();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.over(Remainder::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                this.waiting();
                ready!(this.poll_deadline(cx));
                this.over(Remainder::Broken);
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

impl Drop for TimedBody {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.answering();
            let remainder = if incoming.is_end_stream() {
                Remainder::Nothing
            } else {
                Remainder::Body { incoming, begun: self.begun }
            };
            *self.rest.remainder.lock() = remainder;
        }
    }
}

/// Reads what a handler left unread, so that the next request can follow on the same connection.
#[derive(Default)]
pub(crate) struct BodyDrain {
    read: usize,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl BodyDrain {
    pub(crate) fn poll(&mut self, rest: &UnreadBody, cx: &mut Context<'_>) -> Poll<Reuse> {
        let mut remainder = rest.remainder.lock();
        let Remainder::Body { incoming, .. } = &mut *remainder else {
            let keep = !matches!(*remainder, Remainder::Broken);
            return Poll::Ready(if keep { Reuse::Keep } else { Reuse::Close });
        };
        if incoming.size_hint().lower() > REST_BYTES as u64 {
            return Poll::Ready(Reuse::Close);
        }
        while self.read <= REST_BYTES {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Reuse::Keep),
                Poll::Ready(Some(Ok(frame))) => {
                    self.read += frame.data_ref().map_or(0, Bytes::len);
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Reuse::Close),
                Poll::Pending => {
                    let sleep =
                        self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_TIME)));
                    return sleep.as_mut().poll(cx).map(|()| Reuse::Close);
                }
            }
        }
        Poll::Ready(Reuse::Close)
    }
}
