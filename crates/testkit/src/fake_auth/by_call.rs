//! An auth service whose every answer is given by the test, call by call.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{SESSION, json, read_request};

/// So long a test waits for what has to come.
const SOON: Duration = Duration::from_secs(10);

/// It, until it is dropped.
pub struct Service {
    /// Where it listens.
    pub url: String,
    calls: mpsc::UnboundedReceiver<Call>,
    task: JoinSet<()>,
}

/// A call that has arrived and waits for its answer. Dropped, its connection is reset.
pub struct Call {
    /// Head and body.
    pub request: String,
    answer: oneshot::Sender<String>,
}

impl Service {
    /// One on a port of its own.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (arrived, calls) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, arrived));
        Self { url, calls, task }
    }

    /// The next call.
    pub async fn call(&mut self) -> Call {
        timeout(SOON, self.calls.recv()).await.expect("no call comes").expect("it listens")
    }

    /// Whether no call has come that was not taken.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    /// Answers by itself from now on: each item with the verdict that `judge` gives it.
    pub fn judges(self, judge: impl Fn(&Value) -> String + Send + 'static) -> String {
        self.deals(move |call| call.judge(&judge))
    }

    /// Deals with each call by itself from now on.
    pub fn deals(self, deal: impl Fn(Call) + Send + 'static) -> String {
        let Self { url, mut calls, task } = self;
        tokio::spawn(async move {
            let _listening = task;
            while let Some(call) = calls.recv().await {
                deal(call);
            }
        });
        url
    }
}

impl Call {
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

    /// The tokens that it asks about.
    pub fn tokens(&self) -> Vec<String> {
        self.items().iter().map(token).collect()
    }

    /// Gives each item the verdict of `judge`.
    pub fn judge(self, judge: impl Fn(&Value) -> String) {
        let verdicts: Vec<_> = self.items().iter().map(judge).collect();
        if self.body().starts_with("{\"tokens\"") {
            self.results(&verdicts);
        } else {
            self.say(&json(&verdicts[0]));
        }
    }

    /// Says that each token is alive, and names it.
    pub fn all_alive(self) {
        self.judge(|item| alive(&token(item)));
    }

    /// Answers with these verdicts.
    pub fn results(self, verdicts: &[String]) {
        self.say(&json(&format!("{{\"results\":[{}]}}", verdicts.join(","))));
    }

    /// Answers with these bytes.
    pub fn say(self, bytes: &str) {
        let _ = self.answer.send(bytes.to_owned());
    }

    /// Waits until the client has given the call up.
    pub async fn until_given_up(mut self) {
        timeout(SOON, self.answer.closed()).await.expect("the call goes on");
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

async fn accept(listener: TcpListener, arrived: mpsc::UnboundedSender<Call>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, arrived.clone()));
    }
}

async fn converse(mut stream: TcpStream, arrived: mpsc::UnboundedSender<Call>) {
    while let Some(request) = read_request(&mut stream).await {
        let (answer, given) = oneshot::channel();
        if arrived.send(Call { request, answer }).is_err() {
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
