//! Listening: our own accept loop, with limits on all that a client could stretch.
//!
//! HTTP/1 only, without TLS: a proxy in front has that. What a router cannot see is decided here:
//! deadlines for heads and bodies, idle connections, how many connections there are, and how a
//! connection ends without a client losing an answer.

mod accept;
mod activity;
mod body;
mod connection;
mod eviction;
mod network;
mod refuse;
mod registry;
mod service;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

pub use body::BodyTimedOut;
pub(crate) use registry::Registry;

use crate::shutdown::Lifecycle;

/// Connections that the system may hold before we accept them; it takes fewer if it is told so.
const BACKLOG: u32 = 4096;

/// How much of an answer the system holds for a client that does not take it, in bytes. It counts
/// twice as much, for what it needs beside them; left alone it would take some megabytes.
const SEND_BUFFER: u32 = 128 * 1024;

/// What a client may take of us.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the head of a request may take from its first byte, and the first byte from the
    /// connection's beginning.
    pub head_timeout: Duration,
    /// How long the body of a request may take from the end of its head.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer untaken: 16 KiB of it, or the rest.
    pub write_timeout: Duration,
    /// The longest head of a request, in bytes; 100 headers at most are always the limit too.
    pub head_bytes: usize,
    /// Whether connections may take the last quarter of the process's open files.
    pub all_files: bool,
    /// How many connections one listener holds; past it those that are not being served make room,
    /// the ones of the largest network first, else the answer is 503.
    pub connections: usize,
    /// How long a connection must have kept us waiting before it has to make room for another of its
    /// own network, or of one that is no smaller.
    pub yield_after: Duration,
    /// How long we go on reading what a client sends after our last answer.
    pub linger: Duration,
    /// How long a new connection may take to send its first request when the listener is closed.
    pub last_call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(20),
            head_bytes: 16 * 1024,
            all_files: false,
            connections: 10_000,
            yield_after: Duration::from_secs(1),
            linger: Duration::from_secs(1),
            last_call: Duration::from_millis(500),
        }
    }
}

/// Why a process could not start: one line, exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The signals to end cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signals(String),
    /// A thread for connections could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(String),
    /// An address could not be listened on.
    #[error("cannot listen on {addr} ({name}): {reason}")]
    Listen {
        /// The listener's name.
        name: &'static str,
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    addr: SocketAddr,
    limits: Limits,
}

impl Listener {
    /// Binds `addr`; `name` stands in the log's listening line and in errors.
    ///
    /// # Errors
    ///
    /// The address is in use or not ours.
    #[expect(clippy::unused_async, reason = "it needs the runtime, and says so")]
    pub async fn bind(name: &'static str, addr: SocketAddr) -> Result<Self, StartError> {
        let failed = |e: io::Error| StartError::Listen { name, addr, reason: reason(&e) };
        let limits = Limits::default();
        let socket = listen(addr, &limits).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { name, socket, addr, limits })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, with a right to what a crowd at the process's other listeners leaves of its open
    /// files: for those on whom others depend, and for the probes.
    #[must_use]
    pub fn with_reserve(mut self) -> Self {
        self.limits.all_files = true;
        self
    }

    /// The address that it really listens on, with its port.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts connections and serves `router` on them until the lifecycle closes its listeners.
    /// It says so in the log, and returns at once. Handlers find the client's address in the
    /// extension `axum::extract::ConnectInfo<SocketAddr>`.
    pub fn serve(self, router: axum::Router, lifecycle: &Lifecycle) {
        let Self { name, socket, addr, limits } = self;
        let accept = accept::Accept::new(name, Arc::new(limits), router, lifecycle.clone());
        let accepting = lifecycle.doors().listeners().track_future(accept.run(socket));
        lifecycle.spawn_critical(name, accepting);
        tracing::info!(target: crate::telemetry::ALWAYS, "listening on http://{addr} ({name})");
    }
}

fn listen(addr: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are still in TIME_WAIT can be taken again at once.
    socket.set_reuseaddr(true)?;
    bound_answers(&socket, limits.write_timeout);
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Bounds what clients that do not take their answers cost the system: how much it holds, and for
/// how long, also after we have closed. Connections have it from their listener.
fn bound_answers(socket: &TcpSocket, timeout: Duration) {
    // Where the system cannot, such a client costs more, and our own deadline still ends it.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(socket);
        let _ = socket.set_tcp_notsent_lowat(SEND_BUFFER / 2);
        let _ = socket.set_tcp_user_timeout(Some(timeout));
    }
}

/// What the system said, in words without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "the address is not one of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
