//! The accept loop: who comes in, who is turned away, and what happens at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use wiping_alloc::spare_freed;

use super::eviction::Claim;
use super::network::Network;
use super::refuse::Refuser;
use super::registry::{Among, ListenerCount, Place, Registry};
use super::service::ToRouter;
use super::stream::Stream;
use super::{Limits, connection};
use crate::shutdown::Lifecycle;

/// The shortest and the longest pause after the system could not give a connection.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How long a connection that has begun may take to be established while we close.
const HANDSHAKE: Duration = Duration::from_millis(20);
/// How often connections that could end are looked for at most, once none was found.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many connections that were told to end may still be open; past it nobody comes in for them.
const MOST_LEAVING: usize = 64;
/// How often the log says that there are too many connections at most.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// Open files that are left for everything but connections.
const OTHER_FILES: usize = 128;

/// The accept loop of one listener.
pub(super) struct Accept {
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
    /// When nothing was found that could end, and for how large a network.
    last_look: Option<(Instant, usize)>,
    last_warning: Option<Instant>,
}

impl Accept {
    pub(super) fn new(
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
            files: share_of(files, limits.all_files),
            limits,
            router,
            lifecycle,
            registry,
            last_look: None,
            last_warning: None,
        }
    }

    /// Accepts until the listeners are to be closed, and a little longer for those who are about to
    /// be connected; then lets every connection know.
    pub(super) async fn run(mut self, socket: TcpListener) {
        let closing = self.lifecycle.doors().closing_token().clone();
        tokio::select! {
            () = self.accept(&socket) => {}
            () = closing.cancelled() => {}
        }
        close_the_door(&socket);
        let _ = tokio::time::timeout(HANDSHAKE, self.accept(&socket)).await;
        drop(socket);
        self.registry.wake_all(&self.listener);
    }

    /// Accepts for ever.
    async fn accept(&mut self, socket: &TcpListener) {
        let mut pause = PAUSE.0;
        loop {
            match socket.accept().await {
                Ok((tcp, peer)) => {
                    pause = PAUSE.0;
                    self.admit(tcp, peer);
                }
                Err(error) if of_the_client(&error) => {}
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
                self.lifecycle.doors().connections().spawn(refusal);
            }
            return;
        }
        // It costs latency only.
        let _ = tcp.set_nodelay(true);
        let place = self.registry.enter(&self.listener, network);
        let service = ToRouter {
            router: self.router.clone(),
            activity: place.activity().clone(),
            lifecycle: self.lifecycle.clone(),
            peer,
            body_timeout: self.limits.body_timeout,
        };
        let admitted = Admitted {
            service,
            protocol: self.protocol.clone(),
            limits: self.limits.clone(),
            _place: place,
        };
        self.hand_over(tcp, admitted);
    }

    /// Gives a connection to the thread whose turn it is. People, who may send passwords, do not come
    /// to a reserved listener.
    fn hand_over(&self, tcp: TcpStream, admitted: Admitted) {
        let connections = self.lifecycle.doors().connections();
        let Some(worker) = self.lifecycle.next_worker() else {
            if self.listener.is_reserved() {
                connections.spawn(spare_freed(admitted.serve(tcp)));
            } else {
                connections.spawn(admitted.serve(tcp));
            }
            return;
        };
        // From our runtime's hands to the worker's; where the system refuses, it is closed.
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
        let staying = self.registry.open().saturating_sub(self.registry.leaving());
        self.is_full_itself() || staying >= self.files || self.registry.leaving() >= MOST_LEAVING
    }

    /// Whether it is this listener's own limit that is reached.
    fn is_full_itself(&self) -> bool {
        self.listener.open().saturating_sub(self.registry.leaving()) >= self.limits.connections
    }

    /// Ends some connections for one of `network`, or of no network in particular. Returns how many.
    fn make_room(&mut self, network: Option<Network>) -> usize {
        let held = network.map_or(0, |network| self.registry.held(&self.listener, network));
        let in_vain =
            self.last_look.is_some_and(|(at, by)| by <= held && at.elapsed() < LOOK_EVERY);
        if in_vain || self.registry.leaving() >= MOST_LEAVING {
            return 0;
        }
        let count = self.limits.connections.min(self.files).div_ceil(32).min(MOST_LEAVING);
        let claim = Claim { held, count, after: self.limits.yield_after };
        let freed = self.end_some(claim);
        if freed == 0 {
            self.last_look = Some((Instant::now(), held));
            self.warn();
        }
        freed
    }

    fn end_some(&self, claim: Claim) -> usize {
        let end = |among, claim| self.registry.make_room(&self.listener, among, claim);
        if self.is_full_itself() {
            return end(Among::Listener, claim);
        }
        // Whoever has a right to all open files has it against any share of the others.
        let lesser = Claim { held: 0, ..claim };
        let freed = if self.listener.is_reserved() { end(Among::Lesser, lesser) } else { 0 };
        if freed > 0 { freed } else { end(Among::Equals, claim) }
    }

    fn warn(&mut self) {
        if self.last_warning.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            self.last_warning = Some(Instant::now());
            tracing::warn!(listener = self.name, "too many connections: some are turned away");
        }
    }

    /// The system had no connection to give, most likely for want of files.
    fn failed(&mut self, error: &io::Error, pause: Duration) {
        let freed = self.make_room(None);
        tracing::warn!(listener = self.name, %error, ?pause, freed, "cannot accept connections");
    }
}

/// Has the system ignore those who only now begin to connect, so that nobody connects between our
/// last accept and the end of the socket: whoever does is reset with the request under way. Where
/// the system cannot do that, they are.
#[cfg(target_os = "linux")]
fn close_the_door(socket: &TcpListener) {
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
fn close_the_door(_: &TcpListener) {}

/// A connection that was let in, and what it counts in until its end.
struct Admitted {
    service: ToRouter,
    protocol: Arc<http1::Builder>,
    limits: Arc<Limits>,
    _place: Place,
}

impl Admitted {
    async fn serve(self, tcp: TcpStream) {
        let stream = Stream::new(tcp, self.service.activity.clone(), self.limits.linger);
        connection::serve(&self.protocol, stream, self.service, self.limits).await;
    }
}

/// Whether an error is of the connection that was to be accepted, not of us.
fn of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many of the process's connections there may be when another one comes in: a quarter is left
/// to the listeners that may take all, so that a crowd at the others does not shut them.
const fn share_of(files: usize, all: bool) -> usize {
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
