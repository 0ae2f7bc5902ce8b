//! Draining: every client that managed to send a request gets an answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::*;

const LONG: Duration = Duration::from_mins(10);

/// Nothing ends by itself.
pub(super) fn patient() -> Limits {
    Limits {
        head_timeout: LONG,
        idle_timeout: LONG,
        first_request_grace: LONG,
        ..Limits::default()
    }
}

/// A life from the drain's request to its end.
pub(super) async fn run(life: &Lifecycle) {
    life.drain_requested().await;
    life.drained().await;
}

pub(super) fn spawn_run(life: &Lifecycle) -> JoinHandle<()> {
    let life = life.clone();
    TaskTracker::new().spawn(async move { run(&life).await })
}

#[tokio::test]
async fn every_answer_in_the_drain_announces_the_end_of_its_connection() {
    let server = Server::start_with(Limits::default(), Lifecycle::new(LONG)).await;
    let mut old = server.connect().await;
    assert!(!old.get("/ok").await.closes());
    let _running = spawn_run(&server.life);
    server.life.drain();
    assert!(old.get("/ok").await.closes());
    old.is_closed().await;
    assert!(server.connect().await.get("/ok").await.closes());
}

#[tokio::test]
async fn what_is_in_flight_finishes_after_the_listener_is_closed() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.at_the_gate().await;
    let running = spawn_run(&server.life);
    server.life.drain();
    server.life.listener_group().closing_token().cancelled().await;
    while Client::connect(server.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.gate.open.add_permits(1);
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.body, "waited");
    assert!(answer.closes());
    running.await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let server =
        Server::start_with(patient(), Lifecycle::with_deadline(Duration::ZERO, LONG)).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/ok").await.body, "ok");
        idle.push(client);
    }
    let running = spawn_run(&server.life);
    server.life.drain();
    for client in &mut idle {
        client.is_closed().await;
    }
    drop(idle);
    running.await.unwrap();
}

/// One connection without an accept loop, on a thread that the test shares with it: between two
/// points at which the test waits, nothing happens.
struct Alone {
    client: std::net::TcpStream,
    registry: Arc<registry::Registry>,
    listener: Arc<registry::ListenerCount>,
    life: Lifecycle,
}

impl Alone {
    fn new(limits: Limits) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, peer) = listener.accept().unwrap();
        tcp.set_nonblocking(true).unwrap();
        let tcp = tokio::net::TcpStream::from_std(tcp).unwrap();
        let registry: Arc<registry::Registry> = Arc::default();
        let life = Lifecycle::new(LONG);
        let counted = registry.listener(false);
        let registration = registry.enter(&counted, network::Network::of(peer.ip()));
        let activity = registration.activity().clone();
        let stream = stream::Stream::new(tcp, activity.clone(), limits.linger);
        let service = service::RouterService {
            router: router(Gate::new()),
            activity,
            lifecycle: life.clone(),
            peer,
            body_timeout: limits.body_timeout,
        };
        TaskTracker::new().spawn(async move {
            let _registration = registration;
            let protocol = connection::protocol(&limits);
            connection::serve(&protocol, stream, service, Arc::new(limits)).await;
        });
        Self { client, registry, listener: counted, life }
    }

    fn send(&mut self) {
        use std::io::Write as _;
        self.client.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }

    /// Waits for an answer, or for the end.
    async fn read(&self) -> String {
        use std::io::Read as _;
        let mut client = self.client.try_clone().unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = [0; 1024];
            let count = client.read(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        read.await.unwrap()
    }

    fn close(&self) {
        self.life.drain();
        self.life.listener_group().close();
        self.registry.wake_all(&self.listener);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_that_the_runtime_has_not_heard_of_is_answered() {
    let mut alone = Alone::new(patient());
    alone.send();
    assert!(alone.read().await.ends_with("ok"));
    alone.send();
    alone.close();
    let answer = alone.read().await;
    assert!(answer.contains("connection: close") && answer.ends_with("ok"), "{answer}");
    assert_eq!(alone.read().await, "");
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_made_just_before_the_end_may_still_send_its_request() {
    let mut alone = Alone::new(patient());
    tokio::task::yield_now().await;
    alone.close();
    tokio::task::yield_now().await;
    alone.send();
    assert!(alone.read().await.ends_with("ok"));
    assert_eq!(alone.read().await, "");
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_sends_none_is_ended_a_little_later() {
    let alone = Alone::new(Limits { first_request_grace: Duration::from_millis(50), ..patient() });
    tokio::task::yield_now().await;
    alone.close();
    assert_eq!(alone.read().await, "");
}

#[tokio::test]
async fn a_head_on_its_way_at_the_end_is_waited_for() {
    let server =
        Server::start_with(Limits::default(), Lifecycle::with_deadline(Duration::ZERO, LONG)).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/ok").await.body, "ok");
    client.send("GET /ok HTTP/1.1\r\n").await;
    let running = spawn_run(&server.life);
    server.life.drain();
    server.life.listener_group().closing_token().cancelled().await;
    client.send("host: x\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().body, "ok");
    running.await.unwrap();
}

#[tokio::test]
async fn what_others_depend_on_serves_until_they_are_done() {
    let life = Lifecycle::with_deadline(Duration::ZERO, LONG);
    let server = Server::start_with(Limits::default(), life.clone()).await;
    let draining_server = Server::start_with(Limits::default(), life.closing_last()).await;
    let mut client = server.at_the_gate().await;
    let running = spawn_run(&life);
    life.drain();
    life.listener_group().closing_token().cancelled().await;
    while Client::connect(server.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    draining_server.is_fine().await;
    assert!(!life.closing_last().listener_group().is_closing());
    server.gate.open.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "waited");
    running.await.unwrap();
    assert!(Client::connect(draining_server.addr).await.is_err());
}

#[tokio::test]
async fn what_others_depend_on_has_a_moment_of_its_own_where_they_took_all_the_time() {
    let life = Lifecycle::with_deadline(Duration::ZERO, Duration::from_millis(30));
    let server = Server::start_with(Limits::default(), life.clone()).await;
    let draining_server = Server::start_with(Limits::default(), life.closing_last()).await;
    let (_stuck, mut client) = (server.at_the_gate().await, draining_server.at_the_gate().await);
    let running = spawn_run(&life);
    life.drain();
    life.closing_last().listener_group().closing_token().cancelled().await;
    draining_server.gate.open.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "waited");
    running.await.unwrap();
}

/// Connects, unless nobody is taken any more. The system ignores those who come too late, for a
/// second: they need not wait for it.
async fn connect(addr: SocketAddr, life: &Lifecycle) -> Option<Client> {
    loop {
        let connecting = Client::connect(addr);
        match tokio::time::timeout(Duration::from_millis(100), connecting).await {
            Ok(connected) => return connected.ok(),
            Err(_) if life.listener_group().is_closing() => return None,
            Err(_) => {}
        }
    }
}

/// Sends requests until the listener is closed; counts those that got no answer.
async fn load(addr: SocketAddr, life: Lifecycle, answered: Arc<AtomicUsize>) -> usize {
    let mut failed = 0;
    while let Some(mut client) = connect(addr, &life).await {
        loop {
            let Some(answer) = client.try_get("/ok").await else {
                failed += 1;
                break;
            };
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.closes() {
                break;
            }
        }
    }
    failed
}

/// Drains a server of this life under the load of so many clients; says how many requests got no
/// answer.
pub(super) async fn load_until_the_end(life: Lifecycle, clients: usize) -> usize {
    let server = Server::start_with(Limits::default(), life).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..clients)
        .map(|_| TaskTracker::new().spawn(load(server.addr, server.life.clone(), answered.clone())))
        .collect();
    while answered.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    server.life.drain();
    run(&server.life).await;
    let mut failed = 0;
    for client in clients {
        failed += client.await.unwrap();
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_in_a_drain_under_load() {
    for round in 0..3 {
        let life = Lifecycle::new(Duration::from_millis(200));
        assert_eq!(load_until_the_end(life, 16).await, 0, "round {round}");
    }
}

/// Connects and sends a request until it is refused. Returns how many connections were made and then
/// closed without an answer.
fn connect_until_refused(addr: SocketAddr) -> usize {
    use std::io::{Read as _, Write as _};
    let mut unanswered = 0;
    while let Ok(mut tcp) = std::net::TcpStream::connect_timeout(&addr, HANDSHAKE) {
        let mut first = [0];
        let sent = tcp.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        unanswered += usize::from(sent.and_then(|()| tcp.read_exact(&mut first)).is_err());
    }
    unanswered
}

/// More than a handshake takes here, and less than the second after which a client tries it again.
const HANDSHAKE: Duration = Duration::from_millis(100);

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_that_is_about_to_close_completes_no_new_handshake_and_keeps_what_it_accepted() {
    use std::io::{Read as _, Write as _};
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = socket.local_addr().unwrap();
    let mut client = std::net::TcpStream::connect_timeout(&addr, HANDSHAKE).unwrap();
    accept::drop_new_handshakes(&socket);
    let error = std::net::TcpStream::connect_timeout(&addr, HANDSHAKE).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let mut accepted = socket.accept().await.unwrap().0.into_std().unwrap();
    accepted.set_nonblocking(false).unwrap();
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    accepted.read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"x");
}

/// `cargo test --package http-server --lib reset_when -- --ignored`: without the filter of new
/// handshakes it failed in three runs of three, with 6 to 28 connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes half a minute to meet the moment reliably"]
async fn no_client_whose_handshake_was_completed_is_reset_when_the_listener_closes() {
    let mut unanswered = 0;
    for _ in 0..200 {
        let server = Server::start(patient()).await;
        let addr = server.addr;
        let clients: Vec<_> = (0..24)
            .map(|_| tokio::task::spawn_blocking(move || connect_until_refused(addr)))
            .collect();
        assert_eq!(server.connect().await.get("/ok").await.body, "ok");
        let running = spawn_run(&server.life);
        server.life.drain();
        for client in clients {
            unanswered += client.await.unwrap();
        }
        running.await.unwrap();
    }
    assert_eq!(unanswered, 0, "connections without an answer, in 200 ends");
}
