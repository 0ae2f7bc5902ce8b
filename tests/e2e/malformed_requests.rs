//! What no client would send: refused or cut off in bounded time, the service as it was.

use std::thread;
use std::time::Duration;

use crate::harness::{AuthService, BusinessService, Connection, Listener, Request, is_alive, now};

/// Fails unless each answer in these bytes is a 4xx; no answer at all is as good.
#[track_caller]
fn expect_refusal(what: &str, answer: &str) {
    let statuses: Vec<&str> =
        answer.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert!(statuses.iter().all(|status| status.starts_with('4')), "{what}: {answer}");
}

fn for_each_service(check: impl Fn(Listener, &str)) {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    check(auth.public, "/livez");
    check(auth.internal, "/livez");
    check(business.public, "/livez");
    assert!(is_alive(&auth.validate(&auth.token())), "the service is not as it was");
}

#[test]
fn a_head_that_is_no_http_is_refused() {
    for_each_service(|listener, path| {
        for head in [
            "\r\n\r\n\r\nnonsense\r\n\r\n".to_owned(),
            format!("GET {path}\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET {path} HTTP/9.9\r\nHost: x\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHo st: x\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".to_owned(),
        ] {
            expect_refusal(&head, &listener.exchange(head.as_bytes()));
        }
        let mut invalid = format!("GET {path}").into_bytes();
        invalid.extend_from_slice(b"\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        expect_refusal("invalid UTF-8 in the path", &listener.exchange(&invalid));
        listener.get(path).expect(200);
    });
}

#[test]
fn a_head_over_16_kib_or_100_headers_is_refused_and_one_below_is_not() {
    for_each_service(|listener, path| {
        let many = |count: usize| {
            let request = Request::get(path).header("Connection", "close");
            (0..count).fold(request, |request, n| request.header(&format!("X-{n}"), "y"))
        };
        // Host and Connection count as well.
        listener.connect().send(&many(95)).expect(200);
        expect_refusal("150 headers", &listener.exchange(&many(150).encode(1)));
        let long = |length: usize| Request::get(path).header("X-Long", "y".repeat(length));
        listener.send(long(12_000)).expect(200);
        for length in [20_000, 60_000, 1_000_000] {
            expect_refusal("a long head", &listener.exchange(&long(length).encode(1)));
        }
        let target = format!("{path}?{}", "q".repeat(60_000));
        expect_refusal("a long target", &listener.exchange(&Request::get(&target).encode(1)));
    });
}

const SECOND: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// The answers to a `POST /login` with these framing headers and this body.
fn post_framed(listener: Listener, framing: &str, body: &str) -> String {
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
    );
    listener.exchange(head.as_bytes())
}

#[test]
fn a_request_that_hides_another_is_refused_and_the_other_is_not_answered() {
    let auth = AuthService::start();
    let chunked = format!("0\r\n\r\n{SECOND}");
    for (framing, body) in [
        ("Content-Length: 4\r\nContent-Length: 5", "{}{}"),
        ("Content-Length: 2, 5", "{}{}"),
        ("Content-Length: +2", "{}"),
        ("Content-Length: 0x2", "{}"),
        ("Content-Length: -1", "{}"),
        ("Content-Length: 99999999999999999999", "{}"),
        ("Transfer-Encoding: chunked, identity", chunked.as_str()),
        ("Transfer-Encoding: xchunked", &chunked),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", &chunked),
        ("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "2\r\n{}XX0\r\n\r\n"),
    ] {
        let answer = post_framed(auth.public, framing, body);
        expect_refusal(framing, &answer);
        assert!(
            !answer.contains("HTTP/1.1 404"),
            "the hidden request was answered: {framing}: {answer}"
        );
    }
    auth.token();
}

#[test]
fn length_and_chunks_together_hide_nothing() {
    let auth = AuthService::start();
    let body = format!("0\r\n\r\n{SECOND}");
    let framing = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", body.len());
    let answer = post_framed(auth.public, &framing, &body);
    expect_refusal("two lengths", &answer);
    let answers = answer.matches("HTTP/1.1 ").count();
    assert!(answers <= 1, "the connection must not go on after it: {answer}");
}

#[test]
fn a_body_shorter_than_announced_is_no_login() {
    let auth = AuthService::start();
    let body = r#"{"username":"jsf.fusco@gmail.com","password":"postman"}"#;
    let answer = post_framed(auth.public, &format!("Content-Length: {}", body.len() + 10), body);
    expect_refusal("a body that breaks off", &answer);
    let answer = post_framed(auth.public, &format!("Content-Length: {}", body.len() - 3), body);
    expect_refusal("a body that is cut", &answer);
    assert_eq!(auth.metric("auth_sessions_active"), Some(0.0));
}

/// Sends a byte every half a second until the service has had enough; fails after 15 s.
fn trickle(mut connection: Connection, byte: u8) -> Duration {
    let began = now();
    connection.set_read_timeout(Duration::from_millis(500));
    loop {
        let open = connection.write(&[byte]);
        match connection.read_answer(false) {
            Ok(answer) => assert!((400..500).contains(&answer.status), "{answer:?}"),
            Err(error) if is_timeout(&error) && open => {
                assert!(began.elapsed() < Duration::from_secs(15), "still open after 15 s");
                continue;
            }
            Err(_) => {}
        }
        return began.elapsed();
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

#[test]
fn heads_and_bodies_that_trickle_are_cut_off_within_15_seconds_and_others_are_served() {
    let auth = AuthService::start();
    let token = auth.token();
    let opened = |head: &str| {
        let mut connection = auth.public.connect();
        assert!(connection.write(head.as_bytes()));
        connection
    };
    let heads = [
        ("", b'G'),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", b'y'),
        (
            "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
            b' ',
        ),
    ];
    thread::scope(|scope| {
        let slow: Vec<_> = heads
            .iter()
            .map(|(head, byte)| (opened(head), *byte))
            .map(|(connection, byte)| scope.spawn(move || trickle(connection, byte)))
            .collect();
        while slow.iter().any(|slow| !slow.is_finished()) {
            let sent_at = now();
            auth.session(&token).expect(200);
            assert!(
                sent_at.elapsed() < Duration::from_secs(2),
                "others wait {:?}",
                sent_at.elapsed()
            );
            crate::harness::let_time_pass(Duration::from_millis(100));
        }
        for slow in slow {
            slow.join().unwrap();
        }
    });
}

#[test]
fn a_client_that_hangs_up_half_way_harms_nobody() {
    let auth = AuthService::start();
    for round in 0..50 {
        let mut connection = auth.public.connect();
        let request = Request::post("/login").basic("jsf.fusco@gmail.com", "postman").encode(1);
        let cut = request.len() * round / 50;
        connection.write(&request[..cut]);
    }
    auth.token();
}

#[test]
fn idle_connections_leave_room_for_others() {
    let auth = AuthService::start();
    let idle: Vec<Connection> = (0..300).map(|_| auth.public.connect()).collect();
    let sent_at = now();
    auth.session(&auth.token()).expect(200);
    assert!(sent_at.elapsed() < Duration::from_secs(3));
    drop(idle);
}

#[test]
fn two_requests_sent_at_once_are_answered_in_order() {
    let auth = AuthService::start();
    let mut both = Request::get("/livez").encode(1);
    both.extend(Request::get("/nothing").encode(1));
    let mut connection = auth.public.connect();
    connection.write(&both);
    connection.read_answer(false).unwrap().expect(200);
    connection.read_answer(false).unwrap().expect(404);
}
