//! The limits on a user's sessions and mints, held by two nodes at once.

use std::thread;

use serde_json::json;

use super::nodes::Site;
use crate::harness::{AuthService, DEMO, Request, is_alive};

const LIMIT: usize = 5;
const ROUNDS: usize = 4;
/// How many mint at the same time.
const CROWD: usize = 12;

#[test]
fn mints_that_are_refused_at_the_limit_end_no_session() {
    let Some(site) = Site::open() else { return };
    let node = || site.node().var("AUTH_MAX_SESSIONS_PER_USER", LIMIT.to_string());
    let nodes = [(); 2].map(|()| AuthService::launch(&node()));
    for round in 0..ROUNDS {
        // It ends before all that it mints, and so it is the first to go.
        let maker = nodes[0].token();
        let body = json!({"kind": "fixed", "ttl": "1h"});
        let others: Vec<String> = (1..LIMIT).map(|_| nodes[1].mint(&maker, &body)).collect();
        let mints = thread::scope(|scope| {
            let mint = |at: usize| {
                let (node, maker, body) = (&nodes[at % 2], &maker, &body);
                move || node.try_mint(maker, body)
            };
            let mints: Vec<_> = (0..CROWD).map(|at| scope.spawn(mint(at))).collect();
            mints.into_iter().map(|mint| mint.join().unwrap()).collect::<Vec<_>>()
        });
        let stood = mints.iter().filter(|answer| answer.status == 201).count();
        assert!(mints.iter().all(|answer| [201, 401].contains(&answer.status)), "{mints:?}");
        let lost = others.iter().filter(|token| !is_alive(&nodes[0].look_at(token))).count();
        assert!(lost < stood, "round {round}: {stood} stood, {lost} others were lost");
        let owner = nodes[0].login(DEMO.0, DEMO.1);
        let listed = nodes[1].public.send(Request::get("/sessions").bearer(&owner)).expect(200);
        let live = listed.json()["sessions"].as_array().unwrap().len();
        assert!(live <= LIMIT, "round {round}: {live} live");
        nodes[1].public.send(Request::delete("/sessions").bearer(&owner)).expect(204);
    }
}

#[test]
fn all_nodes_count_what_a_user_mints() {
    let Some(site) = Site::open() else { return };
    let node = || site.node().var("AUTH_MINTS_PER_USER", "6/1h");
    let nodes = [(); 2].map(|()| AuthService::launch(&node()));
    let maker = nodes[0].token();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let (nodes, maker) = (&nodes, &maker);
        let mint = |at: usize| move || nodes[at % 2].try_mint(maker, &json!({})).status;
        let mints: Vec<_> = (0..CROWD).map(|at| scope.spawn(mint(at))).collect();
        mints.into_iter().map(|mint| mint.join().unwrap()).collect()
    });
    let of = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((of(201), of(429)), (6, CROWD - 6), "{statuses:?}");
}
