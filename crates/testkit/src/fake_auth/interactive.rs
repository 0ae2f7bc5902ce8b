//! An auth service whose test receives each request and decides each reply.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{SESSION, json, read_request};

/// How long a test waits for something that must happen.
const SOON: Duration = Duration::from_secs(10);

/// A fake auth service. Dropped, it stops.
pub struct Service {
    /// Where it listens.
    pub url: String,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
    task: JoinSet<()>,
}

/// A request that has arrived and waits for its reply. Dropped, its connection is reset.
pub struct Exchange {
    /// Head and body of the request.
    pub request: String,
    answer: oneshot::Sender<String>,
}

impl Service {
    /// One on a port of its own.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (arrived, exchanges) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, arrived));
        Self { url, exchanges, task }
    }

    /// The next request that arrives.
    pub async fn next_exchange(&mut self) -> Exchange {
        timeout(SOON, self.exchanges.recv())
            .await
            .expect("a request arrives in time")
            .expect("it listens")
    }

    /// Whether no request has arrived that the test has not taken.
    pub fn is_idle(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Answers by itself from now on: each item with the verdict that `judge` gives it.
    pub fn judge_with(self, judge: impl Fn(&Value) -> String + Send + 'static) -> String {
        self.handle_with(move |exchange| exchange.judge(&judge))
    }

    /// Handles each request with `handle` from now on.
    pub fn handle_with(self, handle: impl Fn(Exchange) + Send + 'static) -> String {
        let Self { url, mut exchanges, task } = self;
        tokio::spawn(async move {
            let _listening = task;
            while let Some(exchange) = exchanges.recv().await {
                handle(exchange);
            }
        });
        url
    }
}

impl Exchange {
    fn body(&self) -> &str {
        self.request.split_once("\r\n\r\n").expect("it was read whole").1
    }

    /// Whether its head has this line.
    pub fn has_header(&self, line: &str) -> bool {
        self.request.split("\r\n").any(|header| header.eq_ignore_ascii_case(line))
    }

    /// The bytes of its body.
    pub fn size(&self) -> usize {
        self.body().len()
    }

    /// The items; one alone is the body itself.
    pub fn items(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(self.body()).expect("JSON");
        match body.get("tokens") {
            Some(items) => {
                let items = items.as_array().expect("a list").clone();
                assert!(items.len() > 1, "one alone needs no list");
                items
            }
            None => vec![body],
        }
    }

    /// The tokens in it.
    pub fn tokens(&self) -> Vec<String> {
        self.items().iter().map(token).collect()
    }

    /// Gives each item the verdict of `judge`.
    pub fn judge(self, judge: impl Fn(&Value) -> String) {
        let verdicts: Vec<_> = self.items().iter().map(judge).collect();
        if self.body().starts_with("{\"tokens\"") {
            self.results(&verdicts);
        } else {
            self.reply(&json(&verdicts[0]));
        }
    }

    /// Replies that each token is alive, with the token as the user's name.
    pub fn all_alive(self) {
        self.judge(|item| alive(&token(item)));
    }

    /// Answers with these verdicts.
    pub fn results(self, verdicts: &[String]) {
        self.reply(&json(&format!("{{\"results\":[{}]}}", verdicts.join(","))));
    }

    /// Answers with these bytes.
    pub fn reply(self, bytes: &str) {
        let _ = self.answer.send(bytes.to_owned());
    }

    /// Waits until the client has cancelled the request.
    pub async fn until_given_up(mut self) {
        timeout(SOON, self.answer.closed()).await.expect("the request is cancelled in time");
    }
}

/// The token of an item.
pub fn token(item: &Value) -> String {
    item["token"].as_str().expect("a token").to_owned()
}

/// The session that this token opens: its user's name is the token.
pub fn alive(token: &str) -> String {
    let mut session: Value = serde_json::from_str(SESSION).expect("JSON");
    session["user"]["username"] = token.into();
    format!("{{\"authenticated\":true,\"session\":{session}}}")
}

/// The verdict on a token that opens nothing.
pub fn dead(reason: &str) -> String {
    format!("{{\"authenticated\":false,\"reason\":\"{reason}\"}}")
}

async fn accept(listener: TcpListener, arrived: mpsc::UnboundedSender<Exchange>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, arrived.clone()));
    }
}

async fn converse(mut stream: TcpStream, arrived: mpsc::UnboundedSender<Exchange>) {
    while let Some(request) = read_request(&mut stream).await {
        let (answer, given) = oneshot::channel();
        if arrived.send(Exchange { request, answer }).is_err() {
            return;
        }
        let mut more = [0];
        tokio::select! {
            given = given => if let Ok(bytes) = given {
                stream.write_all(bytes.as_bytes()).await.unwrap_or_default();
            } else {
                stream.set_zero_linger().expect("a connection can be reset");
                return;
            },
            _ = stream.read(&mut more) => return,
        }
    }
}
