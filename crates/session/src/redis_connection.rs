//! The way to a Redis or Valkey, a single one or a cluster: what is sent, how long it is waited
//! for, and what a missing answer means. What the commands are about is not known here.
//!
//! INVARIANT: a command that may have been carried out is never sent again. Sent again is only what
//! a server refused unseen: a script that it does not know, a key that is elsewhere.
//! INVARIANT: nothing waits for long, and not too much waits.

mod address;
mod cluster;
mod connection;
mod each;
mod gather;
mod node;
mod patience;
mod risks;
mod script;
mod slots;
mod stream;

use std::sync::Arc;

use clock::Clock;
use redis::Value;

pub use address::{BadRedisAddress, RedisAddress};
pub(crate) use each::{Parcel, Telling};
pub(crate) use script::{Call, Script, digest_of, script};

use self::cluster::Cluster;
use self::each::{Told, calls_for};
use self::gather::Gatherer;
use self::node::{Kept, Node, Reply};
use crate::StoreError;

/// The answer to one call.
pub(crate) type Answer = Result<Value, StoreError>;

/// A connection to one Redis, or to all servers of a cluster: a cheap handle.
#[derive(Clone)]
pub struct RedisLink {
    to: Arc<To>,
    wait_for_replica: bool,
}

enum To {
    One(Arc<Gatherer>),
    Many(Box<Cluster>),
}

/// What is demanded of the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisOptions {
    /// Whether a revocation counts only once a replica has it, too.
    pub wait_for_replica: bool,
}

impl RedisLink {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Where nothing answers there, or refuses us.
    pub async fn open(
        address: RedisAddress,
        options: RedisOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        if address.is_encrypted() {
            // Fails where a provider was chosen before, and then that one serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let to = if address.is_cluster {
            To::Many(Box::new(Cluster::open(address, clock).await?))
        } else {
            let host = address.hosts.first().ok_or_else(|| unreachable("nowhere"))?;
            To::One(Arc::new(Gatherer::new(Node::new(&address, host)?)))
        };
        let link = Self { to: Arc::new(to), wait_for_replica: options.wait_for_replica };
        link.ping().await?;
        Ok(link)
    }

    /// What the operator should know: settings of the servers that may lose sessions.
    pub async fn risks(&self) -> Vec<String> {
        let asked = self.everywhere(|| Call::plain("INFO", b"everything")).await;
        risks::risks(asked.iter().flatten(), self.wait_for_replica)
    }

    /// Whether one server answers at least: the others may be replaced at this moment.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let mut answers = self.everywhere(|| Call::plain("PING", b"")).await;
        match answers.iter().position(Result::is_ok) {
            Some(_) => Ok(()),
            None => {
                answers.pop().map_or_else(|| Err(unreachable("it")), |answer| answer.map(|_| ()))
            }
        }
    }

    /// Looks whether connections are there, and has those come back that broke unused.
    pub(crate) async fn wake(&self) -> Result<(), StoreError> {
        if self.wait_for_replica {
            match &*self.to {
                To::One(server) => server.node().wake().await?,
                To::Many(cluster) => cluster.wake().await,
            }
        }
        self.ping().await
    }

    /// Makes all calls at once, in their order on each server; an answer for each.
    pub(crate) async fn run(&self, calls: &[Call]) -> Vec<Answer> {
        self.run_and(calls, Kept::Here).await
    }

    /// Makes a script work on each key of a parcel, with what others ask of it at this time; what it
    /// tells of each, in their order. In a cluster each key is in a place of its own.
    pub(crate) async fn each(&self, parcel: Parcel) -> Vec<Telling> {
        match &*self.to {
            To::One(server) => server.each(parcel).await,
            To::Many(cluster) => {
                let calls = calls_for(std::iter::once(&parcel), 1).into_iter();
                let calls: Vec<Call> = calls.map(|(call, _)| call).collect();
                let answers = cluster.run(&calls, Kept::Here).await;
                answers.into_iter().flat_map(|answer| Told::split(answer, 1)).collect()
            }
        }
    }

    /// The same for what must not come undone: if so demanded, it has succeeded only once a replica
    /// has it, and whatever was done there before.
    pub(crate) async fn run_kept(&self, calls: &[Call]) -> Vec<Answer> {
        let kept = if self.wait_for_replica { Kept::OnReplica } else { Kept::Here };
        self.run_and(calls, kept).await
    }

    /// Makes one call.
    pub(crate) async fn run_one(&self, call: Call) -> Answer {
        only(self.run(&[call]).await)
    }

    /// Whether replicas are waited for.
    pub(crate) const fn waits_for_replica(&self) -> bool {
        self.wait_for_replica
    }

    /// Makes the same call on each server that keeps keys.
    pub(crate) async fn everywhere(&self, call: impl Fn() -> Call) -> Vec<Answer> {
        match &*self.to {
            To::One(server) => settled(server.node().run(&[&call()], Kept::Here, false).await),
            To::Many(cluster) => cluster.everywhere(&call).await,
        }
    }

    /// How many servers keep keys: one, or as many masters as the cluster is known to have.
    pub(crate) fn servers(&self) -> usize {
        match &*self.to {
            To::One(_) => 1,
            To::Many(cluster) => cluster.masters().len(),
        }
    }

    /// Makes a call on one of them, by its number; `None` where there are not so many.
    pub(crate) async fn run_on(&self, server: usize, call: Call) -> Option<Answer> {
        match &*self.to {
            To::One(only_one) if server == 0 => {
                Some(only(settled(only_one.node().run(&[&call], Kept::Here, false).await)))
            }
            To::One(_) => None,
            To::Many(cluster) => {
                let host = cluster.masters().into_iter().nth(server)?;
                Some(cluster.run_on(&host, &call).await)
            }
        }
    }

    /// The items in runs of those whose keys one script may work on together: all on a single
    /// server; in a cluster, each key is in a place of its own.
    pub(crate) fn places<'a, T>(&self, items: &'a [T]) -> Vec<&'a [T]> {
        match &*self.to {
            To::One(_) => items.chunks(items.len().max(1)).collect(),
            To::Many(_) => items.chunks(1).collect(),
        }
    }

    async fn run_and(&self, calls: &[Call], kept: Kept) -> Vec<Answer> {
        if calls.is_empty() {
            return Vec::new();
        }
        match &*self.to {
            To::One(server) => {
                let calls: Vec<&Call> = calls.iter().collect();
                settled(server.node().run(&calls, kept, false).await)
            }
            To::Many(cluster) => cluster.run(calls, kept).await,
        }
    }
}

/// The one answer; none at all is a failure.
pub(crate) fn only(mut answers: Vec<Answer>) -> Answer {
    answers.pop().unwrap_or_else(|| Err(StoreError("no answer".to_owned())))
}

/// What a server that is alone has to say; one that sends us elsewhere has failed.
fn settled(replies: Vec<Reply>) -> Vec<Answer> {
    replies.into_iter().map(Reply::settled).collect()
}

fn unreachable(what: &str) -> StoreError {
    StoreError(format!("{what} is out of reach"))
}
