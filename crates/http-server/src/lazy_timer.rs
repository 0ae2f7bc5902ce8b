//! The timer of a connection, which costs next to nothing for a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A timer that is reset only where it has to fire earlier; where it fires too early it is reset
/// then. Most requests never touch it.
pub(crate) struct LazyTimer {
    sleep: Pin<Box<Sleep>>,
    polled: bool,
}

impl LazyTimer {
    pub(crate) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first)), polled: false }
    }

    /// Ready when `due` has passed.
    pub(crate) fn poll(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        if due < self.sleep.deadline() {
            self.reset(due);
        }
        loop {
            // A task has one waker for life, so one poll for each reset is enough.
            let fired = if self.polled {
                self.sleep.is_elapsed()
            } else {
                self.polled = true;
                self.sleep.as_mut().poll(cx).is_ready()
            };
            if !fired {
                return Poll::Pending;
            }
            if self.sleep.deadline() >= due {
                return Poll::Ready(());
            }
            self.reset(due);
        }
    }

    fn reset(&mut self, due: Instant) {
        self.sleep.as_mut().reset(due);
        self.polled = false;
    }
}
