//! A crowd of one network, and others who want to be served beside it. Loopback addresses stand for
//! networks.

use super::*;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_mins(10);
/// How many connections there is room for.
const ROOM: usize = 8;
/// The last byte of the crowd's address.
const CROWD: u8 = 2;

/// Nothing times out, and a network never makes room for itself.
fn long_timeouts() -> Limits {
    Limits {
        head_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        write_timeout: LONG,
        linger: SHORT,
        connections: ROOM,
        evict_after: LONG,
        ..Limits::default()
    }
}

/// What each of a crowd does with its connection.
#[derive(Clone, Copy, Debug)]
enum Does {
    Nothing,
    HalfAHead,
    HalfABody,
    HalfAChunkedBody,
    OneRequest,
}

const INCOMPLETE: [Does; 4] =
    [Does::Nothing, Does::HalfAHead, Does::HalfABody, Does::HalfAChunkedBody];

impl Does {
    async fn with(self, client: &mut Client) {
        match self {
            Self::Nothing => {}
            Self::HalfAHead => client.send("GET /ok HTTP/1.1\r\nhost").await,
            Self::HalfABody => {
                client.send("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await;
            }
            Self::HalfAChunkedBody => {
                let head = "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
                client.send(head).await;
                client.send("3\r\nabc\r\n").await;
            }
            Self::OneRequest => assert_eq!(client.get("/ok").await.body, "ok"),
        }
    }
}

/// Fills the server with connections of the crowd.
async fn crowd(server: &Server, does: Does) -> Vec<Client> {
    let mut crowd = Vec::new();
    for _ in 0..ROOM {
        let mut client = server.connect_from(CROWD).await;
        does.with(&mut client).await;
        crowd.push(client);
    }
    crowd
}

/// For each place a client of another network, one after the other, which stays connected.
async fn others_are_served(server: &Server, what: Does) -> Vec<Client> {
    let mut others = Vec::new();
    for last in 3..11 {
        let mut client = server.connect_from(last).await;
        let answer = client.get("/ok").await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"), "{what:?}, {last}");
        others.push(client);
    }
    others
}

#[tokio::test]
async fn what_one_network_leaves_incomplete_shuts_out_nobody_else() {
    for does in INCOMPLETE {
        let server = Server::start(long_timeouts()).await;
        let mut crowd = crowd(&server, does).await;
        others_are_served(&server, does).await;
        // The one that has been incomplete longest was the first to end, and was told why.
        let status = crowd[0].answer().await.map(|answer| answer.status);
        assert_eq!(status, (!matches!(does, Does::Nothing)).then_some(503), "{does:?}");
    }
}

#[tokio::test]
async fn idle_connections_of_one_network_shut_out_nobody_else() {
    let server = Server::start(long_timeouts()).await;
    let mut crowd = crowd(&server, Does::OneRequest).await;
    others_are_served(&server, Does::OneRequest).await;
    crowd[0].is_closed_cleanly().await;
}

#[tokio::test]
async fn a_crowd_that_comes_back_for_ever_shuts_out_nobody_else() {
    let server = Server::start(long_timeouts()).await;
    let mut crowd = crowd(&server, Does::HalfAHead).await;
    for last in 3..40 {
        let mut client = server.connect_from(CROWD).await;
        Does::HalfAHead.with(&mut client).await;
        crowd.push(client);
        let mut other = server.connect_from(last).await;
        assert_eq!(other.get("/ok").await.status, 200, "{last}");
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_shut_out_nobody_else() {
    let limits = Limits { evict_after: Duration::from_millis(20), ..long_timeouts() };
    let server = Server::start(limits).await;
    let mut crowd = Vec::new();
    for _ in 0..ROOM {
        let mut client = server.connect_from(CROWD).await;
        client.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
        crowd.push(client);
    }
    // As long as the clients' systems still take some of it they are being served.
    let begun = tokio::time::Instant::now();
    let mut others = Vec::new();
    for last in 3..11 {
        loop {
            let mut other = server.connect_from(last).await;
            if other.try_get("/ok").await.is_some_and(|answer| answer.status == 200) {
                others.push(other);
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{last}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn what_is_being_answered_is_never_cut_for_others() {
    let server = Server::start(long_timeouts()).await;
    let mut waiting = Vec::new();
    for _ in 0..ROOM {
        let mut client = server.connect_from(CROWD).await;
        client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        server.gate.reached.acquire().await.unwrap().forget();
        waiting.push(client);
    }
    for last in 3..11 {
        assert_eq!(server.connect_from(last).await.get("/ok").await.status, 503);
    }
    server.gate.open.add_permits(ROOM);
    for client in &mut waiting {
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, "waited"));
    }
}

#[tokio::test]
async fn everybody_may_be_one_network() {
    let server = Server::start(long_timeouts()).await;
    // With room for all connections the shares do not count.
    let mut crowd = crowd(&server, Does::HalfAHead).await;
    for client in &mut crowd {
        client.send(": x\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    // Without, the others of the same network only end once they have kept us waiting for long.
    assert_eq!(server.connect_from(CROWD).await.get("/ok").await.status, 503);
    for does in INCOMPLETE {
        let limits = Limits { evict_after: Duration::from_millis(20), ..long_timeouts() };
        let server = Server::start(limits).await;
        let _slow = self::crowd(&server, does).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        for _ in 0..ROOM {
            let mut client = server.connect_from(CROWD).await;
            assert_eq!(client.get("/ok").await.status, 200, "{does:?}");
        }
    }
}

#[tokio::test]
async fn a_larger_network_takes_no_room_of_a_smaller_one() {
    let server = Server::start(long_timeouts()).await;
    let mut small = server.connect_from(3).await;
    Does::HalfAHead.with(&mut small).await;
    let mut waiting = Vec::new();
    for _ in 1..ROOM {
        let mut client = server.connect_from(CROWD).await;
        client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        server.gate.reached.acquire().await.unwrap().forget();
        waiting.push(client);
    }
    for _ in 0..ROOM {
        assert_eq!(server.connect_from(CROWD).await.get("/ok").await.status, 503);
    }
    small.send(": x\r\n\r\n").await;
    assert_eq!(small.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn on_other_threads_the_same_holds() {
    for does in INCOMPLETE {
        let life = Lifecycle::new(Duration::ZERO).with_workers(3).unwrap();
        let server = Server::start_with(long_timeouts(), life).await;
        let _crowd = crowd(&server, does).await;
        others_are_served(&server, does).await;
    }
}
