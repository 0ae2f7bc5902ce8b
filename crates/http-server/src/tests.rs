//! The accept loop and its connections, over real sockets. Limits are short, and nothing waits for
//! longer than it has to.

mod client;
mod crowd;
mod drain;
mod handed_over;
mod limits;
mod malformed;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::sync::Semaphore;

use super::*;
use client::Client;

/// More than the systems of both sides hold of an answer that nobody reads.
const LONG_ANSWER: usize = 8 * 1024 * 1024;

/// Where a handler waits until the test lets it go on.
#[derive(Clone)]
struct Gate {
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

/// A server of the test's own, on a free port.
struct Server {
    addr: SocketAddr,
    life: Lifecycle,
    gate: Gate,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_with(limits, Lifecycle::new(Duration::ZERO)).await
    }

    async fn start_with(limits: Limits, life: Lifecycle) -> Self {
        let gate = Gate::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind("test", any).await.unwrap().with_limits(limits);
        let addr = listener.local_addr();
        listener.serve(router(gate.clone()), &life);
        Self { addr, life, gate }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.addr).await.unwrap()
    }

    async fn connect_from(&self, last: u8) -> Client {
        Client::connect_from(last, self.addr).await.unwrap()
    }

    /// A client whose request has reached the gate.
    async fn at_the_gate(&self) -> Client {
        let mut client = self.connect().await;
        client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        self.gate.reached.acquire().await.unwrap().forget();
        client
    }

    async fn is_fine(&self) {
        assert_eq!(self.connect().await.get("/ok").await.body, "ok");
    }
}

fn router(gate: Gate) -> Router {
    let read = async |body: Result<Bytes, axum::extract::rejection::BytesRejection>| match body {
        Ok(body) => (StatusCode::OK, body.len().to_string()),
        Err(error) if BodyTimedOut::caused(&error) => {
            (StatusCode::REQUEST_TIMEOUT, "too slow".to_owned())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let wait = async move || {
        gate.pass().await;
        "waited"
    };
    Router::new()
        .route("/ok", get("ok"))
        .route("/long", get(async || "x".repeat(LONG_ANSWER)))
        .route("/wait", get(wait))
        .route("/read", post(read))
        .route("/thread", get(async || std::thread::current().name().unwrap().to_owned()))
        .route("/panic", get(async || -> () { panic!("on purpose") }))
        .route("/early", post((StatusCode::FORBIDDEN, "no")))
        .route(
            "/peer",
            get(async |Extension(info): Extension<RequestInfo>| info.peer.unwrap().to_string()),
        )
}

#[tokio::test]
async fn a_connection_carries_one_request_after_the_other() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        let answer = client.get("/ok").await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
        assert!(!answer.closes());
    }
    assert_eq!(client.get("/peer").await.body, client.local_addr().to_string());
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    let body = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let ok = "GET /ok HTTP/1.1\r\nhost: x\r\n\r\n";
    client.send(&format!("{ok}{body}{ok}")).await;
    for expected in ["ok", "3", "ok"] {
        assert_eq!(client.answer().await.unwrap().body, expected);
    }
}

#[tokio::test]
async fn a_small_body_that_nobody_read_does_not_cost_the_connection() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n").await;
        client.send(&"x".repeat(20_000)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 403);
        assert!(!answer.closes());
    }
    assert_eq!(client.get("/ok").await.body, "ok");
}

#[tokio::test]
async fn an_answer_that_comes_before_a_long_body_ends_reaches_the_client() {
    let server = Server::start(Limits::default()).await;
    for _ in 0..20 {
        let mut client = server.connect().await;
        client.send("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n").await;
        client.send(&"x".repeat(200_000)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 403);
        assert!(answer.closes());
        client.is_closed_cleanly().await;
    }
}

#[tokio::test]
async fn what_a_client_still_sends_after_its_answer_is_taken_for_a_while() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    // A socket that was just closed would answer the first of these with a reset.
    for _ in 0..20 {
        client.try_send(&"x".repeat(1000)).await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_answered_before_it_sends_a_body() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    let head =
        "POST /read HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send("ab").await;
    assert_eq!(client.answer().await.unwrap().body, "2");
}

#[tokio::test]
async fn an_address_in_use_is_one_line_that_says_which() {
    let server = Server::start(Limits::default()).await;
    let error = Listener::bind("public", server.addr).await.unwrap_err().to_string();
    let expected = format!("cannot listen on {} (public): the address is in use", server.addr);
    assert_eq!(error, expected);
}
