//! A listener: bound first, then served until its lifecycle closes it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

use crate::accept::Accept;
use crate::lifecycle::Lifecycle;
use crate::{Limits, PROCESS_LOG_TARGET};

/// How many connections the kernel may queue before we accept them; its own limit may be lower.
const BACKLOG: u32 = 4096;

/// How much of a response the kernel holds for a client that does not read it, in bytes. Linux
/// doubles it, for its own bookkeeping; by default it would grow to some megabytes.
const SEND_BUFFER: u32 = 128 * 1024;

/// Why a server could not start, in one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread for connections could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(String),
    /// An address could not be listened on.
    #[error("cannot listen on {addr} ({name}): {reason}")]
    Listen {
        /// The listener's name.
        name: &'static str,
        /// The address that was requested.
        addr: SocketAddr,
        /// What the system reported.
        reason: String,
    },
    /// A socket that was handed over cannot be listened on.
    #[error("cannot listen on the socket that was handed over ({name}): {reason}")]
    TakeOver {
        /// The listener's name.
        name: &'static str,
        /// What the system reported.
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
    /// Whether somebody else keeps the socket open when this process has closed it.
    is_shared: bool,
}

impl Listener {
    /// Binds `addr`; `name` stands in the log's listening line and in errors.
    ///
    /// # Errors
    ///
    /// The address is in use or not one of this machine.
    #[expect(clippy::unused_async, reason = "it needs the runtime, and says so")]
    pub async fn bind(name: &'static str, addr: SocketAddr) -> Result<Self, StartError> {
        let failed = |e: io::Error| StartError::Listen { name, addr, reason: reason(&e) };
        let limits = Limits::default();
        let socket = listen(addr, &limits).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { name, socket, addr, limits, is_shared: false })
    }

    /// Takes over a socket that somebody else has bound and keeps open: who connects while nobody
    /// serves it waits in it.
    ///
    /// # Errors
    ///
    /// It is no socket that can listen.
    pub fn from_socket(
        name: &'static str,
        socket: std::net::TcpListener,
    ) -> Result<Self, StartError> {
        let limits = Limits::default();
        let failed = |e: &io::Error| StartError::TakeOver { name, reason: reason(e) };
        let (socket, addr) = take_over(socket, &limits).map_err(|e| failed(&e))?;
        Ok(Self { name, socket, addr, limits, is_shared: true })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, with a right to the open files that a crowd at the process's other listeners may
    /// not take: for listeners on which others depend, and for the probes.
    #[must_use]
    pub fn with_reserve(mut self) -> Self {
        self.limits.all_files = true;
        self
    }

    /// The same, for a listener whose responses are small: each leaves from one buffer.
    #[must_use]
    pub fn with_small_responses(mut self) -> Self {
        self.limits.one_buffer = true;
        self
    }

    /// The address that it listens on, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts connections and serves `router` on them until the lifecycle closes its listeners.
    /// It logs the address and returns at once. Handlers find the client's address in the
    /// extension [`RequestInfo`](crate::RequestInfo).
    pub fn serve(self, router: axum::Router, lifecycle: &Lifecycle) {
        let Self { name, socket, addr, limits, is_shared } = self;
        let accept = Accept::new(name, Arc::new(limits), router, lifecycle.clone());
        let accepting = async move {
            if is_shared { accept.run_shared(socket).await } else { accept.run(socket).await }
        };
        let accepting = lifecycle.listener_group().listeners().track_future(accepting);
        lifecycle.spawn_critical(name, accepting);
        tracing::info!(target: PROCESS_LOG_TARGET, "listening on http://{addr} ({name})");
    }
}

fn listen(addr: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are still in TIME_WAIT can be bound again at once.
    socket.set_reuseaddr(true)?;
    bound_unread_responses(&SockRef::from(&socket), limits.write_timeout);
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn take_over(
    socket: std::net::TcpListener,
    limits: &Limits,
) -> io::Result<(TcpListener, SocketAddr)> {
    socket.set_nonblocking(true)?;
    let options = SockRef::from(&socket);
    bound_unread_responses(&options, limits.write_timeout);
    // Of a socket that listens already, it changes the length of its queue.
    options.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    let addr = socket.local_addr()?;
    Ok((TcpListener::from_std(socket)?, addr))
}

/// Bounds what clients that do not read their responses cost the kernel: how much it holds, and for
/// how long, also after we have closed. Connections inherit it from their listener.
fn bound_unread_responses(socket: &SockRef<'_>, timeout: Duration) {
    // Where the system cannot, such a client costs more, and our own deadline still ends it.
    let _ = socket.set_send_buffer_size(SEND_BUFFER as usize);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_notsent_lowat(SEND_BUFFER / 2);
        let _ = socket.set_tcp_user_timeout(Some(timeout));
    }
}

/// What the system reported, in words without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "the address is not one of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
