//! An auth service that does the same to every request, until the test sets another act.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::{SESSION, json, read_request};

/// What the upstream does once it has read a request.
#[derive(Clone)]
pub enum Act {
    /// Writes these bytes and waits for the next request.
    Reply(String),
    /// Writes these bytes and ends the connection.
    ReplyAndClose(String),
    /// Writes these bytes one by one, slowly.
    Drip(String),
    /// Ends the connection with a reset.
    Reset,
    /// Never answers.
    Hang,
}

/// A fake auth service. Dropped, it stops.
pub struct Upstream {
    /// Where it listens.
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    act: Arc<Mutex<Act>>,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    /// One on a port of its own.
    pub async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, act)
    }

    /// One on this listener.
    pub fn on(listener: TcpListener, act: Act) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let act = Arc::new(Mutex::new(act));
        let task = tokio::spawn(accept(listener, Arc::clone(&requests), Arc::clone(&act)));
        Self { url, requests, act, task }
    }

    /// Does this to all requests that arrive from now on.
    pub fn set_act(&self, act: Act) {
        *self.act.lock() = act;
    }

    /// The requests that arrived and held `needle`, head and body.
    pub fn requests_with(&self, needle: &str) -> Vec<String> {
        self.requests.lock().iter().filter(|request| request.contains(needle)).cloned().collect()
    }

    /// How many requests arrived and held `needle`.
    pub fn count(&self, needle: &str) -> usize {
        self.requests_with(needle).len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An upstream on whose port nothing listens any more.
pub async fn unreachable() -> Upstream {
    let upstream = Upstream::start(Act::Hang).await;
    upstream.task.abort();
    while !upstream.task.is_finished() {
        tokio::task::yield_now().await;
    }
    upstream
}

type Requests = Arc<Mutex<Vec<String>>>;

async fn accept(listener: TcpListener, requests: Requests, act: Arc<Mutex<Act>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&requests), Arc::clone(&act)));
    }
}

async fn converse(mut stream: TcpStream, requests: Requests, act: Arc<Mutex<Act>>) {
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().push(request);
        let act = act.lock().clone();
        let written = match act {
            Act::Reply(bytes) => stream.write_all(bytes.as_bytes()).await,
            Act::ReplyAndClose(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Act::Drip(bytes) => drip(&mut stream, &bytes).await,
            Act::Reset => {
                stream.set_zero_linger().expect("a connection can be reset");
                return;
            }
            Act::Hang => std::future::pending().await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &str) -> std::io::Result<()> {
    for byte in bytes.as_bytes() {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Replies that the token is alive.
pub fn yes() -> Act {
    Act::Reply(json(&format!(r#"{{"authenticated":true,"session":{SESSION}}}"#)))
}

/// Replies that the token is dead.
pub fn no(reason: &str) -> Act {
    Act::Reply(json(&format!(r#"{{"authenticated":false,"reason":"{reason}"}}"#)))
}
