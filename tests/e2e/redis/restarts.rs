//! Nodes that come and go under load, behind the client that knows them both.

use std::time::Duration;

use super::nodes::{Site, business};
use crate::harness::{AuthService, Launch, TIMEOUT, let_time_pass};
use crate::load::{Load, under_load};

fn two(site: &Site) -> ([Launch; 2], [AuthService; 2]) {
    let launches = [(); 2].map(|()| site.settled_node().var("DRAIN_DELAY", "500ms"));
    let nodes = [0, 1].map(|at: usize| AuthService::launch(&launches[at]));
    (launches, nodes)
}

#[test]
fn a_rolling_restart_of_all_nodes_fails_no_request() {
    let Some(site) = Site::open() else { return };
    let (launches, mut nodes) = two(&site);
    let data = business(&[&nodes[0], &nodes[1]]);
    let tokens: Vec<String> = (0..10).map(|at| nodes[at % 2].token()).collect();
    let Load { requests, failed, .. } = under_load(&data, &tokens, || {
        for round in 0..4 {
            let_time_pass(Duration::from_millis(700));
            let node = &mut nodes[round % 2];
            node.signal("TERM");
            assert_eq!(node.wait_for_end(TIMEOUT).code(), Some(0));
            *node = AuthService::launch(&launches[round % 2]);
            // As one that rolls would: not before it is ready.
            node.internal.get("/readyz").expect(200);
            let_time_pass(Duration::from_millis(1_300));
        }
    });
    assert_eq!(failed, Vec::<String>::new(), "of {requests}");
    assert!(requests > 500, "{requests}");
    eprintln!("{requests} requests during a rolling restart, none failed");
}

#[test]
fn a_node_that_dies_costs_each_connection_one_request_at_most() {
    let Some(site) = Site::open() else { return };
    let (_, mut nodes) = two(&site);
    let data = business(&[&nodes[0], &nodes[1]]);
    let tokens: Vec<String> = (0..10).map(|at| nodes[at % 2].token()).collect();
    let Load { requests, failed, .. } = under_load(&data, &tokens, || {
        let_time_pass(Duration::from_secs(1));
        nodes[0].kill();
        let_time_pass(Duration::from_secs(2));
    });
    assert!(failed.len() <= 8, "{failed:?}");
    assert!(failed.iter().all(|failed| failed.contains(": 503 ")), "{failed:?}");
    eprintln!("{} of {requests} requests failed when a node died", failed.len());
}
