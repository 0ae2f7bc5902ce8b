//! Listeners that systemd holds: they are served by their names, and whoever connects while a service
//! is replaced waits in them, and is refused by nobody.

mod notifications;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    AuthService, BusinessService, Launch, Listener, Request, TIMEOUT, is_alive, let_time_pass, now,
};
use crate::load::{Load, under_load};

/// Two listeners of a test, which it holds as systemd does.
fn two_listeners() -> [TcpListener; 2] {
    [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn sockets_are_served_by_their_names_and_the_addresses_of_the_settings_are_not_bound() {
    let [one, other] = two_listeners();
    // Two addresses that cannot both be listened on.
    let launch = Launch::auth()
        .var("AUTH_PUBLIC_ADDR", "127.0.0.1:1")
        .var("AUTH_INTERNAL_ADDR", "127.0.0.1:1")
        .sockets([("internal", &one), ("public", &other)]);
    let auth = AuthService::launch(&launch);
    assert_eq!((auth.internal.port, auth.public.port), (port(&one), port(&other)));
    assert!(is_alive(&auth.validate(&auth.token())));
    let [one, other] = two_listeners();
    let launch = Launch::business(auth.internal.port)
        .sockets([("business", &one), ("business-internal", &other)]);
    let business = BusinessService::launch(&launch);
    assert_eq!((business.public.port, business.internal.port), (port(&one), port(&other)));
    business.data(&auth.token()).expect(200);
    business.internal.get("/readyz").expect(200);
}

#[test]
fn one_socket_may_be_handed_over_and_the_other_bound() {
    let [one, other] = two_listeners();
    let launch = Launch::pair().sockets([("public", &one), ("business", &other)]);
    let mut pair = launch.start();
    assert_eq!(pair.listener("public").port, port(&one));
    assert_eq!(pair.listener("business").port, port(&other));
    pair.listener("internal").get("/readyz").expect(200);
    pair.listener("business-internal").get("/readyz").expect(200);
}

#[test]
fn a_socket_beyond_loopback_counts_as_an_address_beyond_loopback() {
    let one = TcpListener::bind("0.0.0.0:0").unwrap();
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let launch =
        Launch::auth().var("AUTH_DEMO", "false").sockets([("public", &one), ("internal", &other)]);
    let auth = AuthService::launch(&launch);
    auth.log_lines_with("is beyond loopback without AUTH_INTERNAL_KEY", 1);
    let elsewhere = Request::get("/livez").header("Host", "auth.example.com");
    auth.public.send(elsewhere).expect(200);
}

#[test]
fn what_was_meant_for_another_process_counts_as_none() {
    let launch = Launch::auth()
        .var("LISTEN_PID", "1")
        .var("LISTEN_FDS", "2")
        .var("LISTEN_FDNAMES", "what:ever");
    AuthService::launch(&launch).internal.get("/readyz").expect(200);
}

#[test]
fn a_name_that_is_none_of_ours_is_refused() {
    let [one, other] = two_listeners();
    for (launch, name, takes) in [
        (Launch::auth(), "business", "public, internal"),
        (Launch::business(1), "public", "business, business-internal"),
        (Launch::pair(), "auth-service.socket", "public, internal, business, business-internal"),
    ] {
        let mut process = launch.sockets([("internal", &one), (name, &other)]).start();
        assert_eq!(process.wait_for_end(TIMEOUT).code(), Some(2), "{name}");
        // Standard error is one of the sockets' places here; see the unit tests for the line.
        assert_eq!(process.output(), Vec::<String>::new(), "{takes}");
    }
}

/// A service with sessions in a file, on sockets that outlive it.
struct Site {
    home: TempDir,
    sockets: [TcpListener; 2],
}

impl Site {
    fn launch(&self) -> Launch {
        let [public, internal] = &self.sockets;
        let file = |name: &str| format!("sqlite:{}", self.home.path().join(name).display());
        Launch::auth()
            .var("AUTH_SESSION_STORE", file("sessions.db"))
            .var("AUTH_DATABASE_URL", file("users.db"))
            .var("AUTH_TOKEN_TTL", "10m")
            // As the unit has it: callers give up the connections that they keep.
            .var("DRAIN_DELAY", "500ms")
            .var("RUST_LOG", "info")
            .sockets([("public", public), ("internal", internal)])
    }
}

/// Validates on a connection of its own each time until it is told to stop; the longest that one
/// took, and what went wrong.
fn validate_all_the_time(at: Listener, token: &str, stop: &AtomicBool) -> (Duration, Vec<String>) {
    let (mut longest, mut failed) = (Duration::ZERO, Vec::new());
    while !stop.load(SeqCst) {
        let begun = now();
        let request = Request::post("/validateToken").json(&json!({"token": token}));
        match at.try_send(request) {
            Ok(answer) if answer.status == 200 && is_alive(&answer.json()) => {}
            other => failed.push(format!("{other:?}")),
        }
        longest = longest.max(begun.elapsed());
    }
    (longest, failed)
}

#[test]
fn a_restart_under_load_refuses_no_connection_and_fails_no_request() {
    const ROUNDS: usize = 5;
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let site = Site { home, sockets: two_listeners() };
    let mut auth = AuthService::launch(&site.launch());
    let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_TIMEOUT", "10s");
    let data = BusinessService::launch(&launch.var("RUST_LOG", "info"));
    let tokens = auth.tokens(4);
    let (internal, stop) = (auth.internal, AtomicBool::new(false));
    let mut restarts = Vec::new();
    let (load, direct) = thread::scope(|scope| {
        let direct = scope.spawn(|| validate_all_the_time(internal, &tokens[0], &stop));
        let load = under_load(&data, &tokens, || {
            for _ in 0..ROUNDS {
                let_time_pass(Duration::from_millis(700));
                auth.signal("TERM");
                auth.log_lines_with("draining", 1);
                let begun = now();
                assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
                auth = AuthService::launch(&site.launch());
                restarts.push(begun.elapsed());
            }
            let_time_pass(Duration::from_millis(700));
        });
        stop.store(true, SeqCst);
        (load, direct.join().unwrap())
    });
    let Load { requests, failed, longest } = load;
    assert_eq!(failed, Vec::<String>::new(), "of {requests}");
    assert_eq!(direct.1, Vec::<String>::new(), "a validation on a connection of its own");
    assert!(requests > 100, "{requests}");
    eprintln!(
        "{requests} requests during {ROUNDS} restarts, none failed; the longest took {longest:?}, \
         a validation on a connection of its own {:?}; from the drain's begin, which lasts 500 ms, \
         to the next service that listens: {restarts:?}",
        direct.0
    );
}

#[test]
fn a_restart_of_business_service_refuses_no_connection_either() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_TOKEN_TTL", "10m"));
    let sockets = two_listeners();
    let launch = Launch::business(auth.internal.port)
        .var("DRAIN_DELAY", "0")
        .sockets([("business", &sockets[0]), ("business-internal", &sockets[1])]);
    let mut business = BusinessService::launch(&launch);
    let (token, stop) = (auth.token(), AtomicBool::new(false));
    let listener = business.public;
    let ask = || {
        let (mut requests, mut longest) = (0_u32, Duration::ZERO);
        while !stop.load(SeqCst) {
            let begun = now();
            listener.send(Request::get("/data").bearer(&token)).expect(200);
            (requests, longest) = (requests + 1, longest.max(begun.elapsed()));
        }
        (requests, longest)
    };
    let (requests, longest) = thread::scope(|scope| {
        let asking = scope.spawn(ask);
        for _ in 0..3 {
            let_time_pass(Duration::from_millis(300));
            business.signal("TERM");
            assert_eq!(business.wait_for_end(TIMEOUT).code(), Some(0));
            business = BusinessService::launch(&launch);
        }
        stop.store(true, SeqCst);
        asking.join().unwrap()
    });
    eprintln!(
        "{requests} connections during 3 restarts, none refused; the longest took {longest:?}"
    );
}
