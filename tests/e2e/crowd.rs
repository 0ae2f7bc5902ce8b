//! A crowd at one address that holds connections open, at a service with few open files. Others are
//! served as if it were not there. Loopback addresses stand for networks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Answer, AuthService, Connection, DEMO, Launch, Listener, Request, TIMEOUT, eventually,
    let_time_pass, now,
};

/// More than there is room for.
const CROWD: usize = 220;
const OPEN_FILES: u32 = 256;

/// What each of the crowd sends before it falls silent; it never reads.
const SENT: [(&str, &str); 6] = [
    ("nothing", ""),
    ("half a head", "POST /login HTTP/1.1\r\nhost: localhost\r\nx-a: "),
    (
        "half a body",
        "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    ),
    (
        "half a chunk",
        "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
    ),
    ("one request", "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ("a request for much", "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: localhost\r\n\r\n"),
];

/// Holds the crowd's connections open, and opens new ones all the time, until it is over.
fn crowd(listener: Listener, sent: &str, over: &AtomicBool) {
    let mut held: Vec<Connection> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if held.len() >= CROWD {
            held.remove(0);
            let_time_pass(Duration::from_millis(5));
        }
        let mut connection = listener.connect_from(2, Some(4096));
        connection.write(sent.as_bytes());
        held.push(connection);
    }
}

fn log_in_from(last: u8, listener: Listener) -> Answer {
    let body = json!({"username": DEMO.0, "password": DEMO.1});
    listener.connect_from(last, None).send(&Request::post("/login").json(&body))
}

fn at_a_crowd(listener: Listener, sent: &str, then: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| crowd(listener, sent, &over));
        // Long enough for the crowd to be complete, and for readers to stand still.
        let_time_pass(Duration::from_millis(1500));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(then));
        over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn whatever_one_address_holds_open_others_are_served() {
    let launch = Launch::auth().open_files(OPEN_FILES).var("RUST_LOG", "warn");
    for (what, sent) in SENT {
        let auth = AuthService::launch(&launch);
        at_a_crowd(auth.public, sent, || {
            let others: Vec<Answer> = (3..10)
                .cycle()
                .take(28)
                .map(|last| {
                    let begun = now();
                    let answer = log_in_from(last, auth.public);
                    assert!(
                        begun.elapsed() < Duration::from_secs(5),
                        "{what}: {:?}",
                        begun.elapsed()
                    );
                    answer
                })
                .collect();
            let refused = others.iter().filter(|answer| answer.status != 200).count();
            assert_eq!(refused, 0, "{what}: {refused} of {} refused", others.len());
            auth.internal.get("/readyz").expect(200);
        });
    }
}

#[test]
fn a_crowd_at_one_listener_shuts_no_other_listener_of_the_process() {
    let mut pair = Launch::pair().open_files(OPEN_FILES).var("RUST_LOG", "warn").start();
    let [public, business, internal] =
        ["public", "business", "internal"].map(|name| pair.listener(name));
    at_a_crowd(public, SENT[1].1, || {
        let token = log_in_from(3, public).expect(200).json()["token"].clone();
        let data = Request::get("/data").bearer(token.as_str().unwrap_or_default());
        for last in 3..10 {
            business.connect_from(last, None).send(&data).expect(200);
            internal.connect_from(last, None).send(&Request::get("/livez")).expect(200);
        }
    });
}

/// How many bytes of answers the system holds for clients of a port that have not taken them, for
/// each connection.
fn untaken(port: u16) -> Vec<usize> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let held = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, from, _, state, queues, ..] = fields[..] else { return None };
        let established = from.ends_with(&local) && state == "01";
        let held =
            queues.split_once(':').and_then(|(held, _)| usize::from_str_radix(held, 16).ok());
        held.filter(|_| established)
    });
    held.collect()
}

#[test]
fn readers_that_stand_still_cost_little_and_are_closed() {
    let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "warn"));
    let before = auth.peak_memory_kib();
    let mut readers: Vec<Connection> = (0..20)
        .map(|_| {
            let mut reader = auth.public.connect_from(2, Some(4096));
            reader.write(SENT[5].1.as_bytes());
            reader
        })
        .collect();
    eventually("all of them are answered", TIMEOUT, || {
        let held = untaken(auth.public.port);
        (held.len() == 20 && held.iter().all(|held| *held > 0)).then_some(())
    });
    // What is going to be held is held at once: the whole of it is on loopback.
    let_time_pass(Duration::from_millis(300));
    let held = untaken(auth.public.port);
    assert!(held.iter().all(|held| *held < 300 * 1024), "{held:?}");
    // They share the answer, and each has a buffer.
    let grown = auth.peak_memory_kib() - before;
    assert!(grown < 12 * 1024, "{grown} KiB more");
    eventually("they are closed", Duration::from_secs(40), || {
        untaken(auth.public.port).is_empty().then_some(())
    });
    for reader in &mut readers {
        reader.read_rest();
    }
}

#[test]
fn the_largest_answer_is_packed_for_whoever_takes_it_packed() {
    let auth = AuthService::start();
    for file in ["swagger-ui-bundle.js", "swagger-ui.css"] {
        let target = format!("/docs/{file}");
        let plain = auth.public.get(&target).expect(200);
        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            (None, Some("accept-encoding"))
        );
        let request = Request::get(&target).header("Accept-Encoding", "gzip, br");
        let packed = auth.public.send(request).expect(200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        assert!(packed.body.len() * 2 < plain.body.len(), "{file}");
    }
}
