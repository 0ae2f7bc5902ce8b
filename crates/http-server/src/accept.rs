//! The accept loop: which connections are served, which are refused, and how accepting ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use wiping_alloc::spare_freed;

use crate::eviction::EvictionRequest;
use crate::lifecycle::Lifecycle;
use crate::network::Network;
use crate::refuse::Refuser;
use crate::registry::{ListenerCount, Registration, Registry, Scope};
use crate::service::RouterService;
use crate::stream::Stream;
use crate::{Limits, connection};

/// The shortest and the longest pause after the system could not give a connection.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How long a handshake that has begun may take to complete while we close.
const HANDSHAKE: Duration = Duration::from_millis(20);
/// The least time between two searches for connections to evict, once one found none.
const SCAN_INTERVAL: Duration = Duration::from_millis(50);
/// How many connections that are being evicted may still be open; past it none is accepted in
/// their stead.
const MAX_EVICTING: usize = 64;
/// The least time between two warnings about too many connections.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// Open files that are left for everything but connections.
const OTHER_FILES: usize = 128;

/// The accept loop of one listener.
pub(crate) struct Accept {
    name: &'static str,
    limits: Arc<Limits>,
    router: axum::Router,
    lifecycle: Lifecycle,
    protocol: Arc<http1::Builder>,
    registry: Arc<Registry>,
    /// This listener, in the registry.
    listener: Arc<ListenerCount>,
    refuser: Refuser,
    /// How many connections the process may hold, all its listeners together.
    files: usize,
    /// When a search found no connection to evict, and for how large a network.
    last_failed_scan: Option<(Instant, usize)>,
    last_warning: Option<Instant>,
}

impl Accept {
    pub(crate) fn new(
        name: &'static str,
        limits: Arc<Limits>,
        router: axum::Router,
        lifecycle: Lifecycle,
    ) -> Self {
        let (registry, files) = (lifecycle.registry().clone(), file_limit());
        Self {
            name,
            protocol: Arc::new(connection::protocol(&limits)),
            listener: registry.listener(limits.all_files),
            refuser: Refuser::new(files.saturating_sub(limits.connections)),
            files: file_share(files, limits.all_files),
            limits,
            router,
            lifecycle,
            registry,
            last_failed_scan: None,
            last_warning: None,
        }
    }

    /// Accepts until the listeners are to close, and a little longer for clients whose handshake has
    /// begun; then wakes every connection.
    pub(crate) async fn run(mut self, socket: TcpListener) {
        let closing = self.lifecycle.listener_group().closing_token().clone();
        tokio::select! {
            () = self.accept(&socket) => {}
            () = closing.cancelled() => {}
        }
        drop_new_handshakes(&socket);
        let _ = tokio::time::timeout(HANDSHAKE, self.accept(&socket)).await;
        drop(socket);
        self.registry.wake_all(&self.listener);
    }

    /// The same for a socket that others keep open: clients that connect once it is to close wait in
    /// it for whoever serves it next.
    ///
    /// INVARIANT: nothing is set on the socket. It is the next process's too.
    pub(crate) async fn run_shared(mut self, socket: TcpListener) {
        let closing = self.lifecycle.listener_group().closing_token().clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = self.accept(&socket) => {}
        }
        drop(socket);
        self.registry.wake_all(&self.listener);
    }

    /// Accepts without end.
    async fn accept(&mut self, socket: &TcpListener) {
        let mut pause = PAUSE.0;
        loop {
            match socket.accept().await {
                Ok((tcp, peer)) => {
                    pause = PAUSE.0;
                    self.admit(tcp, peer);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    self.failed(&error, pause);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    fn admit(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let network = Network::of(peer.ip());
        if self.is_full() && self.make_room(Some(network)) == 0 {
            if let Some(refusal) = self.refuser.refuse(tcp) {
                self.lifecycle.listener_group().connections().spawn(refusal);
            }
            return;
        }
        // Without it a connection is only slower.
        let _ = tcp.set_nodelay(true);
        let registration = self.registry.enter(&self.listener, network);
        let service = RouterService {
            router: self.router.clone(),
            activity: registration.activity().clone(),
            lifecycle: self.lifecycle.clone(),
            peer,
            body_timeout: self.limits.body_timeout,
        };
        let admitted = Admitted {
            service,
            protocol: self.protocol.clone(),
            limits: self.limits.clone(),
            _registration: registration,
        };
        self.dispatch(tcp, admitted);
    }

    /// Gives a connection to the worker whose turn it is. No password is sent to a reserved listener,
    /// so what its connections free is not wiped, until one comes all the same.
    fn dispatch(&self, tcp: TcpStream, admitted: Admitted) {
        let connections = self.lifecycle.listener_group().connections();
        let Some(worker) = self.lifecycle.next_worker() else {
            if self.listener.is_reserved() {
                connections.spawn(spare_freed(admitted.serve(tcp)));
            } else {
                connections.spawn(admitted.serve(tcp));
            }
            return;
        };
        // A socket belongs to one runtime: ours lets go of it here, and the worker's registers it.
        // Where the system refuses, the connection is closed.
        let Ok(tcp) = tcp.into_std() else { return };
        let served = async move {
            if let Ok(tcp) = TcpStream::from_std(tcp) {
                admitted.serve(tcp).await;
            }
        };
        if self.listener.is_reserved() {
            connections.spawn_on(spare_freed(served), worker);
        } else {
            connections.spawn_on(served, worker);
        }
    }

    fn is_full(&self) -> bool {
        let remaining = self.registry.open().saturating_sub(self.registry.evicting());
        self.is_at_its_limit()
            || remaining >= self.files
            || self.registry.evicting() >= MAX_EVICTING
    }

    /// Whether it is this listener's own limit that is reached.
    fn is_at_its_limit(&self) -> bool {
        self.listener.open().saturating_sub(self.registry.evicting()) >= self.limits.connections
    }

    /// Evicts some connections for one of `network`, or of no network in particular. Returns how many.
    fn make_room(&mut self, network: Option<Network>) -> usize {
        let held = network.map_or(0, |network| self.registry.held(&self.listener, network));
        let is_hopeless = self
            .last_failed_scan
            .is_some_and(|(at, by)| by <= held && at.elapsed() < SCAN_INTERVAL);
        if is_hopeless || self.registry.evicting() >= MAX_EVICTING {
            return 0;
        }
        let count = self.limits.connections.min(self.files).div_ceil(32).min(MAX_EVICTING);
        let request = EvictionRequest { held, count, after: self.limits.evict_after };
        let freed = self.evict(request);
        if freed == 0 {
            self.last_failed_scan = Some((Instant::now(), held));
            self.warn();
        }
        freed
    }

    fn evict(&self, request: EvictionRequest) -> usize {
        let evict = |scope, request| self.registry.make_room(&self.listener, scope, request);
        if self.is_at_its_limit() {
            return evict(Scope::Listener, request);
        }
        // Listeners that may use all open files are not bounded by the shares of the others.
        let lesser = EvictionRequest { held: 0, ..request };
        let freed = if self.listener.is_reserved() { evict(Scope::Lesser, lesser) } else { 0 };
        if freed > 0 { freed } else { evict(Scope::Equals, request) }
    }

    fn warn(&mut self) {
        if self.last_warning.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            self.last_warning = Some(Instant::now());
            tracing::warn!(listener = self.name, "too many connections: some are refused");
        }
    }

    /// The system could not give a connection, most likely for want of open files.
    fn failed(&mut self, error: &io::Error, pause: Duration) {
        let freed = self.make_room(None);
        tracing::warn!(listener = self.name, %error, ?pause, freed, "cannot accept connections");
    }
}

/// Has the kernel drop the first packet of new handshakes, so that no client connects between our
/// last accept and the end of the socket: the kernel would reset such a connection, perhaps with its
/// request under way. A client whose packet is dropped sends it again and finds the port closed.
#[cfg(target_os = "linux")]
pub(crate) fn drop_new_handshakes(socket: &TcpListener) {
    use socket2::{SockFilter, SockRef};

    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    /// Where a TCP header has its flags, and the flag that begins a connection.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    let _ = SockRef::from(socket).attach_filter(&program);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn drop_new_handshakes(_: &TcpListener) {}

/// A connection to serve, and what counts it until its end.
struct Admitted {
    service: RouterService,
    protocol: Arc<http1::Builder>,
    limits: Arc<Limits>,
    _registration: Registration,
}

impl Admitted {
    async fn serve(self, tcp: TcpStream) {
        let stream = Stream::new(tcp, self.service.activity.clone(), self.limits.linger);
        connection::serve(&self.protocol, stream, self.service, self.limits).await;
    }
}

/// Whether an error belongs to the connection that was to be accepted, and not to the listener.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many of the process's connections there may be when another one is accepted: a quarter is
/// reserved for the listeners that may take all, so that many connections at the others cannot use them up.
const fn file_share(files: usize, all: bool) -> usize {
    if all { files } else { files - files / 4 }
}

/// How many connections the process's limit of open files leaves room for.
fn file_limit() -> usize {
    let files = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| max_files(&text));
    files.map_or(usize::MAX, |files| files.saturating_sub(OTHER_FILES).max(files / 2))
}

/// The soft limit in the text of `/proc/self/limits`; `None` where there is no limit.
fn max_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read_as_linux_writes_it() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(max_files(text), Some(1024));
        assert_eq!(max_files("Max open files  unlimited  unlimited  files"), None);
        assert_eq!(max_files(""), None);
    }
}
