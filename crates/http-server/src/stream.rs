//! A connection's bytes: it tracks when a head begins, and closes without losing a response.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::activity::{Activity, Phase};
use crate::head_scan::HeadScan;

/// How much of what a client still sends is read after our last response, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// How much of a response a client has to read before its write timeout begins anew, in bytes.
const PROGRESS_BYTES: usize = 16 * 1024;
/// How long we read on from a connection that is evicted.
const SHORT_LINGER: Duration = Duration::from_millis(100);

/// A client's connection.
pub(crate) struct Stream {
    tcp: TcpStream,
    activity: Arc<Activity>,
    head: HeadScan,
    ended: bool,
    linger: Linger,
    /// How many bytes of a response were written since a write last had to wait; `None` while none
    /// waits.
    blocked: Option<usize>,
}

/// How a connection is closed: our side first, then we read on for a while. A socket closed with
/// bytes unread is reset, and a reset can destroy a response that the client has not read yet.
struct Linger {
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, activity: Arc<Activity>, linger: Duration) -> Self {
        let linger = Linger { timeout: linger, sleep: None, discarded: 0 };
        Self { tcp, activity, head: HeadScan::default(), ended: false, linger, blocked: None }
    }

    /// Whether the client has sent something that was not read yet. It asks the kernel: the runtime
    /// may have no event for it yet.
    fn has_unread(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        socket2::SockRef::from(&self.tcp).peek(&mut byte).is_ok_and(|n| n > 0)
    }

    /// Tracks what was read.
    fn track_read(&mut self, bytes: &[u8]) {
        if self.activity.phase() == Phase::Idle {
            self.activity.enter(Phase::Head);
        }
        self.head.read(bytes);
        if let Some(number) = self.head.malformed() {
            self.activity.set_malformed_head(number);
        }
        // The half of a head is copied to a larger buffer, and may hold a password.
        if self.head.is_within_head() && wiping_alloc::spares_freed() {
            wiping_alloc::wipe_freed();
        }
    }

    /// Tracks whether the client reads what is written.
    fn track_write(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.blocked) {
            (Poll::Pending, None) => {
                self.activity.set_blocked();
                self.blocked = Some(0);
            }
            (Poll::Ready(Ok(count)), Some(written)) => {
                *written += count;
                if *written >= PROGRESS_BYTES {
                    self.activity.set_blocked();
                    *written = 0;
                }
            }
            _ => {}
        }
        written
    }

    /// Ends the connection at once. What the client has not read is discarded: the kernel would hold
    /// it for minutes.
    pub(crate) fn reset(self) {
        // Where the system cannot, it closes as any other.
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
        if read.is_pending() && this.activity.take_unread_check() {
            this.activity.set_unread(this.has_unread());
        }
        ready!(read)?;
        if buf.filled().len() == before {
            this.ended = true;
        } else {
            this.track_read(&buf.filled()[before..]);
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
        self.track_write(written)
    }

    /// hyper calls it once everything was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.blocked.take().is_some() {
            self.activity.set_unblocked();
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.sleep.is_none() {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
            let evicted = this.activity.eviction_requested();
            let timeout = this.linger.timeout;
            let timeout = if evicted { timeout.min(SHORT_LINGER) } else { timeout };
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
        self.track_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

impl Linger {
    /// Reads until the client has closed its side, or its time or its bytes are used up.
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
