//! A node that is killed in the middle of batches and comes back: its sessions are in Redis, so a
//! live token is never refused, whenever it comes.

use super::nodes::Site;
use crate::batched_validations::{Crowd, SHAPES, business, is_back};
use crate::harness::{AuthService, BusinessService};

#[test]
fn a_node_that_is_killed_and_started_again_refuses_no_live_token_and_lets_no_dead_one_in() {
    let Some(site) = Site::open() else { return };
    for shape in SHAPES {
        let node = site.settled_node().var("WORKERS", shape.1.to_string());
        let auth = AuthService::launch(&node);
        let business = BusinessService::launch(&business(auth.internal.port, shape));
        let (live, dead) = (auth.token(), auth.token());
        auth.logout(&dead);
        let mut auth = Some(auth);
        Crowd::asks_while(&business, [&live, &dead], |crowd| {
            if let Some(mut killed) = auth.take() {
                killed.kill();
            }
            crowd.it_is_down();
            crowd.it_is_up();
            auth = Some(AuthService::launch(&node));
            is_back(&business, &live);
            crowd.is_served();
        });
    }
}
