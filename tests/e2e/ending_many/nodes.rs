//! Several nodes on one Redis, and logins that race with an end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::{KEY, grant, launch, looked_at};
use crate::harness::{AuthService, Redis, Request};
use crate::redis::nodes::Site;

#[test]
fn what_one_node_ends_is_over_on_the_other() {
    let Some(site) = Site::open() else { return };
    let nodes = [(); 2].map(|()| AuthService::launch(&site.node().var("AUTH_INTERNAL_KEY", KEY)));
    let open = |node: &AuthService| grant(node, "7", "user", &json!({"ip": "203.0.113.7"}));
    let (admin, other) = (nodes[0].token(), grant(&nodes[1], "8", "user", &json!({})));
    let tokens: Vec<String> = (0..600).map(|number| open(&nodes[number % 2])).collect();
    let mut after = String::new();
    let mut seen = std::collections::BTreeSet::new();
    for node in nodes.iter().cycle() {
        let target = format!("/api/v1/sessions?user=7&limit=101{after}");
        let page = node.public.send(Request::get(&target).bearer(&admin)).expect(200).json();
        let sessions = page["sessions"].as_array().unwrap();
        seen.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(sessions.len(), 101);
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), tokens.len());
    let delete = Request::delete("/api/v1/sessions?ip=203.0.113.0/24").bearer(&admin);
    assert_eq!(nodes[0].public.send(delete).expect(200).json(), json!({"ended": tokens.len()}));
    for token in tokens.iter().step_by(50) {
        assert!(!looked_at(&nodes[0], token) && !looked_at(&nodes[1], token));
    }
    assert!(looked_at(&nodes[0], &other) && looked_at(&nodes[1], &admin));
}

/// While sessions are opened without a pause, an end comes to an end, and whatever was opened before it
/// is over; what it does not select lives.
fn ends_beside_logins(auth: &AuthService) {
    let admin = auth.token();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let opener = |user: &'static str| {
            let stop = &stop;
            move || {
                let mut opened = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    opened.push(grant(auth, user, "user", &json!({"ip": "203.0.113.7"})));
                }
                opened
            }
        };
        let (hit, spared) = (scope.spawn(opener("hit")), scope.spawn(opener("spared")));
        for _ in 0..10 {
            let before = grant(auth, "hit", "user", &json!({}));
            let delete = Request::delete("/api/v1/sessions?user=hit").bearer(&admin);
            let ended = auth.public.send(delete).expect(200).json();
            assert!(ended["ended"].as_u64().unwrap() >= 1, "{ended}");
            assert!(!looked_at(auth, &before));
        }
        stop.store(true, Ordering::Relaxed);
        hit.join().unwrap();
        assert!(spared.join().unwrap().iter().all(|token| looked_at(auth, token)));
    });
}

#[test]
fn an_end_comes_to_an_end_beside_logins() {
    ends_beside_logins(&AuthService::launch(&launch()));
}

#[test]
fn an_end_comes_to_an_end_beside_logins_in_redis() {
    let Some(redis) = Redis::start(&[]) else { return };
    let launch = launch().var("AUTH_SESSION_STORE", redis.url());
    ends_beside_logins(&AuthService::launch_on_a_file(launch));
}

#[test]
fn what_is_opened_after_the_request_is_not_opened_before_it() {
    let auth = AuthService::launch(&launch());
    let (admin, before) = (auth.token(), grant(&auth, "7", "user", &json!({})));
    let session = auth.public.send(Request::get("/api/v1/sessions?user=7").bearer(&admin));
    let opened = session.expect(200).json()["sessions"][0]["created_at"].clone();
    let query = format!("opened_before={}", opened.as_str().unwrap());
    let delete = |query: &str| {
        let target = format!("/api/v1/sessions?user=7&{query}");
        auth.public.send(Request::delete(&target).bearer(&admin)).expect(200).json()
    };
    assert_eq!(delete(&query), json!({"ended": 0}), "it was opened then, and not before");
    assert!(looked_at(&auth, &before));
    assert_eq!(delete("opened_before=2999-01-01T00:00:00Z"), json!({"ended": 1}));
}
