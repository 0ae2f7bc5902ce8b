//! Input that no client would send: a 4xx or a closed connection, and the service as it was.

use super::*;

/// What comes back for these bytes before the connection ends: the statuses, in order.
async fn statuses(server: &Server, bytes: &str) -> Vec<u16> {
    let mut client = server.connect().await;
    client.send(bytes).await;
    let mut statuses = Vec::new();
    while let Some(answer) = client.answer().await {
        statuses.push(answer.status);
    }
    statuses
}

#[tokio::test]
async fn what_is_no_request_gets_400_and_an_end() {
    let server = Server::start(Limits::default()).await;
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\nna me: v\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\nname: a\0b\r\n\r\n",
        "GET /o\0k HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET  /ok HTTP/1.1\r\nhost: x\r\n\r\n",
        "G@T /ok HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\nname\u{e9}: v\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\nname : v\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\n folded: v\r\n\r\n",
    ] {
        assert_eq!(statuses(&server, bytes).await, [400], "{bytes:?}");
    }
    server.is_fine().await;
}

#[tokio::test]
async fn http_1_1_wants_exactly_one_host() {
    let server = Server::start(Limits::default()).await;
    assert_eq!(statuses(&server, "GET /ok HTTP/1.1\r\n\r\n").await, [400]);
    let two = "GET /ok HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    assert_eq!(statuses(&server, two).await, [400]);
    assert_eq!(statuses(&server, "GET /ok HTTP/1.0\r\n\r\n").await, [200]);
}

#[tokio::test]
async fn no_second_request_can_be_smuggled_in_the_body_of_a_first() {
    let server = Server::start(Limits::default()).await;
    let smuggled = "GET /ok HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = "POST /read HTTP/1.1\r\nhost: x\r\n";
    for (head, expected) in [
        ("content-length: 5\r\ncontent-length: 6\r\n", &[400][..]),
        ("content-length: 5, 6\r\n", &[400]),
        ("content-length: +5\r\n", &[400]),
        ("content-length: -1\r\n", &[400]),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", &[200]),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", &[200]),
        ("transfer-encoding: gzip\r\n", &[400]),
        ("transfer-encoding: chunked, gzip\r\n", &[400]),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", &[400]),
        ("transfer-encoding\n: chunked\r\n", &[400]),
    ] {
        let bytes = format!("{post}{head}\r\n0\r\n\r\n{smuggled}");
        assert_eq!(statuses(&server, &bytes).await, expected, "{head:?}");
    }
    let old =
        format!("POST /read HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    assert_eq!(statuses(&server, &old).await, [400]);
}

#[tokio::test]
async fn a_chunked_request_does_not_cost_the_connection() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    let post = "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for _ in 0..2 {
        client.send(&format!("{post}3\r\nabc\r\n0\r\n\r\n")).await;
        assert_eq!(client.answer().await.unwrap().body, "3");
    }
}

#[tokio::test]
async fn a_bare_line_feed_ends_no_line() {
    let server = Server::start(Limits::default()).await;
    for bytes in [
        "GET /ok HTTP/1.1\nhost: x\n\n",
        "GET /ok HTTP/1.1\r\nhost: x\nname: v\r\n\r\n",
        "GET /ok HTTP/1.1\r\nhost: x\r\n\n",
    ] {
        assert_eq!(statuses(&server, bytes).await, [400], "{bytes:?}");
    }
    let mut client = server.connect().await;
    client.send("GET /ok HTTP/1.1\r\nhost: x").await;
    tokio::task::yield_now().await;
    client.send("\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 400);
    let fine =
        "POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n\n\n\n";
    assert_eq!(statuses(&server, fine).await, [200]);
}

#[tokio::test]
async fn requests_without_a_pause_between_them_may_be_cut_anywhere() {
    let server = Server::start(Limits::default()).await;
    let post = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n{\n}";
    for cut in 1..post.len() {
        let mut client = server.connect().await;
        let (first, rest) = post.split_at(cut);
        client.send(&format!("{post}{first}")).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{cut}");
        client.send(rest).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{first:?} | {rest:?}");
    }
}

#[tokio::test]
async fn a_bare_line_feed_is_noticed_wherever_its_request_begins() {
    let server = Server::start(Limits::default()).await;
    let bad = "GET /ok HTTP/1.1\nhost: x\r\n\r\n";
    for before in [
        "GET /ok HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n\n\n\n",
        "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(statuses(&server, &format!("{before}{bad}")).await, [200, 400], "{before:?}");
    }
}

#[tokio::test]
async fn a_broken_chunked_body_is_refused_and_ends_the_connection() {
    let server = Server::start(Limits::default()).await;
    let post = "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in
        ["zz\r\n\r\n", "ffffffffffffffffff\r\n\r\n", "5\r\nabcdefgh\r\n0\r\n\r\n", "\r\n\r\n"]
    {
        assert_eq!(statuses(&server, &format!("{post}{body}")).await, [400], "{body:?}");
    }
    server.is_fine().await;
}

#[tokio::test]
async fn a_head_is_16_kib_and_100_headers_at_most() {
    let server = Server::start(Limits::default()).await;
    let close = "GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let long = |n: usize| format!("{close}name: {}\r\n\r\n", "x".repeat(n));
    assert_eq!(statuses(&server, &long(16_000)).await, [200]);
    assert_eq!(statuses(&server, &long(16_400)).await, [431]);
    assert_eq!(statuses(&server, &long(1_000_000)).await, [431]);
    let many = |n: usize| format!("{close}{}\r\n", "name: v\r\n".repeat(n));
    assert_eq!(statuses(&server, &many(98)).await, [200]);
    assert_eq!(statuses(&server, &many(99)).await, [431]);
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
    assert!(matches!(statuses(&server, &path).await[..], [414 | 431]));
    server.is_fine().await;
}
