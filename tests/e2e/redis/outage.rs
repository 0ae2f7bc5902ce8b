//! A Redis that is down: 503 at every endpoint, no user logged out, no request let through, nothing
//! restarted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::nodes::{Site, business};
use crate::harness::{Answer, AuthService, DEMO, Request, TIMEOUT, eventually, let_time_pass, now};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(10);

/// Every endpoint that takes a token.
fn endpoints(token: &str) -> Vec<(bool, Request)> {
    let form = format!("token={token}");
    vec![
        (false, Request::post("/validateToken").json(&json!({ "token": token }))),
        (false, Request::post("/validateToken").json(&json!({ "tokens": [token, token] }))),
        (false, Request::post("/introspect").form(&form)),
        (false, Request::get("/authz/auth-request").bearer(token)),
        (false, Request::get("/authz/forward-auth").bearer(token)),
        (false, Request::get("/authz/ext-authz/x").bearer(token)),
        (false, Request::get("/session/data").bearer(token)),
        (true, Request::get("/session").bearer(token)),
        (true, Request::get("/sessions").bearer(token)),
        (true, Request::post("/session/rotate").bearer(token)),
        (true, Request::post("/tokens").bearer(token).json(&json!({}))),
        (true, Request::get("/api/v1/users/me").bearer(token)),
        (true, Request::post("/logout").bearer(token)),
        (true, Request::post("/logout").cookie(token).cookie("nonsense")),
        (true, Request::post("/revoke").form(&form)),
        (true, Request::post("/login").json(&json!({"username": DEMO.0, "password": DEMO.1}))),
    ]
}

fn send(node: &AuthService, (public, request): (bool, Request)) -> Answer {
    if public { node.public.send(request) } else { node.internal.send(request) }
}

#[test]
fn every_door_says_that_it_cannot_tell_and_remembers_everybody() {
    let Some(mut site) = Site::open() else { return };
    let mut node = AuthService::launch(&site.node());
    let data = business(&[&node]);
    let (token, over) = (node.token(), node.token());
    node.logout(&over);
    site.redis.kill();
    for presented in [&token, &over] {
        for endpoint in endpoints(presented) {
            let line = format!(
                "{} {:?}",
                endpoint.1.method,
                String::from_utf8_lossy(&endpoint.1.encode(0))
            );
            let started = now();
            let answer = send(&node, endpoint);
            assert_eq!(answer.status, 503, "{line}");
            assert!(answer.header("retry-after").is_some(), "{line}");
            assert!(started.elapsed() < Duration::from_millis(1_500), "{line}");
        }
        data.data(presented).expect_problem(503, "unavailable");
    }
    let ready = node.internal.get("/readyz").expect_problem(503, "unavailable");
    assert!(ready.text().contains("session store"));
    node.internal.get("/livez").expect(200);
    node.public.get("/openapi.json").expect(200);
    site.redis.start_again();
    site.redis.wait();
    eventually("the node is ready again", Duration::from_secs(1), || {
        (node.internal.get("/readyz").status == 200).then_some(())
    });
    eventually("data is served again", TIMEOUT, || (data.data(&token).status == 200).then_some(()));
    data.data(&over).expect_problem(401, "invalid_token");
    assert!(node.is_running());
}

#[test]
fn ten_seconds_without_redis_under_load_are_503s_and_then_everything_goes_on() {
    let Some(mut site) = Site::open() else { return };
    let mut nodes = site.two_nodes();
    let data = business(&[&nodes[0], &nodes[1]]);
    let tokens: Vec<String> = (0..20).map(|at| nodes[at % 2].token()).collect();
    let over: Vec<String> = (0..20).map(|at| nodes[at % 2].token()).collect();
    for token in &over {
        nodes[0].logout(token);
    }
    let stop = AtomicBool::new(false);
    // When each request began, which kind of token it showed, and what the answer was.
    let history: Mutex<Vec<(Instant, bool, u16)>> = Mutex::default();
    let ask = |at: usize| {
        let mut connection = data.public.connect();
        let mut turn = at;
        while !stop.load(SeqCst) {
            turn += 1;
            let live = !turn.is_multiple_of(4);
            let tokens = if live { &tokens } else { &over };
            let request = Request::get("/data").bearer(&tokens[turn % 20]);
            let began = now();
            let status = connection.send(&request).status;
            history.lock().unwrap().push((began, live, status));
        }
    };
    let back = thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|at| scope.spawn(move || ask(at))).collect();
        let_time_pass(Duration::from_secs(1));
        site.redis.kill();
        let_time_pass(AWAY);
        site.redis.start_again();
        site.redis.wait();
        let back = now();
        let_time_pass(Duration::from_secs(2));
        stop.store(true, SeqCst);
        for thread in asking {
            thread.join().unwrap();
        }
        back
    });
    assert_only_503s_and_soon_over(&history.into_inner().unwrap(), back);
    assert!(nodes.iter_mut().all(|node| node.is_running()));
}

/// Fails unless each answer was right or a 503, and all was well a second after Redis was `back`.
fn assert_only_503s_and_soon_over(history: &[(Instant, bool, u16)], back: Instant) {
    let (mut served, mut refused, mut unknown) = (0, 0, 0);
    for (_, live, status) in history {
        match (live, status) {
            (true, 200) => served += 1,
            (false, 401) => refused += 1,
            (_, 503) => unknown += 1,
            other => panic!("live and status: {other:?}"),
        }
    }
    assert!(served > 100 && refused > 30 && unknown > 10, "{served} {refused} {unknown}");
    let first = history.iter().filter(|(began, _, status)| *began > back && *status == 200);
    let first = first.map(|(began, ..)| *began).min().expect("it is served again");
    assert!(first - back < Duration::from_secs(1), "{:?}", first - back);
    let last = history.iter().filter(|(.., status)| *status == 503).map(|(began, ..)| *began).max();
    let settled = last.expect("it was away").saturating_duration_since(back);
    assert!(settled < Duration::from_secs(1), "{settled:?}");
    eprintln!(
        "{served} served, {refused} refused, {unknown} unknown; first success {:?} and last 503 {settled:?} after the return",
        first - back
    );
}

#[test]
fn a_hung_redis_is_a_503_in_time_and_piles_nothing_up() {
    let Some(site) = Site::open() else { return };
    let mut node = AuthService::launch(&site.node());
    let data = business(&[&node]);
    let token = node.token();
    site.redis.signal("STOP");
    let slowest = Mutex::new(Duration::ZERO);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut connection = data.public.connect();
                for _ in 0..10 {
                    let began = now();
                    let answer = connection.send(&Request::get("/data").bearer(&token));
                    answer.expect_problem(503, "unavailable");
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = began.elapsed().max(*slowest);
                }
            });
        }
        let began = now();
        node.public.get("/openapi.json").expect(200);
        assert!(began.elapsed() < Duration::from_secs(1), "other routes do not wait");
    });
    // The budget is a second; the rest is for a machine that runs other tests as well.
    assert!(*slowest.lock().unwrap() < Duration::from_secs(2), "{slowest:?}");
    site.redis.signal("CONT");
    eventually("it is served again", Duration::from_secs(2), || {
        (data.data(&token).status == 200).then_some(())
    });
    assert!(node.is_running());
}

#[test]
fn a_slow_way_to_redis_is_no_outage() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    for _ in 0..5 {
        assert_eq!(site.redis.cli(&["CLIENT", "PAUSE", "200", "ALL"]), "OK");
        node.session(&token).expect(200);
    }
    assert_eq!(node.look_at(&token)["session"]["refresh_count"], 5);
}

#[test]
fn a_full_redis_takes_nobody_in_and_turns_nobody_out() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.limited_node());
    let (token, other) = (node.token(), node.token());
    assert_eq!(site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    node.try_login(DEMO.0, DEMO.1).expect_problem(503, "unavailable");
    node.session(&token).expect(200);
    node.logout(&other);
    node.session(&other).expect_problem(401, "invalid_token");
    assert_eq!(site.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    node.session(&token).expect(200);
    node.token();
}

#[test]
fn a_redis_that_may_drop_sessions_is_told_of_at_the_start_and_by_the_probe() {
    let Some(site) = Site::open() else { return };
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "200mb"]);
    site.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let node = AuthService::launch(&site.node());
    assert!(!node.log_lines_with("allkeys-lru", 1).is_empty());
    let ready = node.internal.get("/readyz").expect(200).json();
    let notes = ready["notes"].as_array().expect("notes");
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("allkeys-lru")), "{ready}");
    // Anybody may ask the public listener, and what is weak here is not anybody's business.
    assert_eq!(node.public.get("/readyz").expect(200).json(), json!({"status": "ready"}));
}
