//! The very first request after the way to Redis was cut, or Redis came back: it is served, since
//! nothing of it was sent before. What was on its way when the connection broke is not sent again.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::nodes::Site;
use super::ways::{TlsRedis, on_cluster};
use crate::harness::{
    AuthService, DEMO, Launch, Redis, Request, TIMEOUT, eventually, is_alive, let_time_pass,
    redis_cluster,
};

const ROUNDS: usize = 50;

/// Cuts every connection but our own: those of the nodes.
fn cut(redis: &Redis) {
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
}

/// One request of each sort in turn, the first after a cut: it must be served.
fn first_request(node: &AuthService, token: &str, round: usize) {
    match round % 5 {
        0 => assert!(is_alive(&node.validate(token)), "{round}"),
        1 => drop(node.session(token).expect(200)),
        2 => drop(node.try_login(DEMO.0, DEMO.1).expect(200)),
        3 => {
            let both =
                node.try_validate(&json!({"tokens": [token, "nonsense", token]})).expect(200);
            assert_eq!(both.json()["results"][2]["authenticated"], true, "{round}");
        }
        _ => drop(node.internal.send(Request::get("/authz/auth-request").token(token)).expect(200)),
    }
}

fn every_first_request_is_served(launch: &Launch, servers: &[&Redis]) {
    let node = AuthService::launch(&launch.clone().var("AUTH_TOKEN_TTL", "1h"));
    let token = node.token();
    for round in 0..ROUNDS {
        for server in servers {
            cut(server);
        }
        first_request(&node, &token, round);
    }
}

#[test]
fn the_first_request_after_a_cut_is_served() {
    let Some(site) = Site::open() else { return };
    every_first_request_is_served(&site.node(), &[&site.redis]);
}

#[test]
fn the_first_request_after_a_cut_is_served_through_tls() {
    let Some(tls) = TlsRedis::start() else { return };
    every_first_request_is_served(&tls.node(), &[&tls.redis]);
}

#[test]
fn the_first_request_after_a_cut_is_served_by_a_cluster() {
    let Some(servers) = redis_cluster(0, &[]) else { return };
    every_first_request_is_served(&on_cluster(&servers), &servers.iter().collect::<Vec<_>>());
}

#[test]
fn the_first_request_after_an_idle_cut_is_served() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node().var("AUTH_TOKEN_TTL", "1h"));
    let token = node.token();
    let idle_timeout = |seconds| {
        assert_eq!(site.redis.cli(&["CONFIG", "SET", "timeout", seconds]), "OK");
    };
    for round in 0..5 {
        // The sweeper and what follows endings would use the connection every second.
        node.hang();
        idle_timeout("1");
        let clients = || site.redis.cli(&["CLIENT", "LIST"]).lines().count();
        eventually("the idle connections are cut", TIMEOUT, || (clients() == 1).then_some(()));
        // A request that takes a second here would else meet the next cut on its way.
        idle_timeout("0");
        node.signal("CONT");
        first_request(&node, &token, round);
    }
}

#[test]
fn the_first_request_after_redis_answers_again_is_served() {
    let Some(mut site) = Site::open() else { return };
    let node = AuthService::launch(&site.node().var("AUTH_TOKEN_TTL", "1h"));
    let token = node.token();
    for round in 0..ROUNDS {
        site.redis.kill();
        // Some rounds meet it while it is away, and must not be held to that afterwards.
        if round % 2 == 1 {
            node.session(&token).expect_problem(503, "unavailable");
        }
        site.redis.start_again();
        site.redis.wait();
        first_request(&node, &token, round);
    }
}

#[test]
fn what_was_on_its_way_when_the_connection_broke_is_a_503_and_not_repeated() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    for _ in 0..5 {
        let once = node.mint(&token, &json!({"kind": "single_use"}));
        // It has arrived, and is held there until the pause ends.
        assert_eq!(site.redis.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]), "OK");
        thread::scope(|scope| {
            let request = scope.spawn(|| node.try_validate(&json!({ "token": once })));
            let clients = || site.redis.cli(&["CLIENT", "LIST"]);
            eventually("it is held", TIMEOUT, || clients().contains("flags=b").then_some(()));
            cut(&site.redis);
            request.join().unwrap().expect_problem(503, "unavailable");
        });
        assert_eq!(site.redis.cli(&["CLIENT", "UNPAUSE"]), "OK");
        let_time_pass(Duration::from_millis(20));
        // The command that was held went with its connection: it was not carried out, nor sent by
        // another. So the token is unused, and good once.
        assert!(is_alive(&node.validate(&once)));
        assert!(!is_alive(&node.validate(&once)));
    }
}
