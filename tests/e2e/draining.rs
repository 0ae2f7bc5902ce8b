//! Stopping: nothing that was asked goes unanswered, and the exit code says how it went.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    AuthService, BusinessService, Connection, DEMO, Launch, Listener, Request, TIMEOUT, eventually,
    now,
};

/// Sends the same request over and over on keep-alive connections, until the service says that
/// it closes and no longer accepts. Fails where a request that went out was not answered well.
fn keep_asking(listener: Listener, request: &Request, stopping: &AtomicBool) -> usize {
    let mut answered = 0;
    let mut open_connection: Option<Connection> = None;
    loop {
        let is_new = open_connection.is_none();
        let connection = open_connection.take().map_or_else(|| listener.try_connect(), Ok);
        match connection.and_then(|mut open| Ok((open.try_send(request)?, open))) {
            Ok((answer, open)) => {
                let answer = answer.expect(200);
                answered += 1;
                open_connection = (answer.header("connection") != Some("close")).then_some(open);
            }
            // A new connection may have waited in vain for a listener that closed: nobody read
            // its request, and a client is free to ask elsewhere.
            Err(error) => {
                assert!(is_new, "a request on an open connection failed: {error}");
                assert!(stopping.load(Ordering::SeqCst), "failed before the signal: {error}");
                assert!(listener.try_connect().is_err(), "failed while it accepts: {error}");
                return answered;
            }
        }
    }
}

fn drain_under_load(listener: Listener, request: &Request, stop: impl FnOnce()) {
    let stopping = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|_| scope.spawn(|| keep_asking(listener, request, &stopping))).collect();
        let mut idle: Vec<Connection> = (0..20).map(|_| listener.connect()).collect();
        for connection in &mut idle {
            connection.send(request).expect(200);
        }
        stopping.store(true, Ordering::SeqCst);
        stop();
        for client in clients {
            assert!(client.join().unwrap() > 0, "a client was never answered");
        }
    });
}

#[test]
fn auth_service_stops_under_load_without_a_failed_request() {
    let mut auth = AuthService::launch(&Launch::auth().var("DRAIN_DELAY", "500ms"));
    let token = auth.token();
    let request = Request::post("/validateToken").json(&json!({"token": token}));
    let began = now();
    drain_under_load(auth.internal, &request, || auth.signal("TERM"));
    assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
    assert!(began.elapsed() >= Duration::from_millis(500), "the delay was not kept");
}

#[test]
fn business_service_stops_under_load_without_a_failed_request() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port).var("DRAIN_DELAY", "500ms");
    let mut business = BusinessService::launch(&launch);
    let request = Request::get("/data").bearer(&auth.token());
    drain_under_load(business.public, &request, || business.signal("TERM"));
    assert_eq!(business.wait_for_end(TIMEOUT).code(), Some(0));
}

#[test]
fn the_pair_in_one_process_stops_under_load_without_a_failed_request() {
    for workers in ["1", "3"] {
        let launch = Launch::pair().var("DRAIN_DELAY", "300ms").var("WORKERS", workers);
        let mut pair = launch.start();
        let (public, business) = (pair.listener("public"), pair.listener("business"));
        let login = json!({"username": DEMO.0, "password": DEMO.1});
        let login = public.send(Request::post("/login").json(&login)).expect(200).json();
        let request = Request::get("/data").bearer(login["token"].as_str().unwrap());
        drain_under_load(business, &request, || pair.signal("TERM"));
        assert_eq!(pair.wait_for_end(TIMEOUT).code(), Some(0));
    }
}

/// Asks on one connection after the other; how often one that was made got no answer.
fn ask_on_new_connections(listener: Listener) -> usize {
    let request = Request::get("/livez").header("Connection", "close");
    let mut lost = 0;
    while let Ok(mut connection) = listener.try_connect() {
        lost += usize::from(connection.try_send(&request).is_err());
    }
    lost
}

#[test]
fn whoever_connects_while_no_other_connection_is_left_is_answered() {
    let lost = |workers: &str| {
        let launch = Launch::business(1).var("WORKERS", workers).var("DRAIN_DELAY", "10ms");
        let mut business = BusinessService::launch(&launch);
        let listener = business.public;
        let client = thread::spawn(move || ask_on_new_connections(listener));
        business.signal("TERM");
        assert_eq!(business.wait_for_end(TIMEOUT).code(), Some(0));
        client.join().unwrap()
    };
    // The last attempt of each is one that nobody takes any more, and costs a second.
    thread::scope(|scope| {
        let rounds = ["1", "3"].into_iter().cycle().take(12);
        let rounds: Vec<_> =
            rounds.map(|workers| (workers, scope.spawn(move || lost(workers)))).collect();
        for (workers, lost) in rounds {
            assert_eq!(lost.join().unwrap(), 0, "with {workers} workers");
        }
    });
}

#[test]
fn while_it_drains_it_is_not_ready_but_serves_and_says_close() {
    let mut auth = AuthService::launch(&Launch::auth().var("DRAIN_DELAY", "20s"));
    let token = auth.token();
    let mut open_connection = auth.public.connect();
    open_connection.send(&Request::get("/livez")).expect(200);
    auth.signal("TERM");
    eventually("not ready", TIMEOUT, || (auth.public.get("/readyz").status == 503).then_some(()));
    auth.internal.get("/livez").expect(200);
    auth.session(&token).expect(200);
    let last = open_connection.send(&Request::get("/session").bearer(&token)).expect(200);
    assert_eq!(last.header("connection"), Some("close"));
    assert!(auth.is_running());
    auth.signal("TERM");
    assert_eq!(
        auth.wait_for_end(Duration::from_secs(5)).code(),
        Some(1),
        "a second signal ends it"
    );
}

#[test]
fn what_is_in_flight_finishes_after_the_listeners_have_closed() {
    let mut auth = AuthService::start();
    let body = json!({"username": "jsf.fusco@gmail.com", "password": "postman"}).to_string();
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut slow = auth.public.connect();
    assert!(slow.write(head.as_bytes()) && slow.write(&body.as_bytes()[..10]));
    // A request on another connection has gone through: the slow one's head has been read.
    auth.public.get("/livez").expect(200);
    auth.signal("TERM");
    eventually("the listeners close", TIMEOUT, || auth.public.try_connect().is_err().then_some(()));
    assert!(slow.write(&body.as_bytes()[10..]));
    let answer = slow.read_answer(false).unwrap().expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
}

#[test]
fn ctrl_c_is_a_signal_to_stop_as_well() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        let mut process = launch.start();
        process.listener(launch.public_listener());
        process.signal("INT");
        assert_eq!(process.wait_for_end(TIMEOUT).code(), Some(0));
    }
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let mut auth = AuthService::start();
    let mut idle: Vec<Connection> = (0..50).map(|_| auth.public.connect()).collect();
    for connection in idle.iter_mut().take(25) {
        connection.send(&Request::get("/livez")).expect(200);
    }
    let stopped = now();
    auth.signal("TERM");
    assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(5), "it took {:?}", stopped.elapsed());
}

#[test]
fn the_pair_stops_as_one() {
    let mut pair = Launch::pair().start();
    let listeners: Vec<Listener> = ["public", "internal", "business", "business-internal"]
        .into_iter()
        .map(|name| pair.listener(name))
        .collect();
    pair.signal("TERM");
    assert_eq!(pair.wait_for_end(TIMEOUT).code(), Some(0));
    assert!(listeners.iter().all(|listener| listener.try_connect().is_err()));
}
