//! The connection to a Redis or Valkey, a single one or a cluster: what is sent, how long it is
//! waited for, and what a missing reply means. What the commands are about is not known here.
//!
//! INVARIANT: a command that may have been carried out is never sent again. Sent again is only what
//! a server refused unseen: a script that it does not know, a key that is elsewhere.
//! INVARIANT: nothing waits for long, and the number of those who wait is bounded.

mod address;
mod batched;
mod cluster;
mod connection;
mod node;
mod script;
mod script_reply;
mod script_request;
mod slots;
mod stream;
mod timeouts;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use redis::Value;

pub use address::{InvalidRedisAddress, RedisAddress};
pub(crate) use script::{Script, digest_of, script};
pub(crate) use script_reply::ScriptReply;
pub(crate) use script_request::{Common, ScriptBatch, ScriptRequest};

use self::batched::{BatchedNode, KEYS_PER_REQUEST};
use self::cluster::Cluster;
use self::node::{Durability, Node, NodeReply};
use self::timeouts::RESPONSE;
use crate::StoreError;

/// The reply to one request.
pub(crate) type Reply = Result<Value, StoreError>;

/// A connection to one Redis, or to all servers of a cluster: a cheap handle.
#[derive(Clone)]
pub struct RedisConnection {
    target: Arc<Target>,
    wait_for_replica: bool,
}

enum Target {
    Single(Box<BatchedNode>),
    Cluster(Box<Cluster>),
}

/// What is demanded of the servers.
#[derive(Clone, Copy, Debug)]
pub struct RedisOptions {
    /// Whether a revocation counts only once a replica has stored it, too; by default it does not
    /// have to.
    pub wait_for_replica: bool,
    /// How long a command may take, with whatever it waits for before it is sent; by default 480 ms.
    pub response_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { wait_for_replica: false, response_timeout: RESPONSE }
    }
}

impl RedisConnection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Where no server answers there, or it refuses us.
    pub async fn open(
        address: RedisAddress,
        options: RedisOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        if address.is_encrypted() {
            // Fails where a provider was chosen before, and then that one serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let target = if address.is_cluster {
            Target::Cluster(Box::new(
                Cluster::open(address, options.response_timeout, clock).await?,
            ))
        } else {
            let host =
                address.hosts.first().ok_or_else(|| unreachable("a server without a name"))?;
            Target::Single(Box::new(BatchedNode::new(Node::new(
                &address,
                host,
                options.response_timeout,
            )?)))
        };
        let opened = Self { target: Arc::new(target), wait_for_replica: options.wait_for_replica };
        opened.ping().await?;
        Ok(opened)
    }

    /// What the operator should know: settings of the servers that may lose sessions.
    pub async fn warnings(&self) -> Vec<String> {
        let infos = self.run_on_all(|| ScriptRequest::command("INFO", b"everything")).await;
        warnings::warnings(infos.iter().flatten(), self.wait_for_replica)
    }

    /// Whether one server answers at least: the others may be replaced at this moment.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let mut replies = self.run_on_all(|| ScriptRequest::command("PING", b"")).await;
        if replies.iter().any(Result::is_ok) {
            return Ok(());
        }
        only(std::mem::take(&mut replies)).map(|_| ())
    }

    /// Checks each connection, and reconnects those that broke while they were idle.
    pub(crate) async fn reconnect(&self) -> Result<(), StoreError> {
        if self.wait_for_replica {
            match &*self.target {
                Target::Single(server) => server.node().reconnect().await?,
                Target::Cluster(cluster) => cluster.reconnect().await,
            }
        }
        self.ping().await
    }

    /// Sends all requests at once, in their order on each server; a reply for each.
    pub(crate) async fn run(&self, requests: &[ScriptRequest]) -> Vec<Reply> {
        self.run_until(Durability::Primary, requests).await
    }

    /// The same for what must not come undone: if so demanded, it has succeeded only once a replica
    /// has stored it, and whatever was done there before.
    pub(crate) async fn run_durably(&self, requests: &[ScriptRequest]) -> Vec<Reply> {
        let replica = self.wait_for_replica;
        self.run_until(if replica { Durability::Replica } else { Durability::Primary }, requests)
            .await
    }

    /// Sends one request.
    pub(crate) async fn run_one(&self, request: ScriptRequest) -> Reply {
        only(self.run(&[request]).await)
    }

    /// Sends one request, whose outcome must not come undone.
    pub(crate) async fn run_one_durably(&self, request: ScriptRequest) -> Reply {
        only(self.run_durably(&[request]).await)
    }

    /// An empty batch for a script that works on each of many keys for itself. In a cluster the keys
    /// are in different slots, and each needs a request of its own.
    pub(crate) fn batch(&self, script: &'static Script) -> ScriptBatch {
        let keys_per_request = match &*self.target {
            Target::Single(_) => KEYS_PER_REQUEST,
            Target::Cluster(_) => 1,
        };
        ScriptBatch::new(script, keys_per_request)
    }

    /// Sends a batch, in one round trip with those of other callers; the reply about each key, in
    /// their order.
    pub(crate) async fn run_batch(
        &self,
        batch: ScriptBatch,
    ) -> Vec<Result<ScriptReply, StoreError>> {
        match &*self.target {
            Target::Single(server) => server.run(batch).await,
            Target::Cluster(cluster) => {
                let replies = cluster.run(&batch.into_requests(), Durability::Primary).await;
                replies.into_iter().flat_map(|reply| ScriptReply::split(reply, 1)).collect()
            }
        }
    }

    /// Whether it is a cluster, where keys of different names are in different slots.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(*self.target, Target::Cluster(_))
    }

    /// Whether replicas are waited for.
    pub(crate) const fn waits_for_replica(&self) -> bool {
        self.wait_for_replica
    }

    /// Sends the same request to each server that stores keys.
    pub(crate) async fn run_on_all(&self, request: impl Fn() -> ScriptRequest) -> Vec<Reply> {
        match &*self.target {
            Target::Single(server) => {
                settled(server.node().run(&[request()], Durability::Primary).await)
            }
            Target::Cluster(cluster) => cluster.run_on_all(&request).await,
        }
    }

    /// How many servers store keys: one, or as many masters as the cluster is known to have.
    pub(crate) fn servers(&self) -> usize {
        match &*self.target {
            Target::Single(_) => 1,
            Target::Cluster(cluster) => cluster.masters().len(),
        }
    }

    /// Sends a request to one of them, by its number; `None` where there are not so many.
    pub(crate) async fn run_on(&self, server: usize, request: ScriptRequest) -> Option<Reply> {
        match &*self.target {
            Target::Single(single) if server == 0 => {
                Some(only(settled(single.node().run(&[request], Durability::Primary).await)))
            }
            Target::Single(_) => None,
            Target::Cluster(cluster) => {
                let host = cluster.masters().into_iter().nth(server)?;
                Some(cluster.run_on(&host, &request).await)
            }
        }
    }

    /// The items in runs of those whose keys one script may work on together: all on a single
    /// server; in a cluster, where each key has a slot of its own, one by one.
    pub(crate) fn groups<'a, T>(&self, items: &'a [T]) -> Vec<&'a [T]> {
        match &*self.target {
            Target::Single(_) => items.chunks(items.len().max(1)).collect(),
            Target::Cluster(_) => items.chunks(1).collect(),
        }
    }

    async fn run_until(&self, durability: Durability, requests: &[ScriptRequest]) -> Vec<Reply> {
        if requests.is_empty() {
            return Vec::new();
        }
        match &*self.target {
            Target::Single(server) => settled(server.node().run(requests, durability).await),
            Target::Cluster(cluster) => cluster.run(requests, durability).await,
        }
    }
}

/// The one reply; where there is none at all, the server is unreachable.
fn only(mut replies: Vec<Reply>) -> Reply {
    replies.pop().unwrap_or_else(|| Err(unreachable("the server")))
}

/// The replies of a server that is alone; one that sends us elsewhere has failed.
fn settled(replies: Vec<NodeReply>) -> Vec<Reply> {
    replies.into_iter().map(NodeReply::settled).collect()
}

fn unreachable(what: &str) -> StoreError {
    StoreError(format!("{what} is unreachable"))
}
