//! The conformance suites on a real cluster of three masters, and what happens when one is lost.

use std::sync::Arc;

use super::RedisStore;
use super::server::{Server, cluster, cluster_address, connect};
use super::tests::UNIT;
use crate::store::conformance::{Bench, CASES};

/// How many clusters share the cases.
const LANES: usize = 4;

/// Runs every fourth case, each on the emptied cluster; names those that failed.
async fn failures(lane: usize, servers: &[Server]) -> Vec<&'static str> {
    let connection = connect(&cluster_address(servers)).await;
    let mut failed = Vec::new();
    for case in CASES.iter().skip(lane).step_by(LANES) {
        for server in servers {
            assert_eq!(server.cli(&["flushall"]), "OK");
        }
        let store = Arc::new(RedisStore::new(connection.clone()));
        let bench = Bench::real(store, UNIT);
        if tokio::spawn((case.run)(bench)).await.is_err() {
            failed.push(case.name);
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_passes_the_whole_suite() {
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            tokio::spawn(async move {
                let Some(servers) = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap()
                else {
                    return Vec::new();
                };
                failures(lane, &servers).await
            })
        })
        .collect();
    for lane in lanes {
        assert_eq!(lane.await.unwrap(), Vec::<&str>::new());
    }
}

mod attempts {
    use std::sync::LazyLock;

    use super::*;
    use crate::RedisAttempts;
    use crate::attempts::conformance::{Rig, attempt_store_conformance};

    static CLUSTER: LazyLock<Option<Vec<Server>>> = LazyLock::new(|| cluster(0));

    async fn rig() -> Option<Rig> {
        let servers = tokio::task::spawn_blocking(|| CLUSTER.as_ref()).await.unwrap()?;
        let connection = connect(&cluster_address(servers)).await;
        let pass = |time| Box::pin(tokio::time::sleep(time)) as _;
        Some(Rig::new(Arc::new(RedisAttempts::new(connection)), Box::new(pass)))
    }

    attempt_store_conformance!(rig());
}
