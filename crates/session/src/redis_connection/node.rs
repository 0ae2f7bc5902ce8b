//! One server: its connections, and pipelines of requests sent to it.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, Pipeline, RedisResult, ServerErrorKind, Value};
use tokio::sync::Semaphore;

use super::address::{Host, RedisAddress};
use super::connection::{Connector, ReconnectingConnection};
use super::script::Script;
use super::script_request::ScriptRequest;
use super::timeouts::REPLICA;
use super::{Reply, unreachable};
use crate::StoreError;

/// How many callers one server may be busy for, or be waited for by, at a time.
pub(super) const IN_FLIGHT: usize = 4096;

/// Where something must be stored before it counts as done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// On the server that carried it out.
    Primary,
    /// On a replica as well.
    Replica,
}

/// What a server replied to one request.
pub(super) enum NodeReply {
    Done(Value),
    Failed(StoreError),
    /// Not carried out: the server does not know the script.
    NoScript,
    /// Not carried out: the key is there.
    Moved(Host),
    /// Not carried out: the key may be there already.
    Ask(Host),
}

/// A server, with connections that are made anew after they broke.
pub(super) struct Node {
    host: Host,
    connection: ReconnectingConnection,
    /// Apart from the other: a connection that waits for a replica serves no other request meanwhile.
    replica_connection: ReconnectingConnection,
    in_flight: Semaphore,
    response_timeout: Duration,
}

/// How requests are written to a server.
#[derive(Clone, Copy)]
struct Delivery {
    durability: Durability,
    /// Whether each is for a server that does not have the key's slot yet.
    is_asking: bool,
    /// Whether the scripts go before them.
    loads_scripts: bool,
}

impl Node {
    /// Nothing is sent yet.
    pub(super) fn new(
        address: &RedisAddress,
        host: &Host,
        response_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(address, host)?);
        Ok(Self {
            host: host.clone(),
            connection: ReconnectingConnection::new(&connector),
            replica_connection: ReconnectingConnection::new(&connector),
            in_flight: Semaphore::new(IN_FLIGHT),
            response_timeout,
        })
    }

    /// How long a command may take here.
    pub(super) const fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// Sends all requests in one round trip, in their order; a reply for each.
    pub(super) async fn run<C>(&self, requests: &[C], durability: Durability) -> Vec<NodeReply>
    where
        C: Borrow<ScriptRequest> + Sync,
    {
        let exchange = async { Ok(self.exchange(requests, durability).await) };
        self.bounded(exchange).await.unwrap_or_else(|error| all_failed(requests, &error))
    }

    /// The same for requests that another server redirected here by `ASK`.
    pub(super) async fn run_asking<C>(
        &self,
        requests: &[C],
        durability: Durability,
    ) -> Vec<NodeReply>
    where
        C: Borrow<ScriptRequest> + Sync,
    {
        let delivery = Delivery { durability, is_asking: true, loads_scripts: false };
        let deliver = self.deliver(requests, delivery);
        self.bounded(deliver).await.unwrap_or_else(|error| all_failed(requests, &error))
    }

    /// The same as [`run`](Self::run) without its bound, for callers who passed it.
    pub(super) async fn exchange<C>(&self, requests: &[C], durability: Durability) -> Vec<NodeReply>
    where
        C: Borrow<ScriptRequest> + Sync,
    {
        let delivery = Delivery { durability, is_asking: false, loads_scripts: false };
        self.deliver(requests, delivery).await.unwrap_or_else(|error| all_failed(requests, &error))
    }

    /// Does work that counts as one in flight, within the time limit.
    ///
    /// INVARIANT: whatever is sent for a caller passes here once.
    ///
    /// # Errors
    ///
    /// Too many are in flight, the time is up, or the work failed.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(StoreError(format!("{IN_FLIGHT} commands in flight to {}", self.host)));
        };
        match tokio::time::timeout(self.response_timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError(format!("{} timed out", self.host))),
        }
    }

    /// Reconnects the connection that waits for replicas, if it broke while it was idle.
    pub(super) async fn reconnect(&self) -> Result<(), StoreError> {
        let mut ping = Pipeline::new();
        ping.ignore_errors().cmd("PING");
        self.bounded(self.replica_connection.exchange(&ping)).await.map(|_| ())
    }

    async fn deliver<C>(
        &self,
        requests: &[C],
        delivery: Delivery,
    ) -> Result<Vec<NodeReply>, StoreError>
    where
        C: Borrow<ScriptRequest> + Sync,
    {
        let mut replies = self.send(requests, delivery).await?;
        let unknown: Vec<usize> =
            (0..replies.len()).filter(|at| matches!(replies[*at], NodeReply::NoScript)).collect();
        if unknown.is_empty() {
            return Ok(replies);
        }
        let again: Vec<&ScriptRequest> = unknown.iter().map(|at| requests[*at].borrow()).collect();
        let delivery = Delivery { loads_scripts: true, ..delivery };
        let after = self.send(&again, delivery).await?;
        for (at, reply) in unknown.into_iter().zip(after) {
            replies[at] = reply;
        }
        Ok(replies)
    }

    /// One round trip.
    async fn send<C: Borrow<ScriptRequest>>(
        &self,
        requests: &[C],
        delivery: Delivery,
    ) -> Result<Vec<NodeReply>, StoreError> {
        let (pipeline, own) = pipeline_of(requests, delivery);
        let connection = match delivery.durability {
            Durability::Primary => &self.connection,
            Durability::Replica => &self.replica_connection,
        };
        let answers = connection.exchange(&pipeline).await?;
        if answers.iter().any(is_of_a_replica) {
            connection.renew();
        }
        let missed = delivery.durability == Durability::Replica && !is_on_replica(&answers);
        let mut replies = Vec::with_capacity(own.len());
        for (at, answer) in answers.into_iter().enumerate() {
            if own.binary_search(&at).is_ok() {
                replies.push(self.reply(answer, missed));
            }
        }
        Ok(replies)
    }

    fn reply(&self, answer: RedisResult<Value>, missed: bool) -> NodeReply {
        let error = match answer {
            Ok(_) if missed => {
                return NodeReply::Failed(StoreError(
                    "no replica has stored it in time".to_owned(),
                ));
            }
            Ok(value) => return NodeReply::Done(value),
            Err(error) => error,
        };
        let elsewhere = || {
            let (address, _) = error.redirect_node()?;
            match address.strip_prefix(':') {
                // The same host on another port.
                Some(port) => Some(Host(self.host.0.clone(), port.parse().ok()?)),
                None => Host::read(address),
            }
        };
        let failed = || NodeReply::Failed(StoreError(format!("{}: {error}", self.host)));
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => NodeReply::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => {
                elsewhere().map_or_else(failed, NodeReply::Moved)
            }
            ErrorKind::Server(ServerErrorKind::Ask) => {
                elsewhere().map_or_else(failed, NodeReply::Ask)
            }
            _ => failed(),
        }
    }
}

impl NodeReply {
    /// The reply of a server from which there is no other to go to.
    pub(super) fn settled(self) -> Reply {
        match self {
            Self::Done(value) => Ok(value),
            Self::Failed(error) => Err(error),
            Self::NoScript => {
                Err(StoreError("the server does not know a script that was just loaded".to_owned()))
            }
            Self::Moved(_) | Self::Ask(_) => Err(unreachable("the server that has the key")),
        }
    }
}

fn all_failed<C>(requests: &[C], error: &StoreError) -> Vec<NodeReply> {
    requests.iter().map(|_| NodeReply::Failed(error.clone())).collect()
}

/// The pipeline of the requests, and which of its commands are theirs.
fn pipeline_of<C: Borrow<ScriptRequest>>(
    requests: &[C],
    delivery: Delivery,
) -> (Pipeline, Vec<usize>) {
    let mut pipeline = Pipeline::with_capacity(requests.len() + 1);
    pipeline.ignore_errors();
    let mut own = Vec::with_capacity(requests.len());
    let mut written =
        if delivery.loads_scripts { load_scripts(&mut pipeline, requests) } else { 0 };
    for request in requests {
        if delivery.is_asking {
            pipeline.add_command(asking());
            written += 1;
        }
        pipeline.add_command(request.borrow().to_command());
        own.push(written);
        written += 1;
    }
    if let (Durability::Replica, Some(request)) = (delivery.durability, requests.first()) {
        if delivery.is_asking {
            pipeline.add_command(asking());
        }
        pipeline.add_command(request.borrow().fence());
        let timeout_ms = u64::try_from(REPLICA.as_millis()).unwrap_or(u64::MAX);
        pipeline.cmd("WAIT").arg(1).arg(timeout_ms);
    }
    (pipeline, own)
}

/// Has the next command be carried out for a slot that is being moved here.
fn asking() -> Cmd {
    redis::cmd("ASKING")
}

/// Whether the master that was there has become a replica. Its name may lead to another one now.
fn is_of_a_replica(answer: &RedisResult<Value>) -> bool {
    let read_only = ErrorKind::Server(ServerErrorKind::ReadOnly);
    answer.as_ref().is_err_and(|error| error.kind() == read_only)
}

/// Writes each script of the requests before them; how many those are.
fn load_scripts<C: Borrow<ScriptRequest>>(pipeline: &mut Pipeline, requests: &[C]) -> usize {
    let mut loaded: Vec<&Script> = Vec::new();
    for script in requests.iter().filter_map(|request| request.borrow().script()) {
        if !loaded.iter().any(|other| std::ptr::eq(*other, script)) {
            pipeline.add_command(script.load());
            loaded.push(script);
        }
    }
    loaded.len()
}

/// Whether the answers, which end with those to a fence and to `WAIT`, say that a replica has it.
fn is_on_replica(answers: &[RedisResult<Value>]) -> bool {
    matches!(answers, [.., Ok(_), Ok(Value::Int(replicas))] if *replicas > 0)
}
