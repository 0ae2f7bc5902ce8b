//! The Redis of a run, one server or a cluster with a replica of each master, and what is done to it.
//! Whoever talks to a server, a node or its replica, does so through its link.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use testkit::{Redis, eventually, let_time_pass, redis_cluster};

use crate::link::Link;
use crate::site::Store;

/// Servers that lose nothing when they are killed, and among which none takes over by itself.
const CLUSTER: &[&str] = &[
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--repl-diskless-sync-delay",
    "0",
    "--cluster-replica-no-failover",
    "yes",
    "--cluster-require-full-coverage",
    "no",
];
/// How long servers may take to agree, on a busy machine.
const AGREED: Duration = Duration::from_mins(1);

/// How the replica of a master that is killed takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promotion {
    /// The other masters elect it.
    Elected,
    /// Somebody tells it to.
    Forced,
    /// The same, and it has received nothing for a while.
    ForcedBehind,
}

/// All servers, each with its link.
pub(crate) struct RedisServers {
    servers: Vec<Mutex<Redis>>,
    links: Vec<Link>,
    is_cluster: bool,
}

impl RedisServers {
    /// None where sessions are elsewhere. `None` where there is no such program.
    pub(crate) fn start(store: Store) -> Option<Self> {
        let mut servers = match store {
            Store::Redis => vec![Redis::start_durable(&[])?],
            Store::Cluster => redis_cluster(1, CLUSTER)?,
            Store::Memory | Store::File => Vec::new(),
        };
        let links: Vec<Link> = servers.iter().map(|server| Link::to(server.port)).collect();
        let is_cluster = store == Store::Cluster;
        if is_cluster {
            for (server, link) in servers.iter_mut().zip(&links) {
                server.configure("cluster-announce-port", &link.port.to_string());
            }
        }
        let servers = servers.into_iter().map(Mutex::new).collect();
        let started = Self { servers, links, is_cluster };
        started.wait();
        Some(started)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.servers.len()
    }

    /// As the services take it.
    pub(crate) fn url(&self) -> String {
        let servers: Vec<String> =
            self.links.iter().map(|link| format!("127.0.0.1:{}", link.port)).collect();
        let scheme = if self.is_cluster { "redis-cluster" } else { "redis" };
        format!("{scheme}://{}", servers.join(","))
    }

    pub(crate) fn link(&self, at: usize) -> &Link {
        &self.links[at]
    }

    pub(crate) fn stop(&self, at: usize, lasts: Duration) {
        self.server(at).signal("STOP");
        let_time_pass(lasts);
        self.server(at).signal("CONT");
        self.wait();
    }

    pub(crate) fn kill(&self, at: usize, lasts: Duration) {
        self.server(at).kill();
        let_time_pass(lasts);
        self.server(at).start_again();
        self.wait();
    }

    pub(crate) fn fill(&self, at: usize, lasts: Duration) {
        let limit = |bytes| self.server(at).cli(&["CONFIG", "SET", "maxmemory", bytes]);
        assert_eq!(limit("1mb"), "OK");
        let_time_pass(lasts);
        assert_eq!(limit("0"), "OK");
    }

    /// Kills a master, of those the one at `which`, has its replica take over, and starts it again as
    /// the replica.
    pub(crate) fn fail_over(&self, which: usize, promotion: Promotion, lasts: Duration) {
        let masters: Vec<usize> = (0..self.len()).filter(|at| self.is_master(*at)).collect();
        let master = masters[which % masters.len()];
        let own = self.links[master].port.to_string();
        let follows = |at: &usize| self.role(*at).get(2) == Some(&own);
        let replica = (0..self.len()).find(follows).expect("each master has a replica");
        if promotion == Promotion::ForcedBehind {
            self.server(replica).signal("STOP");
            // What comes from now on is not even on its way.
            self.server(master).cli(&["CLIENT", "KILL", "TYPE", "replica"]);
            let_time_pass(lasts);
        }
        self.server(master).kill();
        if promotion == Promotion::ForcedBehind {
            self.server(replica).signal("CONT");
            self.server(replica).wait();
        }
        let elects = |may: &str| {
            let name = "cluster-replica-no-failover";
            let set = self.server(replica).cli(&["CONFIG", "SET", name, may]);
            assert_eq!(set, "OK");
        };
        if promotion == Promotion::Elected {
            elects("no");
        } else {
            assert_eq!(self.server(replica).cli(&["CLUSTER", "FAILOVER", "TAKEOVER"]), "OK");
        }
        eventually("the replica takes over", AGREED, || self.is_master(replica).then_some(()));
        elects("yes");
        self.server(master).start_again();
        self.server(master).wait();
        let follows = || (!self.is_master(master)).then_some(());
        eventually("the one that was killed follows", AGREED, follows);
        self.wait();
    }

    fn server(&self, at: usize) -> MutexGuard<'_, Redis> {
        self.servers[at].lock().unwrap()
    }

    /// The lines of what a server says of itself.
    fn role(&self, at: usize) -> Vec<String> {
        self.server(at).cli(&["ROLE"]).lines().map(str::to_owned).collect()
    }

    fn is_master(&self, at: usize) -> bool {
        self.role(at).first().is_some_and(|role| role == "master")
    }

    /// Waits until all answer, and those of a cluster know each other by their links and follow.
    fn wait(&self) {
        for at in 0..self.len() {
            self.server(at).wait();
            if self.is_cluster {
                eventually("the cluster is whole", AGREED, || self.is_whole(at).then_some(()));
            }
        }
    }

    fn is_whole(&self, at: usize) -> bool {
        let (info, nodes) = {
            let server = self.server(at);
            (server.cli(&["CLUSTER", "INFO"]), server.cli(&["CLUSTER", "NODES"]))
        };
        let follows = self.role(at).get(3).is_some_and(|state| state == "connected");
        info.contains("cluster_state:ok")
            && !nodes.lines().any(has_failed)
            && self.links.iter().all(|link| nodes.contains(&format!(":{}@", link.port)))
            && (follows || self.is_master(at))
    }
}

/// Whether others take the server of this line for failed, or may.
fn has_failed(node: &str) -> bool {
    let flags = node.split(' ').nth(2).unwrap_or_default();
    flags.split(',').any(|flag| flag == "fail" || flag == "fail?")
}
