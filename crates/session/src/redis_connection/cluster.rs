//! A cluster: which server has which slots, and requests split among them.
//!
//! The client library's own cluster connection is not used: it sends a command again when a
//! connection broke, whatever the command may have done, and one broken server keeps it from
//! talking to the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use futures_util::future::join_all;
use parking_lot::RwLock;
use redis::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::address::{Host, RedisAddress};
use super::node::{Durability, Node, NodeReply};
use super::script_request::ScriptRequest;
use super::timeouts::BETWEEN_REFRESHES;
use super::{Reply, only, unreachable};
use crate::StoreError;

/// How often a request follows a key that has moved.
const MAX_REDIRECTS: usize = 3;

/// The servers of a cluster.
pub(super) struct Cluster {
    address: RedisAddress,
    response_timeout: Duration,
    clock: Arc<dyn Clock>,
    nodes: RwLock<HashMap<Host, Arc<Node>>>,
    topology: RwLock<Arc<Topology>>,
    /// When the topology was last requested; locked while it is.
    requested: Mutex<Option<Moment>>,
}

/// Which server has which slots.
#[derive(Debug, Default, PartialEq, Eq)]
struct Topology {
    /// First and last slot, and their master, in order.
    ranges: Vec<(u16, u16, Host)>,
    /// All servers, replicas too.
    hosts: Vec<Host>,
}

impl Cluster {
    /// Finds all servers by those that the address names.
    pub(super) async fn open(
        address: RedisAddress,
        response_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let cluster = Self {
            address,
            response_timeout,
            clock,
            nodes: RwLock::default(),
            topology: RwLock::default(),
            requested: Mutex::default(),
        };
        cluster.try_refresh_topology().await?;
        Ok(cluster)
    }

    /// Sends all requests, those to one server in one round trip and in their order.
    pub(super) async fn run(
        &self,
        requests: &[ScriptRequest],
        durability: Durability,
    ) -> Vec<Reply> {
        let topology = Arc::clone(&self.topology.read());
        let mut replies: Vec<Option<NodeReply>> = requests.iter().map(|_| None).collect();
        let mut next: Vec<(usize, Host, bool)> = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            match topology.owner(request.slot()) {
                Some(host) => next.push((at, host.clone(), false)),
                None => replies[at] = Some(NodeReply::Failed(unreachable("the master of a slot"))),
            }
        }
        for _ in 0..MAX_REDIRECTS {
            for (at, reply) in self.send(requests, next, durability).await {
                replies[at] = Some(reply);
            }
            next = self.redirected(requests, &replies);
            if next.is_empty() {
                break;
            }
        }
        let has_failed = |reply: &Option<NodeReply>| !matches!(reply, Some(NodeReply::Done(_)));
        if replies.iter().any(has_failed) {
            self.refresh_topology().await;
        }
        let settled = |reply: Option<NodeReply>| {
            reply.map_or_else(|| Err(unreachable("the master of a slot")), NodeReply::settled)
        };
        replies.into_iter().map(settled).collect()
    }

    /// Sends the same request to each master.
    pub(super) async fn run_on_all(&self, request: &impl Fn() -> ScriptRequest) -> Vec<Reply> {
        let masters = self.masters();
        let run = async |host: &Host| self.run_on(host, &request()).await;
        let replies = join_all(masters.iter().map(run)).await;
        if replies.iter().any(Result::is_err) {
            self.refresh_topology().await;
        }
        replies
    }

    /// The masters as they are known, in the order of their names.
    pub(super) fn masters(&self) -> Vec<Host> {
        let topology = Arc::clone(&self.topology.read());
        let mut masters: Vec<Host> =
            topology.ranges.iter().map(|(.., host)| host.clone()).collect();
        masters.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        masters.dedup();
        masters
    }

    /// Sends a request to one server, whatever its key.
    pub(super) async fn run_on(&self, host: &Host, request: &ScriptRequest) -> Reply {
        let replies = self.node(host)?.run(&[request], Durability::Primary).await;
        only(replies.into_iter().map(NodeReply::settled).collect())
    }

    /// Makes each server's connection that waits for replicas anew, if it broke.
    pub(super) async fn reconnect(&self) {
        let nodes: Vec<Arc<Node>> = self.nodes.read().values().cloned().collect();
        // One that fails is tried again, and fails again, when it is used.
        join_all(nodes.iter().map(|node| node.reconnect())).await;
    }

    /// Sends each request to its host, those of one host in one round trip.
    async fn send(
        &self,
        requests: &[ScriptRequest],
        sent: Vec<(usize, Host, bool)>,
        durability: Durability,
    ) -> Vec<(usize, NodeReply)> {
        let mut by_host: HashMap<(Host, bool), Vec<usize>> = HashMap::new();
        for (at, host, asking) in sent {
            by_host.entry((host, asking)).or_default().push(at);
        }
        let sending = by_host.into_iter().map(async |((host, asking), indices)| {
            let batch: Vec<&ScriptRequest> = indices.iter().map(|at| &requests[*at]).collect();
            let replies = match self.node(&host) {
                Ok(node) if asking => node.run_asking(&batch, durability).await,
                Ok(node) => node.run(&batch, durability).await,
                Err(error) => batch.iter().map(|_| NodeReply::Failed(error.clone())).collect(),
            };
            indices.into_iter().zip(replies).collect::<Vec<_>>()
        });
        join_all(sending).await.into_iter().flatten().collect()
    }

    /// The requests that were redirected, and where; none has been carried out.
    fn redirected(
        &self,
        requests: &[ScriptRequest],
        replies: &[Option<NodeReply>],
    ) -> Vec<(usize, Host, bool)> {
        let mut next = Vec::new();
        for (at, reply) in replies.iter().enumerate() {
            match reply {
                Some(NodeReply::Moved(host)) => {
                    self.record_owner(requests[at].slot(), host);
                    next.push((at, host.clone(), false));
                }
                Some(NodeReply::Ask(host)) => next.push((at, host.clone(), true)),
                _ => {}
            }
        }
        next
    }

    /// Records that a slot has moved.
    fn record_owner(&self, slot: u16, host: &Host) {
        let mut topology = self.topology.write();
        if topology.owner(slot) != Some(host) {
            *topology = Arc::new(topology.with(slot, host));
        }
    }

    /// Requests the topology, unless another caller does or just did.
    async fn refresh_topology(&self) {
        if let Err(error) = self.try_refresh_topology().await {
            tracing::debug!(%error, "the topology of the cluster could not be refreshed");
        }
    }

    async fn try_refresh_topology(&self) -> Result<(), StoreError> {
        let Ok(mut requested) = self.requested.try_lock() else {
            return Ok(());
        };
        let now = self.clock.now();
        let due = |last: Moment| now.saturating_sub(last) >= BETWEEN_REFRESHES;
        if !requested.is_none_or(due) {
            return Ok(());
        }
        *requested = Some(now);
        let topology = self.request_topology().await?;
        let hosts = [&topology.hosts[..], &self.address.hosts].concat();
        self.nodes.write().retain(|host, _| hosts.contains(host));
        *self.topology.write() = Arc::new(topology);
        Ok(())
    }

    /// The topology, as the server that answers first sees it.
    async fn request_topology(&self) -> Result<Topology, StoreError> {
        let mut hosts = self.topology.read().hosts.clone();
        hosts.extend(self.address.hosts.iter().cloned());
        hosts.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        hosts.dedup();
        let mut requests = JoinSet::new();
        for host in hosts {
            let node = self.node(&host)?;
            requests.spawn(async move {
                let request = ScriptRequest::command("CLUSTER", b"SLOTS");
                let replies = node.run(&[request], Durability::Primary).await;
                (host, only(replies.into_iter().map(NodeReply::settled).collect()))
            });
        }
        let mut failure = unreachable("the cluster");
        while let Some(Ok((host, reply))) = requests.join_next().await {
            match reply {
                Ok(value) => match Topology::read(&value, &host) {
                    Some(topology) => return Ok(topology),
                    None => failure = StoreError(format!("{host} reports no slots")),
                },
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn node(&self, host: &Host) -> Result<Arc<Node>, StoreError> {
        if let Some(node) = self.nodes.read().get(host) {
            return Ok(Arc::clone(node));
        }
        let node = Arc::new(Node::new(&self.address, host, self.response_timeout)?);
        let mut nodes = self.nodes.write();
        Ok(Arc::clone(nodes.entry(host.clone()).or_insert(node)))
    }
}

impl Topology {
    fn owner(&self, slot: u16) -> Option<&Host> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, host) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then_some(host)
    }

    /// The same where another server has a slot.
    fn with(&self, slot: u16, owner: &Host) -> Self {
        let mut ranges = vec![(slot, slot, owner.clone())];
        for (first, last, host) in &self.ranges {
            if *first < slot {
                ranges.push((*first, (*last).min(slot - 1), host.clone()));
            }
            if *last > slot {
                ranges.push(((*first).max(slot + 1), *last, host.clone()));
            }
        }
        ranges.sort_unstable_by_key(|(first, ..)| *first);
        let mut hosts = self.hosts.clone();
        if !hosts.contains(owner) {
            hosts.push(owner.clone());
        }
        Self { ranges, hosts }
    }

    /// The reply to `CLUSTER SLOTS`; `None` if it names no slots. A server whose name is missing is
    /// the one that replied.
    fn read(value: &Value, replier: &Host) -> Option<Self> {
        let mut topology = Self::default();
        for range in array(value)? {
            let [first, last, servers @ ..] = array(range)? else {
                return None;
            };
            let hosts: Vec<Host> =
                servers.iter().filter_map(|server| host(server, replier)).collect();
            let master = host(servers.first()?, replier)?;
            topology.ranges.push((number(first)?, number(last)?, master));
            topology.hosts.extend(hosts);
        }
        topology.ranges.sort_unstable_by_key(|(first, ..)| *first);
        topology.hosts.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        topology.hosts.dedup();
        (!topology.ranges.is_empty()).then_some(topology)
    }
}

fn host(server: &Value, replier: &Host) -> Option<Host> {
    let [name, port, ..] = array(server)? else {
        return None;
    };
    let name = match name {
        Value::BulkString(name) => std::str::from_utf8(name).ok()?,
        Value::SimpleString(name) => name,
        _ => "",
    };
    let name = if name.is_empty() { &replier.0 } else { name };
    Some(Host(name.to_owned(), number(port)?))
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Host {
        Host("h".to_owned(), port)
    }

    fn range(first: i64, last: i64, port: i64) -> Value {
        let name = Value::BulkString(b"h".to_vec());
        let server = Value::Array(vec![name, Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
    }

    #[test]
    fn each_slot_has_the_owner_that_the_cluster_names() {
        let reply = Value::Array(vec![range(100, 199, 2), range(0, 99, 1)]);
        let topology = Topology::read(&reply, &at(9)).unwrap();
        for (slot, owner) in
            [(0, Some(1)), (99, Some(1)), (100, Some(2)), (199, Some(2)), (200, None)]
        {
            assert_eq!(topology.owner(slot), owner.map(at).as_ref(), "{slot}");
        }
        assert_eq!(Topology::read(&Value::Array(vec![]), &at(9)), None);
    }

    #[test]
    fn a_slot_that_moved_takes_no_other_with_it() {
        let reply = Value::Array(vec![range(0, 99, 1), range(100, 199, 2)]);
        let topology = Topology::read(&reply, &at(9)).unwrap();
        for moved in [0, 50, 99, 100, 199, 300] {
            let after = topology.with(moved, &at(3));
            assert_eq!(after.owner(moved), Some(&at(3)));
            for slot in (0..300).filter(|slot| *slot != moved) {
                assert_eq!(after.owner(slot), topology.owner(slot), "{moved} {slot}");
            }
        }
    }
}
