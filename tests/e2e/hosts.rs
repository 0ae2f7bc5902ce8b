//! Which hosts the services answer for while only this machine reaches them: whoever rebinds a name
//! of theirs to a loopback address has a page of the service's own origin otherwise.

use std::io::Write;

use serde_json::json;

use crate::harness::{
    Answer, AuthService, BusinessService, DEMO, Launch, Listener, Request, unused_port,
};

const OURS: [&str; 9] = [
    "localhost",
    "localhost:1",
    "LOCALHOST:8080",
    "localhost.:8080",
    "127.0.0.1:1",
    "127.9.9.9",
    "[::1]:8080",
    "auth.example.com",
    "AUTH.example.com.:443",
];

const NOT_OURS: [&str; 14] = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "auth.example.com.evil.example",
    "sub.localhost",
    "10.0.0.1:8080",
    "0.0.0.0:8080",
    "[::]:8080",
    "[fe80::1%25lo]:8080",
    "[::1%lo]",
    "user@localhost",
    "localhost@evil.example",
    "127.1",
    "",
];

/// With a public URL whose host is none of the machine's.
fn launch() -> Launch {
    Launch::auth().var("AUTH_PUBLIC_URL", "https://auth.example.com")
}

fn to(listener: Listener, host: &str, request: Request) -> Answer {
    listener.send(request.header("Host", host))
}

#[test]
fn a_host_that_is_none_of_ours_is_refused_whatever_is_asked() {
    let auth = AuthService::launch(&launch().var("AUTH_ALLOWED_ORIGINS", "https://spa.example"));
    let token = auth.token();
    for host in NOT_OURS {
        for request in [
            Request::get("/"),
            Request::get("/login"),
            Request::get("/nowhere"),
            Request::get("/session").bearer(&token),
            Request::post("/login").json(&json!({"username": DEMO.0, "password": DEMO.1})),
            Request::post("/tokens")
                .bearer(&token)
                .json(&json!({}))
                .header("Origin", format!("http://{host}")),
            Request::new("OPTIONS", "/login")
                .header("Origin", "https://spa.example")
                .header("Access-Control-Request-Method", "POST"),
        ] {
            let answer = to(auth.public, host, request);
            answer.expect_problem(421, "misdirected_request");
        }
    }
    assert_eq!(auth.session(&token).json()["refresh_count"], 1, "no token was used");
}

#[test]
fn our_own_hosts_are_answered() {
    let auth = AuthService::launch(&launch());
    for host in OURS {
        to(auth.public, host, Request::get("/login")).expect(200);
    }
}

#[test]
fn a_person_gets_a_page_that_leads_nowhere() {
    let auth = AuthService::launch(&launch());
    let page = Request::get("/account").header("Accept", "text/html");
    let answer = to(auth.public, "evil.example", page).expect(421);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let text = answer.text();
    assert!(text.contains("misdirected_request") && !text.contains("<a "), "{text}");
    assert!(!text.contains("evil.example"), "{text}");
    let style = to(auth.public, "evil.example", Request::get("/reinflate.css")).expect(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn probes_and_internal_listeners_take_any_host() {
    let auth = AuthService::launch(&launch());
    let business = BusinessService::start(&auth);
    for listener in [auth.public, auth.internal, business.public, business.internal] {
        for path in ["/livez", "/readyz"] {
            to(listener, "10.1.2.3:8080", Request::get(path)).expect(200);
        }
    }
    let token = auth.token();
    for path in ["/authz/auth-request", "/authz/forward-auth", "/authz/ext-authz/x", "/metrics"] {
        to(auth.internal, "app.example.com", Request::get(path).bearer(&token)).expect(200);
    }
    let ask = Request::post("/validateToken").json(&json!({"token": token}));
    to(auth.internal, "auth-1:8081", ask).expect(200);
    to(business.internal, "business-1:8091", Request::get("/metrics")).expect(200);
}

#[test]
fn a_target_with_a_host_two_hosts_and_none() {
    let auth = AuthService::launch(&launch());
    let ask = |head: &str| {
        auth.public.exchange(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())
    };
    for (head, status) in [
        ("GET http://evil.example/login HTTP/1.1\r\nHost: localhost", "421"),
        ("GET http://localhost/login HTTP/1.1\r\nHost: evil.example", "421"),
        ("GET http://auth.example.com/login HTTP/1.1\r\nHost: localhost", "200"),
        ("GET http://user@localhost/login HTTP/1.1\r\nHost: localhost", "421"),
        ("GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", "400"),
        ("GET /login HTTP/1.1\r\nHost: localhost\r\nHost: localhost", "400"),
        ("GET /login HTTP/1.1", "400"),
        ("GET /login HTTP/1.0", "200"),
        ("GET /login HTTP/1.0\r\nHost: evil.example", "421"),
        ("GET /login HTTP/1.0\r\nHost: localhost\r\nHost: evil.example", "400"),
        ("GET //evil.example/login HTTP/1.1\r\nHost: localhost", "404"),
    ] {
        let answer = ask(head);
        let got = answer.split(' ').nth(1);
        assert_eq!(got, Some(status), "{head:?}: {answer}");
    }
}

#[test]
fn more_hosts_are_named_or_any() {
    let named = AuthService::launch(&launch().var("AUTH_ALLOWED_HOSTS", "auth.lan, [2001:db8::1]"));
    for host in ["auth.lan:8080", "Auth.LAN", "[2001:db8::1]:1", "localhost", "auth.example.com"] {
        to(named.public, host, Request::get("/login")).expect(200);
    }
    to(named.public, "www.auth.lan", Request::get("/login")).expect(421);
    let any = AuthService::launch(&launch().var("AUTH_ALLOWED_HOSTS", "*"));
    to(any.public, "evil.example", Request::get("/login")).expect(200);
}

#[test]
fn the_rule_holds_on_loopback_and_in_demo_mode_and_not_where_port_made_the_address() {
    for (address, demo, held) in [
        ("127.0.0.1:0", "false", true),
        ("127.0.0.1:0", "true", true),
        ("0.0.0.0:0", "true", true),
        ("0.0.0.0:0", "false", false),
        ("[::1]:0", "false", true),
    ] {
        let launch = launch().var("AUTH_PUBLIC_ADDR", address).var("AUTH_DEMO", demo);
        let auth = AuthService::launch(&launch);
        let expected = if held { 421 } else { 200 };
        if address.starts_with('[') {
            let mut stream = std::net::TcpStream::connect(("::1", auth.public.port)).unwrap();
            stream
                .write_all(b"GET /login HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n")
                .unwrap();
            let answer = std::io::read_to_string(stream).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        } else {
            let answer = to(auth.public, "x.example", Request::get("/login"));
            assert_eq!(answer.status, expected, "{address} {demo}");
        }
    }
    let port = unused_port().to_string();
    let auth = AuthService::launch(&launch().without("AUTH_PUBLIC_ADDR").var("PORT", port));
    to(auth.public, "x.example", Request::get("/login")).expect(200);
}

#[test]
fn business_service_keeps_the_same_rule() {
    let auth = AuthService::start();
    let token = auth.token();
    let launch = Launch::business(auth.internal.port)
        .var("BUSINESS_PUBLIC_URL", "https://auth.example.com")
        .var("BUSINESS_ALLOWED_HOSTS", "app.lan");
    let business = BusinessService::launch(&launch);
    let data = || Request::get("/data").bearer(&token);
    for host in OURS.into_iter().chain(["app.lan:8090"]) {
        to(business.public, host, data()).expect(200);
    }
    for host in NOT_OURS {
        to(business.public, host, data()).expect_problem(421, "misdirected_request");
        to(business.public, host, Request::get("/nowhere"))
            .expect_problem(421, "misdirected_request");
    }
    let open = BusinessService::launch(&launch.var("BUSINESS_ADDR", "0.0.0.0:0"));
    to(open.public, "evil.example", data()).expect(200);
}

#[test]
fn in_one_process_each_service_is_reached_by_the_names_of_both() {
    let launch = Launch::pair()
        .var("AUTH_PUBLIC_URL", "https://auth.example.com")
        .var("BUSINESS_PUBLIC_URL", "https://app.example.com");
    let mut pair = launch.start();
    for listener in [pair.listener("public"), pair.listener("business")] {
        for host in ["auth.example.com", "app.example.com:1", "localhost"] {
            to(listener, host, Request::get("/"))
                .expect(if listener.port == pair.listener("public").port { 200 } else { 303 });
        }
        to(listener, "evil.example", Request::get("/")).expect_problem(421, "misdirected_request");
    }
    // In demo mode beyond loopback too.
    let open = launch.var("BUSINESS_ADDR", "0.0.0.0:0").var("AUTH_DEMO", "true");
    let mut pair = open.start();
    to(pair.listener("business"), "evil.example", Request::get("/")).expect(421);
}

#[test]
fn nonsense_is_refused_at_the_start() {
    for (launch, name) in
        [(Launch::auth(), "AUTH_ALLOWED_HOSTS"), (Launch::business(1), "BUSINESS_ALLOWED_HOSTS")]
    {
        let output = launch.var(name, "auth.lan:8080").run();
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(name) && output.stderr.contains("auth.lan:8080"));
    }
}
