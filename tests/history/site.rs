//! The services of a run: one node with sessions in memory or in a file, or two that share a Redis,
//! and a business service that asks them. Each can be disturbed.

use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;
use testkit::{
    AuthService, BusinessService, Clocks, Disk, LONG_PASSWORD, Launch, Listener, TIMEOUT,
    eventually, unused_port,
};

use crate::events::Loss;
use crate::link::Link;
use crate::redis::RedisServers;
use crate::rules::Rules;

/// How many users there are.
pub(crate) const OWNERS: usize = 3;
/// What no token outlives.
pub(crate) const MAX_LIFETIME_S: u64 = 12;

/// Where sessions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    File,
    Redis,
    Cluster,
}

impl Store {
    /// What it makes of a crash of its service.
    pub(crate) const fn crash(self) -> Loss {
        match self {
            Self::Memory => Loss::All,
            Self::File => Loss::Uses,
            Self::Redis | Self::Cluster => Loss::Nothing,
        }
    }
}

/// Where a node listens.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) public: Listener,
    pub(crate) internal: Listener,
}

/// A node that is started again where it was.
struct Node {
    launch: Launch,
    process: Mutex<AuthService>,
}

/// Everything that runs.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    nodes: Vec<Node>,
    pub(crate) addresses: Vec<Addresses>,
    /// Between the business service and each node.
    pub(crate) links: Vec<Link>,
    pub(crate) business: BusinessService,
    pub(crate) clocks: Clocks,
    pub(crate) disk: Disk,
    pub(crate) redis: RedisServers,
    _directory: TempDir,
}

/// The name of a user.
pub(crate) fn owner_name(owner: usize) -> String {
    format!("owner{owner}@example.com")
}

impl Site {
    /// `None` where something that is needed is not installed.
    pub(crate) fn start(store: Store, rules: &Rules) -> Option<Self> {
        let (clocks, disk) = (Clocks::new()?, Disk::of("sessions.db")?);
        let redis = RedisServers::start(store)?;
        let directory = TempDir::with_prefix("reinflate-history-").unwrap();
        let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
        let sessions = match store {
            Store::Memory => "memory".to_owned(),
            Store::File => file("sessions.db"),
            Store::Redis | Store::Cluster => redis.url(),
        };
        let launch = launch().var("AUTH_DATABASE_URL", file("users.db"));
        let launch = launch.var("AUTH_SESSION_STORE", sessions);
        // Where a replica may take over, what must not come undone waits for it.
        let wait = if store == Store::Cluster { "true" } else { "false" };
        let launch = launch.var("AUTH_REDIS_WAIT", wait);
        let variables = rules.of_nodes().into_iter();
        let launch = variables.fold(launch, |launch, (name, value)| launch.var(name, value));
        for owner in 0..OWNERS {
            let add = launch.clone().arg("users").arg("add").arg(owner_name(owner));
            let added = add.run_with_input(&format!("{LONG_PASSWORD}\n"));
            assert_eq!(added.code, Some(0), "{added:?}");
        }
        let launch = disk.under(clocks.of(launch));
        let count = if redis.is_empty() { 1 } else { 2 };
        let nodes: Vec<Node> = (0..count).map(|_| Node::start(launch.clone())).collect();
        let addresses: Vec<Addresses> = nodes.iter().map(Node::addresses).collect();
        let links: Vec<Link> = addresses.iter().map(|node| Link::to(node.internal.port)).collect();
        let url = |link: &Link| format!("http://127.0.0.1:{}", link.port);
        let urls: Vec<String> = links.iter().map(url).collect();
        let business = Launch::business(1).var("BUSINESS_AUTH_URL", urls.join(","));
        let business =
            if rules.bound { business.var("BUSINESS_AUTH_CLIENT", "user-agent") } else { business };
        let business = BusinessService::launch(&business.var("RUST_LOG", LOG));
        Some(Self {
            store,
            rules: rules.clone(),
            nodes,
            addresses,
            links,
            business,
            clocks,
            disk,
            redis,
            _directory: directory,
        })
    }

    pub(crate) fn node(&self, at: usize) -> MutexGuard<'_, AuthService> {
        self.nodes[at].process.lock().unwrap()
    }

    /// Starts a node that has ended where it was.
    pub(crate) fn start_again(&self, at: usize) {
        let Node { launch, process } = &self.nodes[at];
        *process.lock().unwrap() = AuthService::launch(launch);
    }

    /// Waits until everything can be asked again.
    #[track_caller]
    pub(crate) fn ready(&self) {
        let listeners = self.addresses.iter().map(|node| node.internal);
        for listener in listeners.chain([self.business.internal]) {
            eventually("all is ready again", TIMEOUT, || {
                let ready = listener.try_send(testkit::Request::get("/readyz"));
                ready.is_ok_and(|answer| answer.status == 200).then_some(())
            });
        }
    }
}

impl Node {
    fn start(launch: Launch) -> Self {
        let address = || format!("127.0.0.1:{}", unused_port());
        let launch = launch.var("AUTH_PUBLIC_ADDR", address());
        let launch = launch.var("AUTH_INTERNAL_ADDR", address());
        let process = Mutex::new(AuthService::launch(&launch));
        Self { launch, process }
    }

    fn addresses(&self) -> Addresses {
        let process = self.process.lock().unwrap();
        Addresses { public: process.public, internal: process.internal }
    }
}

/// Where a service listens is always logged; an hour's worth of the rest would be long.
const LOG: &str = "error";

/// A node without limits on how much one address may do.
fn launch() -> Launch {
    let launch = Launch::auth().var("RUST_LOG", LOG).var("AUTH_FRESH_FOR", "1h");
    let limits = [
        "AUTH_LOGIN_ATTEMPTS",
        "AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT",
        "AUTH_LOGIN_ATTEMPTS_PER_ADDRESS",
        "AUTH_LOGINS_PER_ADDRESS",
        "AUTH_MINTS_PER_USER",
    ];
    limits.into_iter().fold(launch, |launch, limit| launch.var(limit, "0"))
}
