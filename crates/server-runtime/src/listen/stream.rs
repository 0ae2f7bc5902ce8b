//! A connection's bytes: noticing when a head begins, and ending without losing an answer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::activity::{Activity, Phase};

/// How much of what a client still sends is read after our last answer, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// How much of an answer a client has to take to be given its whole time again, in bytes.
const PROGRESS_BYTES: usize = 16 * 1024;
/// How long we read on from a connection that makes room for another one.
const SHORT_LINGER: Duration = Duration::from_millis(100);

/// A client's connection.
pub(super) struct Stream {
    tcp: TcpStream,
    activity: Arc<Activity>,
    head: HeadScan,
    ended: bool,
    linger: Linger,
    /// How much of an answer was taken since it was last too much for the client; `None` while it
    /// is not.
    blocked: Option<usize>,
}

/// How a connection is closed: our side first, then we read on for a while. A socket closed with
/// bytes unread is reset, and a reset can destroy an answer that the client has not read yet.
struct Linger {
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, activity: Arc<Activity>, linger: Duration) -> Self {
        let linger = Linger { timeout: linger, sleep: None, discarded: 0 };
        Self { tcp, activity, head: HeadScan::default(), ended: false, linger, blocked: None }
    }

    /// Whether the client has sent something that was not read yet. It asks the system itself: the
    /// runtime may not have heard of it.
    fn has_unread(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        socket2::SockRef::from(&self.tcp).peek(&mut byte).is_ok_and(|n| n > 0)
    }

    /// Notices what was read while no request was being answered.
    fn notice(&mut self, bytes: &[u8]) {
        match self.activity.phase() {
            Phase::Idle => {
                self.activity.enter(Phase::Head);
                self.head = HeadScan::default();
            }
            Phase::Head => {}
            Phase::Body | Phase::Busy => return,
        }
        self.head.read(bytes);
        self.activity.set_forgiven(self.head.bare_line_feed);
    }

    /// Notices whether the client takes what is written.
    fn noticing(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.blocked) {
            (Poll::Pending, None) => {
                self.activity.block();
                self.blocked = Some(0);
            }
            (Poll::Ready(Ok(count)), Some(taken)) => {
                *taken += count;
                if *taken >= PROGRESS_BYTES {
                    self.activity.block();
                    *taken = 0;
                }
            }
            _ => {}
        }
        written
    }

    /// Ends the connection at once. What the client has not taken is forgotten: the system would
    /// hold it for minutes.
    pub(super) fn reset(self) {
        // Where the system cannot, it ends as any other.
        let _ = socket2::SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.tcp).poll_read(cx, buf);
        if read.is_pending() && this.activity.take_question() {
            this.activity.set_unread(this.has_unread());
        }
        ready!(read)?;
        if buf.filled().len() == before {
            this.ended = true;
        } else {
            this.notice(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.noticing(written)
    }

    /// Called once all that was to be written is.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.blocked.take().is_some() {
            self.activity.unblock();
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.sleep.is_none() {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
            let yielding = this.activity.yielding();
            let timeout = this.linger.timeout;
            let timeout = if yielding { timeout.min(SHORT_LINGER) } else { timeout };
            this.linger.sleep = Some(Box::pin(tokio::time::sleep(timeout)));
        }
        if this.ended {
            return Poll::Ready(Ok(()));
        }
        this.linger.poll(&mut this.tcp, cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.noticing(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

impl Linger {
    /// Reads until the client has ended, or has had its time or its bytes.
    fn poll(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while self.discarded < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.discarded += buf.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    return self.sleep.as_mut().map_or(Poll::Ready(()), |s| s.as_mut().poll(cx));
                }
            }
        }
        Poll::Ready(())
    }
}

/// Looks for line feeds without a carriage return in a request's head. The parser takes them for
/// line ends, which a proxy in front of us may not.
#[derive(Default)]
struct HeadScan {
    part: Part,
    previous: u8,
    /// Whether the current line has had anything but carriage returns.
    written: bool,
    bare_line_feed: bool,
}

/// Which part of a request's head is being read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request line are allowed, and end nothing.
    #[default]
    Before,
    Lines,
    Over,
}

impl HeadScan {
    fn read(&mut self, mut bytes: &[u8]) {
        while self.part != Part::Over && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            self.written = self.written || line.iter().any(|byte| *byte != b'\r');
            self.previous = line.last().copied().unwrap_or(self.previous);
            let Some(end) = end else { return };
            self.end_line();
            bytes = &bytes[end + 1..];
        }
    }

    fn end_line(&mut self) {
        self.bare_line_feed |= self.previous != b'\r';
        self.part = match (self.part, self.written) {
            (_, true) => Part::Lines,
            (Part::Before, false) => Part::Before,
            (Part::Lines | Part::Over, false) => Part::Over,
        };
        (self.written, self.previous) = (false, b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(chunks: &[&[u8]]) -> bool {
        let mut scan = HeadScan::default();
        for chunk in chunks {
            scan.read(chunk);
        }
        scan.bare_line_feed
    }

    #[test]
    fn a_line_feed_without_a_carriage_return_is_noticed_in_the_head_only() {
        assert!(!bare(&[b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n{\n\"a\":\n1}"]));
        assert!(!bare(&[b"GET / HTTP/1.1\r", b"\nA: b\r\n\r", b"\n\n\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\nA: b\r\n\r\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\r\nA: b", b"\n\r\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\r\nA: b\r\n\n"]));
    }
}
