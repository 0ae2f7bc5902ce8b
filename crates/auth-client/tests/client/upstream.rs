//! An auth service on a raw socket, so that it can break HTTP's rules.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the upstream does once it has read a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Writes these bytes and waits for the next request.
    Say(String),
    /// Writes these bytes and ends the connection.
    SayAndClose(String),
    /// Writes these bytes one by one, slowly.
    Drip(String),
    /// Ends the connection with a reset.
    Reset,
    /// Never answers.
    Hang,
}

pub(crate) struct Upstream {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    act: Arc<Mutex<Act>>,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn that(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, act)
    }

    pub(crate) fn on(listener: TcpListener, act: Act) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let act = Arc::new(Mutex::new(act));
        let task = tokio::spawn(accept(listener, Arc::clone(&requests), Arc::clone(&act)));
        Self { url, requests, act, task }
    }

    pub(crate) fn goes_on_with(&self, act: Act) {
        *self.act.lock() = act;
    }

    /// The requests that arrived and held `needle`, head and body.
    pub(crate) fn requests_with(&self, needle: &str) -> Vec<String> {
        self.requests.lock().iter().filter(|request| request.contains(needle)).cloned().collect()
    }

    pub(crate) fn count(&self, needle: &str) -> usize {
        self.requests_with(needle).len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> Upstream {
    let upstream = Upstream::that(Act::Hang).await;
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
            Act::Say(bytes) => stream.write_all(bytes.as_bytes()).await,
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Act::Drip(bytes) => drip(&mut stream, &bytes).await,
            Act::Reset => {
                stream.set_zero_linger().unwrap();
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

pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

pub(crate) const SESSION: &str = r#"{"id":"01935a3e-0000-7000-8000-000000000000","kind":"sliding","transport":"bearer",
"user":{"id":"01935a3e-0000-7000-8000-000000000001","username":"ann@example.com","roles":["admin","user"]},
"role":"admin","name":null,"created_at":"2026-11-20T12:00:00.000Z","last_used_at":"2026-11-20T12:00:07.120Z",
"expires_at":"2026-11-20T12:00:37.120Z","expires_in":30,"absolute_expires_at":"2026-11-21T00:00:00.000Z",
"refresh_count":3,"ip":null,"user_agent":null,"an_unknown_field":[]}"#;

pub(crate) fn http(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn json(body: &str) -> String {
    http("200 OK", "application/json", body)
}

pub(crate) fn yes() -> Act {
    Act::Say(json(&format!(r#"{{"authenticated":true,"session":{SESSION}}}"#)))
}

pub(crate) fn no(reason: &str) -> Act {
    Act::Say(json(&format!(r#"{{"authenticated":false,"reason":"{reason}"}}"#)))
}
