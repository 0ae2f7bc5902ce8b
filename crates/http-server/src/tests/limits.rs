//! Clients that take their time, and more clients than there is room for.

use super::*;

/// Long enough for what is meant to happen, short enough for a test.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_mins(10);

/// Nothing times out but what a test shortens.
fn patient() -> Limits {
    Limits {
        head_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        write_timeout: LONG,
        linger: SHORT,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_head_that_trickles_is_ended_while_others_are_served() {
    let server = Server::start(Limits { head_timeout: SHORT, ..patient() }).await;
    let mut slow = server.connect().await;
    slow.send("GET /ok HTTP/1.1\r\nhost: x\r\n").await;
    let trickle = async {
        loop {
            slow.send("a").await;
            if let Ok(answer) = tokio::time::timeout(SHORT / 10, slow.answer()).await {
                break answer;
            }
        }
    };
    let others = async {
        for _ in 0..20 {
            server.is_fine().await;
        }
    };
    let (answer, ()) = tokio::join!(trickle, others);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.closes());
    slow.is_closed().await;
}

#[tokio::test]
async fn a_connection_that_never_says_a_word_is_ended() {
    let server = Server::start(Limits { head_timeout: SHORT, ..patient() }).await;
    server.connect().await.is_closed().await;
}

#[tokio::test]
async fn a_connection_that_has_been_idle_for_long_is_ended() {
    let server = Server::start(Limits { idle_timeout: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    // Each request gives it its whole time again.
    for _ in 0..3 {
        tokio::time::sleep(SHORT / 2).await;
        assert_eq!(client.get("/ok").await.body, "ok");
    }
    client.is_closed().await;
}

#[tokio::test]
async fn a_second_head_that_trickles_is_ended_too() {
    let server = Server::start(Limits { head_timeout: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/ok").await.body, "ok");
    client.send("GET").await;
    assert_eq!(client.answer().await.unwrap().status, 408);
}

#[tokio::test]
async fn a_request_in_progress_is_given_its_time() {
    let server =
        Server::start(Limits { head_timeout: SHORT, idle_timeout: SHORT, ..patient() }).await;
    let mut client = server.at_the_gate().await;
    assert!(tokio::time::timeout(SHORT * 3, client.answer()).await.is_err());
    server.gate.open.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "waited");
}

#[tokio::test]
async fn a_body_that_trickles_is_ended_and_the_handler_can_tell_why() {
    let server = Server::start(Limits { body_timeout: SHORT, ..patient() }).await;
    for framing in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut client = server.connect().await;
        client.send(&format!("POST /read HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n")).await;
        let answer = loop {
            client.send("1\r\nx\r\n").await;
            if let Ok(answer) = tokio::time::timeout(SHORT / 10, client.answer()).await {
                break answer.unwrap();
            }
        };
        assert_eq!((answer.status, &*answer.body), (408, "too slow"), "{framing}");
        assert!(answer.closes());
    }
    server.is_fine().await;
}

#[tokio::test]
async fn a_body_that_nobody_waits_for_is_not_waited_for() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    client.send("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.closes());
    client.is_closed().await;
}

#[tokio::test]
async fn past_the_limit_a_connection_is_turned_away_with_an_answer() {
    let server = Server::start(Limits { connections: 2, ..patient() }).await;
    let mut waiting = [server.at_the_gate().await, server.at_the_gate().await];
    let refused = server.connect().await.get("/ok").await;
    assert_eq!(refused.status, 503);
    assert!(refused.closes() && refused.head.contains("retry-after: 1"), "{}", refused.head);
    assert!(refused.body.contains("\"code\":\"unavailable\""), "{}", refused.body);
    server.gate.open.add_permits(2);
    for client in &mut waiting {
        assert_eq!(client.answer().await.unwrap().body, "waited");
    }
}

#[tokio::test]
async fn past_the_limit_idle_connections_make_room() {
    let limits = Limits { connections: 2, evict_after: Duration::ZERO, ..patient() };
    let server = Server::start(limits).await;
    let mut busy = server.at_the_gate().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/ok").await.body, "ok");
    server.is_fine().await;
    idle.is_closed().await;
    server.gate.open.add_permits(1);
    assert_eq!(busy.answer().await.unwrap().body, "waited");
}

#[tokio::test]
async fn a_place_is_free_again_after_its_connection() {
    let limits = Limits { connections: 1, evict_after: LONG, ..patient() };
    let server = Server::start(limits).await;
    for _ in 0..50 {
        let mut client = server.connect().await;
        client.send("GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        client.is_closed().await;
        drop(client);
        server.life.listener_group().connections().close();
        server.life.listener_group().connections().wait().await;
        server.life.listener_group().connections().reopen();
    }
}

#[tokio::test]
async fn two_hundred_idle_and_slow_connections_leave_the_rest_unharmed() {
    let server = Server::start(patient()).await;
    let mut held = Vec::new();
    for number in 0..200 {
        let mut client = server.connect().await;
        if number % 2 == 0 {
            client.send("GET /ok HTTP/1.1\r\nhost").await;
        }
        held.push(client);
    }
    for _ in 0..50 {
        server.is_fine().await;
    }
}

/// Waits until the server has so many connections.
async fn connected(server: &Server, count: usize) {
    let begun = tokio::time::Instant::now();
    while server.life.registry().open() != count {
        assert!(begun.elapsed() < Duration::from_secs(20), "a connection stays open");
        tokio::time::sleep(SHORT / 10).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_connection() {
    let server = Server::start(Limits { write_timeout: SHORT, ..patient() }).await;
    let get = "GET /long HTTP/1.1\r\nhost: x\r\n\r\n";
    for request in [get.to_owned(), get.repeat(3), format!("{get}GET /ok HTTP/1.1\r\n")] {
        let mut client = server.connect().await;
        client.send(&request).await;
        connected(&server, 1).await;
        connected(&server, 0).await;
        let taken = client.take_all(usize::MAX, Duration::ZERO).await;
        assert!(taken < LONG_ANSWER, "{taken}");
    }
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_but_steadily_is_given_its_time() {
    let limits = Limits { write_timeout: SHORT, idle_timeout: SHORT, ..patient() };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    client.send("GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let begun = tokio::time::Instant::now();
    let taken = client.take_all(256 * 1024, SHORT / 10).await;
    assert!(taken > LONG_ANSWER, "{taken}");
    assert!(begun.elapsed() > SHORT, "it took longer than nothing may be taken for");
}

#[tokio::test]
async fn an_answer_that_is_taken_byte_by_byte_is_not_taken() {
    let server = Server::start(Limits { write_timeout: SHORT * 3, ..patient() }).await;
    let mut client = server.connect().await;
    client.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    connected(&server, 1).await;
    tokio::select! {
        taken = client.take_all(1, SHORT / 50) => assert!(taken < LONG_ANSWER, "{taken}"),
        () = connected(&server, 0) => {}
    }
}
