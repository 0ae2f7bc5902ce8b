//! Nodes that share a Redis: one posts, another one takes over.

use std::collections::HashSet;
use std::time::Duration;

use super::deliveries::figure;
use super::receiver::{Receiver, log_out, sessions};
use crate::harness::{AuthService, Launch, eventually, now, redis_cluster};
use crate::redis::nodes::Site;

fn has_posted(node: &AuthService) -> bool {
    figure(node, "auth_webhook_posts_total", "url=\"1\",result=\"sent\"") > Some(0.0)
}

#[test]
fn one_of_two_nodes_posts_and_when_it_is_killed_the_other_goes_on_within_15_s() {
    let Some(site) = Site::open() else { return };
    let receiver = Receiver::start();
    let launch = receiver.of(site.node());
    let mut nodes = [(); 2].map(|()| AuthService::launch(&launch));
    let mut ended: Vec<String> = nodes.iter().flat_map(|node| log_out(node, 5)).collect();
    receiver.taken_at_least(10);
    let poster =
        eventually("one posts", crate::harness::TIMEOUT, || nodes.iter().position(has_posted));
    assert!(!has_posted(&nodes[1 - poster]), "both have posted");

    // While it posts, and is waited for.
    receiver.set(super::receiver::Mode::Hang);
    ended.extend(log_out(&nodes[1 - poster], 5));
    receiver.tried_at_least(11);
    nodes[poster].kill();
    let killed = now();
    receiver.answer(200);
    let survivor = &nodes[1 - poster];
    ended.extend(log_out(survivor, 3));
    eventually("it goes on", Duration::from_secs(15), || {
        (receiver.taken().len() > 10).then_some(())
    });
    eprintln!("taken over {:.1?} after the kill", killed.elapsed());
    receiver.taken_at_least(ended.len());
    let taken = receiver.taken();
    assert_eq!(sessions(&taken), ended, "in order, each acknowledged once");
    let ids: HashSet<&str> = taken.iter().map(super::receiver::Post::id).collect();
    assert_eq!(ids.len(), ended.len());
    assert_eq!(receiver.posts()[10].id(), taken[10].id(), "the same id at both nodes");
}

#[test]
fn a_node_that_was_only_held_up_moves_no_position_back_and_one_that_stops_lets_go() {
    let Some(site) = Site::open() else { return };
    let receiver = Receiver::start();
    let launch = receiver.of(site.node());
    let mut nodes = [(); 2].map(|()| AuthService::launch(&launch));
    let mut ended = log_out(&nodes[0], 3);
    receiver.taken_at_least(3);
    let poster =
        eventually("one posts", crate::harness::TIMEOUT, || nodes.iter().position(has_posted));
    nodes[poster].hang();
    ended.extend(log_out(&nodes[1 - poster], 5));
    assert_eq!(sessions(&receiver.events_at_least(8)), ended);
    // What was acknowledged and not stored yet when the node was held up came again, under its id.
    let before = receiver.taken().len();
    assert!((8..=11).contains(&before), "{before} posts of 8 events");
    nodes[poster].signal("CONT");
    ended.extend(log_out(&nodes[poster], 3));
    assert_eq!(sessions(&receiver.events_at_least(11)), ended, "whoever was held up");
    assert_eq!(receiver.taken().len(), before + 3, "nothing came again when it went on");

    let began = now();
    nodes[1 - poster].signal("TERM");
    nodes[1 - poster].wait_for_end(crate::harness::TIMEOUT);
    ended.extend(log_out(&nodes[poster], 2));
    assert_eq!(sessions(&receiver.events_at_least(13)), ended);
    assert_eq!(receiver.taken().len(), before + 5, "a clean stop has nothing come again");
    eprintln!("taken over {:.1?} after the stop began", began.elapsed());
}

#[test]
fn a_cluster_is_posted_from_too_and_another_node_goes_on_where_it_was() {
    let Some(servers) = redis_cluster(0, &[]) else { return };
    let hosts: Vec<_> = servers.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let home = tempfile::TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = format!("sqlite:{}", home.path().join("users.db").display());
    let receiver = Receiver::start();
    let launch = receiver
        .of(Launch::auth())
        .var("AUTH_SESSION_STORE", format!("redis-cluster://{}", hosts.join(",")))
        .var("AUTH_DATABASE_URL", users);
    let mut first = AuthService::launch(&launch);
    let mut ended = log_out(&first, 5);
    receiver.taken_at_least(5);
    receiver.answer(500);
    ended.extend(log_out(&first, 2));
    receiver.tried_at_least(6);
    first.kill();
    let second = AuthService::launch(&launch);
    receiver.answer(200);
    ended.extend(log_out(&second, 1));
    // What was acknowledged and not stored yet when the first was killed comes again, under its id.
    let events = receiver.events_at_least(ended.len());
    assert_eq!(sessions(&events), ended);
    assert_eq!(receiver.posts()[5].id(), events[5].id());
}
