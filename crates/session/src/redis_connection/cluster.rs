//! A cluster: which server has which slots, and batches split among them.
//!
//! The client library's own cluster connection is not used: it sends a command again when a
//! connection broke, whatever the command may have done, and one broken server keeps it from
//! talking to the others.

use std::collections::HashMap;
use std::sync::Arc;

use clock::{Clock, Moment};
use futures_util::future::join_all;
use parking_lot::RwLock;
use redis::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::address::{Host, RedisAddress};
use super::node::{Kept, Node, Reply};
use super::patience::BETWEEN_LAYOUTS;
use super::script::Call;
use super::{Answer, unreachable};
use crate::StoreError;

/// How often a call follows a key that has moved.
const HOPS: usize = 3;

/// The servers of a cluster.
pub(super) struct Cluster {
    address: RedisAddress,
    clock: Arc<dyn Clock>,
    nodes: RwLock<HashMap<Host, Arc<Node>>>,
    layout: RwLock<Arc<Layout>>,
    /// When the layout was last asked for; held while it is.
    asked: Mutex<Option<Moment>>,
}

/// Which server has which slots.
#[derive(Debug, Default, PartialEq, Eq)]
struct Layout {
    /// First and last slot, and their master, in order.
    ranges: Vec<(u16, u16, Host)>,
    /// All servers, replicas too.
    hosts: Vec<Host>,
}

impl Cluster {
    /// Asks the servers that are known for all the others.
    pub(super) async fn open(
        address: RedisAddress,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let cluster = Self {
            address,
            clock,
            nodes: RwLock::default(),
            layout: RwLock::default(),
            asked: Mutex::default(),
        };
        cluster.refresh().await?;
        Ok(cluster)
    }

    /// Makes all calls, those to one server in one round trip and in their order.
    pub(super) async fn run(&self, calls: &[Call], kept: Kept) -> Vec<Answer> {
        let layout = Arc::clone(&self.layout.read());
        let mut replies: Vec<Option<Reply>> = calls.iter().map(|_| None).collect();
        let mut next: Vec<(usize, Host, bool)> = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            match layout.owner(call.slot) {
                Some(host) => next.push((at, host.clone(), false)),
                None => replies[at] = Some(Reply::Failed(unreachable("a part of the cluster"))),
            }
        }
        for _ in 0..HOPS {
            for (at, reply) in self.send(calls, next, kept).await {
                replies[at] = Some(reply);
            }
            next = self.redirected(calls, &replies);
            if next.is_empty() {
                break;
            }
        }
        let unwell = |reply: &Option<Reply>| !matches!(reply, Some(Reply::Done(_)));
        if replies.iter().any(unwell) {
            self.look_around().await;
        }
        let settled = |reply: Option<Reply>| {
            reply.map_or_else(|| Err(unreachable("a part of the cluster")), Reply::settled)
        };
        replies.into_iter().map(settled).collect()
    }

    /// Makes the same call on each master.
    pub(super) async fn everywhere(&self, call: &impl Fn() -> Call) -> Vec<Answer> {
        let masters = self.masters();
        let ask = async |host: &Host| self.run_on(host, &call()).await;
        let answers = join_all(masters.iter().map(ask)).await;
        if answers.iter().any(Result::is_err) {
            self.look_around().await;
        }
        answers
    }

    /// The masters as they are known, in the order of their names.
    pub(super) fn masters(&self) -> Vec<Host> {
        let layout = Arc::clone(&self.layout.read());
        let mut masters: Vec<Host> = layout.ranges.iter().map(|(.., host)| host.clone()).collect();
        masters.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        masters.dedup();
        masters
    }

    /// Makes a call on one server, whatever its key.
    pub(super) async fn run_on(&self, host: &Host, call: &Call) -> Answer {
        let mut replies = self.node(host)?.run(&[call], Kept::Here, false).await;
        replies.pop().map_or_else(|| Err(unreachable("it")), Reply::settled)
    }

    /// Wakes each server's connection for what waits.
    pub(super) async fn wake(&self) {
        let nodes: Vec<Arc<Node>> = self.nodes.read().values().cloned().collect();
        // One that fails is tried again, and fails again, when it is used.
        join_all(nodes.iter().map(|node| node.wake())).await;
    }

    /// Sends each call to its host, those of one host together.
    async fn send(
        &self,
        calls: &[Call],
        sent: Vec<(usize, Host, bool)>,
        kept: Kept,
    ) -> Vec<(usize, Reply)> {
        let mut by_host: HashMap<(Host, bool), Vec<usize>> = HashMap::new();
        for (at, host, asking) in sent {
            by_host.entry((host, asking)).or_default().push(at);
        }
        let sending = by_host.into_iter().map(async |((host, asking), places)| {
            let batch: Vec<&Call> = places.iter().map(|at| &calls[*at]).collect();
            let replies = match self.node(&host) {
                Ok(node) => node.run(&batch, kept, asking).await,
                Err(error) => batch.iter().map(|_| Reply::Failed(error.clone())).collect(),
            };
            places.into_iter().zip(replies).collect::<Vec<_>>()
        });
        join_all(sending).await.into_iter().flatten().collect()
    }

    /// The calls that were sent elsewhere, and where; nobody has carried them out.
    fn redirected(&self, calls: &[Call], replies: &[Option<Reply>]) -> Vec<(usize, Host, bool)> {
        let mut next = Vec::new();
        for (at, reply) in replies.iter().enumerate() {
            match reply {
                Some(Reply::Moved(host)) => {
                    self.note(calls[at].slot, host);
                    next.push((at, host.clone(), false));
                }
                Some(Reply::Ask(host)) => next.push((at, host.clone(), true)),
                _ => {}
            }
        }
        next
    }

    /// Notes that a slot has moved.
    fn note(&self, slot: u16, host: &Host) {
        let mut layout = self.layout.write();
        if layout.owner(slot) != Some(host) {
            *layout = Arc::new(layout.with(slot, host));
        }
    }

    /// Asks for the layout, unless somebody else does or just did.
    async fn look_around(&self) {
        if let Err(error) = self.refresh().await {
            tracing::debug!(%error, "the layout of the cluster is not known");
        }
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let Ok(mut asked) = self.asked.try_lock() else {
            return Ok(());
        };
        let now = self.clock.now();
        let due = |last: Moment| now.saturating_sub(last) >= BETWEEN_LAYOUTS;
        if !asked.is_none_or(due) {
            return Ok(());
        }
        *asked = Some(now);
        let layout = self.ask_anybody().await?;
        let hosts = [&layout.hosts[..], &self.address.hosts].concat();
        self.nodes.write().retain(|host, _| hosts.contains(host));
        *self.layout.write() = Arc::new(layout);
        Ok(())
    }

    /// The layout, as whoever answers first sees it.
    async fn ask_anybody(&self) -> Result<Layout, StoreError> {
        let mut hosts = self.layout.read().hosts.clone();
        hosts.extend(self.address.hosts.iter().cloned());
        hosts.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        hosts.dedup();
        let mut asking = JoinSet::new();
        for host in hosts {
            let node = self.node(&host)?;
            asking.spawn(async move {
                let call = Call::plain("CLUSTER", b"SLOTS");
                let reply = node.run(&[&call], Kept::Here, false).await.pop();
                (host, reply)
            });
        }
        let mut failure = unreachable("the cluster");
        while let Some(Ok((host, reply))) = asking.join_next().await {
            match reply.map_or_else(|| Err(unreachable("it")), Reply::settled) {
                Ok(value) => match Layout::read(&value, &host) {
                    Some(layout) => return Ok(layout),
                    None => failure = StoreError(format!("{host} has no slots to tell of")),
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
        let node = Arc::new(Node::new(&self.address, host)?);
        let mut nodes = self.nodes.write();
        Ok(Arc::clone(nodes.entry(host.clone()).or_insert(node)))
    }
}

impl Layout {
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

    /// What `CLUSTER SLOTS` says; `None` if that is nothing. A server whose name is not told is the
    /// one that was asked.
    fn read(value: &Value, asked: &Host) -> Option<Self> {
        let mut layout = Self::default();
        for range in array(value)? {
            let [first, last, servers @ ..] = array(range)? else {
                return None;
            };
            let hosts: Vec<Host> =
                servers.iter().filter_map(|server| host(server, asked)).collect();
            let master = host(servers.first()?, asked)?;
            layout.ranges.push((number(first)?, number(last)?, master));
            layout.hosts.extend(hosts);
        }
        layout.ranges.sort_unstable_by_key(|(first, ..)| *first);
        layout.hosts.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        layout.hosts.dedup();
        (!layout.ranges.is_empty()).then_some(layout)
    }
}

fn host(server: &Value, asked: &Host) -> Option<Host> {
    let [name, port, ..] = array(server)? else {
        return None;
    };
    let name = match name {
        Value::BulkString(name) => std::str::from_utf8(name).ok()?,
        Value::SimpleString(name) => name,
        _ => "",
    };
    let name = if name.is_empty() { &asked.0 } else { name };
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
        let told = Value::Array(vec![range(100, 199, 2), range(0, 99, 1)]);
        let layout = Layout::read(&told, &at(9)).unwrap();
        for (slot, owner) in
            [(0, Some(1)), (99, Some(1)), (100, Some(2)), (199, Some(2)), (200, None)]
        {
            assert_eq!(layout.owner(slot), owner.map(at).as_ref(), "{slot}");
        }
        assert_eq!(Layout::read(&Value::Array(vec![]), &at(9)), None);
    }

    #[test]
    fn a_slot_that_moved_takes_no_other_with_it() {
        let told = Value::Array(vec![range(0, 99, 1), range(100, 199, 2)]);
        let layout = Layout::read(&told, &at(9)).unwrap();
        for moved in [0, 50, 99, 100, 199, 300] {
            let after = layout.with(moved, &at(3));
            assert_eq!(after.owner(moved), Some(&at(3)));
            for slot in (0..300).filter(|slot| *slot != moved) {
                assert_eq!(after.owner(slot), layout.owner(slot), "{moved} {slot}");
            }
        }
    }
}
