//! Connections to real servers for tests, which are skipped where there is none to start.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use clock::SystemClock;
pub(crate) use testkit::Redis as Server;
use testkit::{TIMEOUT, eventually, redis_cluster};

use crate::{RedisConnection, RedisOptions};

/// What tests demand that are about no time limit: a busy machine may keep a reply back for longer
/// than a service would wait for it.
pub(crate) const PATIENT: RedisOptions =
    RedisOptions { wait_for_replica: false, response_timeout: TIMEOUT };
/// How many tests may have a database of their own.
const DATABASES: i64 = 1024;

/// The server that all tests share which break nothing.
static COMMON: LazyLock<Option<Server>> = LazyLock::new(|| {
    let databases = DATABASES.to_string();
    Server::start(&["--databases", &databases, "--hz", "100"])
});

/// A connection to an empty database that no other test has.
pub(crate) async fn fresh_database() -> Option<RedisConnection> {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let server = COMMON.as_ref()?;
    let database = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(database < DATABASES);
    Some(connect(&format!("{}/{database}", server.url())).await)
}

/// A connection to whatever is there.
pub(crate) async fn connect(address: &str) -> RedisConnection {
    connect_with(address, PATIENT).await
}

pub(crate) async fn connect_with(address: &str, options: RedisOptions) -> RedisConnection {
    let address = address.parse().unwrap();
    let clock = Arc::new(SystemClock::new());
    RedisConnection::open(address, options, clock).await.unwrap()
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, TIMEOUT, || is_so().then_some(()));
}

/// Three masters that share the slots and go on without one, and so many replicas of each.
pub(crate) fn cluster(replicas: usize) -> Option<Vec<Server>> {
    redis_cluster(replicas, &["--cluster-require-full-coverage", "no", "--hz", "100"])
}

/// The address of a cluster.
pub(crate) fn cluster_address(servers: &[Server]) -> String {
    let hosts: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    format!("redis-cluster://{}", hosts.join(","))
}
