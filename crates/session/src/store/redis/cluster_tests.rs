//! The conformance suites on a real cluster of three masters, and what happens when one is lost.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use std::sync::Arc;

use super::RedisStore;
use super::server::{Server, cluster, cluster_address, connect};
use super::tests::UNIT;
use crate::store::conformance::{CASES, Fixture};

/// How many clusters share the cases.
const PARTS: usize = 4;

/// Runs every fourth case, each on the emptied cluster; names those that failed.
async fn failures(part: usize, servers: &[Server]) -> Vec<&'static str> {
    let connection = connect(&cluster_address(servers)).await;
    let mut failed = Vec::new();
    for case in CASES.iter().skip(part).step_by(PARTS) {
        for server in servers {
            assert_eq!(server.cli(&["flushall"]), "OK");
        }
        let store = Arc::new(RedisStore::new(connection.clone()));
        let fixture = Fixture::real(store, UNIT);
        if tokio::spawn((case.run)(fixture)).await.is_err() {
            failed.push(case.name);
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_passes_the_whole_suite() {
    let parts: Vec<_> = (0..PARTS)
        .map(|part| {
            tokio::spawn(async move {
                let Some(servers) = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap()
                else {
                    return Vec::new();
                };
                failures(part, &servers).await
            })
        })
        .collect();
    for part in parts {
        assert_eq!(part.await.unwrap(), Vec::<&str>::new());
    }
}

mod attempts {
    use std::sync::LazyLock;

    use super::*;
    use crate::RedisAttempts;
    use crate::attempts::conformance::{Fixture, attempt_store_conformance};

    static CLUSTER: LazyLock<Option<Vec<Server>>> = LazyLock::new(|| cluster(0));

    async fn fixture() -> Option<Fixture> {
        let servers = tokio::task::spawn_blocking(|| CLUSTER.as_ref()).await.unwrap()?;
        let connection = connect(&cluster_address(servers)).await;
        let pass = |time| Box::pin(tokio::time::sleep(time)) as _;
        Some(Fixture::new(Arc::new(RedisAttempts::new(connection)), Box::new(pass)))
    }

    attempt_store_conformance!(fixture());
}
