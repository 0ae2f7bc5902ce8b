//! A server that does to its connections what a test wants, and counts what reaches it.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It serves.
    Serves,
    /// It ends in order as soon as it is there, before anything is asked.
    Ends,
    /// It ends after one answer, while nobody uses it.
    EndsAfterOne,
    /// It is reset after one answer, while nobody uses it.
    ResetAfterOne,
    /// It ends on the second request, which is not answered.
    EndsOnSecond,
    /// It ends in the middle of the second answer.
    EndsWithinSecond,
}

struct Server {
    connection: ReconnectingConnection,
    /// How many requests have reached it, those that set a connection up aside.
    requests: Arc<AtomicUsize>,
    /// How many connections have ended.
    ended: Arc<AtomicUsize>,
}

impl Server {
    async fn with(fates: &'static [Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("redis://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (requests, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, ends) = (Arc::clone(&requests), Arc::clone(&ended));
        tokio::spawn(async move {
            for fate in fates {
                let (stream, _) = listener.accept().await.unwrap();
                let (count, ends) = (Arc::clone(&count), Arc::clone(&ends));
                tokio::spawn(async move {
                    serve(stream, *fate, &count).await;
                    ends.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        let RedisAddress { hosts, .. } = &address;
        let connector = Arc::new(Connector::new(&address, &hosts[0]).unwrap());
        Self { connection: ReconnectingConnection::new(&connector), requests, ended }
    }

    async fn request(&self) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.ignore_errors().cmd("PING");
        let replies = self.connection.exchange(&pipeline).await?;
        assert!(matches!(replies[..], [Ok(_)]), "{replies:?}");
        Ok(())
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have ended on both sides.
    async fn has_ended(&self, count: usize) {
        let ended = async {
            let is_open = || {
                let attempt = self.connection.attempt.lock();
                let made = attempt.as_ref().and_then(Attempt::peek);
                matches!(made, Some(Ok(connection)) if connection.is_open())
            };
            while self.ended.load(Ordering::SeqCst) < count || is_open() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
    }
}

async fn serve(stream: TcpStream, fate: Fate, requests: &AtomicUsize) {
    let mut stream = BufReader::new(stream);
    let mut answered = 0;
    while let Some(command) = read(&mut stream).await {
        let is_setup = command != "PING";
        if !is_setup {
            requests.fetch_add(1, Ordering::SeqCst);
            match fate {
                Fate::EndsOnSecond if answered == 1 => return,
                Fate::EndsWithinSecond if answered == 1 => {
                    stream.write_all(b"+PO").await.unwrap();
                    return;
                }
                _ => answered += 1,
            }
        }
        stream.write_all(b"+OK\r\n").await.unwrap();
        match fate {
            Fate::Ends => return,
            Fate::EndsAfterOne if answered == 1 => return,
            Fate::ResetAfterOne if answered == 1 => {
                SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            _ => {}
        }
    }
}

/// The name of the next command.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let number = async |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        line.get(1..)?.trim().parse::<usize>().ok()
    };
    let mut words = Vec::new();
    for _ in 0..number(stream).await? {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
    }
    words.into_iter().next()
}

#[tokio::test]
async fn what_meets_a_connection_that_ended_unused_goes_out_on_a_new_one_once() {
    for fates in [
        &[Fate::EndsAfterOne, Fate::Serves],
        &[Fate::ResetAfterOne, Fate::Serves],
        &[Fate::EndsAfterOne, Fate::ResetAfterOne],
    ] {
        let server = Server::with(fates).await;
        server.request().await.unwrap();
        server.has_ended(1).await;
        server.request().await.unwrap();
        assert_eq!(server.requests(), 2, "{fates:?}");
    }
}

#[tokio::test]
async fn the_end_may_be_unread_when_the_next_request_comes() {
    // One thread: the server's end is in the socket, and nobody has looked at it yet.
    for fates in [&[Fate::EndsAfterOne, Fate::Serves], &[Fate::ResetAfterOne, Fate::Serves]] {
        for _ in 0..20 {
            let server = Server::with(fates).await;
            server.request().await.unwrap();
            while server.ended.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let answer = server.request().await;
            // Where it was written before the end was seen, it is a failure and not repeated.
            assert!(server.requests() <= 2, "{fates:?}");
            assert!(answer.is_ok() || server.requests() == 1, "{fates:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn many_that_meet_it_at_once_share_the_new_connection() {
    let server = Server::with(&[Fate::EndsAfterOne, Fate::Serves]).await;
    server.request().await.unwrap();
    server.has_ended(1).await;
    let all = (0..50).map(|_| server.request());
    for answer in futures_util::future::join_all(all).await {
        answer.unwrap();
    }
    assert_eq!(server.requests(), 51);
}

#[tokio::test]
async fn what_may_have_reached_the_server_is_not_sent_again() {
    for fates in [&[Fate::EndsOnSecond, Fate::Serves], &[Fate::EndsWithinSecond, Fate::Serves]] {
        let server = Server::with(fates).await;
        server.request().await.unwrap();
        server.request().await.unwrap_err();
        assert_eq!(server.requests(), 2, "{fates:?}");
        server.request().await.unwrap();
        assert_eq!(server.requests(), 3, "{fates:?}");
    }
}

#[tokio::test]
async fn the_first_request_after_failed_attempts_is_served() {
    let server = Server::with(&[Fate::Ends, Fate::Ends, Fate::Serves]).await;
    for _ in 0..2 {
        server.request().await.unwrap_err();
    }
    server.request().await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn no_server_there_is_an_error_at_once_and_no_lasting_one() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let address: RedisAddress = format!("redis://{at}").parse().unwrap();
    let connector = Arc::new(Connector::new(&address, &address.hosts[0]).unwrap());
    let connection = ReconnectingConnection::new(&connector);
    let mut pipeline = Pipeline::new();
    pipeline.ignore_errors().cmd("PING");
    for _ in 0..3 {
        connection.exchange(&pipeline).await.unwrap_err();
    }
    let listener = TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Fate::Serves, &AtomicUsize::new(0)).await;
    });
    connection.exchange(&pipeline).await.unwrap();
}
