//! The stream of events against a fake auth service: where it goes on, what it says of gaps, and that
//! neither an outage nor a caller that goes away loses an event.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use auth_api_types::UserId;
use auth_client::{
    AuthClient, AuthClientOptions, ErrorCode, EventItem, EventStream, EventsFrom, InternalKey,
};
use parking_lot::Mutex;
use testkit::fake_auth::{Exchange, Service, json, unreachable};

use crate::client_with;

fn client(url: &str, keys: &[&str]) -> AuthClient {
    let keys = keys.iter().map(|key| InternalKey::new(key).unwrap()).collect();
    let options = AuthClientOptions::new(vec![url.parse().unwrap()]);
    client_with(AuthClientOptions { keys, ..options })
}

fn event(position: &str) -> String {
    format!(
        r#"{{"position":"{position}","type":"session.ended","at":"2026-11-28T12:00:00.000Z",
        "cause":"logout","request_id":null,"session":{{"id":"019ad0e6-4f3a-7000-8000-000000000001",
        "kind":"sliding","transport":"cookie","name":null}},"user":{{"id":"crm/17","username":"ann",
        "external":true}},"by":null,"client":null}}"#
    )
}

fn page(positions: &[&str], next: &str) -> String {
    let events: Vec<String> = positions.iter().map(|position| event(position)).collect();
    json(&format!(r#"{{"events":[{}],"next":"{next}"}}"#, events.join(",")))
}

fn problem(status: &str, code: &str) -> String {
    let body = format!(r#"{{"code":"{code}","detail":"why"}}"#);
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What a request asks for: its path and query.
fn target(exchange: &Exchange) -> String {
    exchange.request.split(' ').nth(1).unwrap().to_owned()
}

async fn position(stream: &mut EventStream) -> String {
    match stream.next().await.unwrap() {
        EventItem::Event(event) => event.position.into_owned(),
        EventItem::Reset => "reset".to_owned(),
    }
}

/// Answers each request with the next of these, and keeps what was asked for.
async fn scripted(replies: Vec<String>) -> (AuthClient, Arc<Mutex<Vec<String>>>) {
    let targets = Arc::new(Mutex::new(Vec::new()));
    let (seen, replies) = (Arc::clone(&targets), Mutex::new(replies.into_iter()));
    let handle = move |exchange: Exchange| {
        assert!(exchange.has_header("authorization: Bearer key"), "{}", exchange.request);
        seen.lock().push(target(&exchange));
        let reply = replies.lock().next();
        exchange.reply(&reply.unwrap_or_else(|| page(&[], "end")));
    };
    (client(&Service::new().await.handle_with(handle), &["key"]), targets)
}

#[tokio::test]
async fn each_page_is_read_behind_the_one_before_and_from_where_it_was_wanted() {
    let (client, targets) = scripted(vec![
        page(&[], "p0"),
        page(&["p1", "p2"], "p3"),
        page(&["p4"], "p4"),
        page(&["p9"], "p9"),
    ])
    .await;
    let mut stream = client.events(EventsFrom::Now).of_types("session.ended,login.*");
    for wanted in ["p1", "p2", "p4"] {
        assert_eq!(position(&mut stream).await, wanted);
        assert_eq!(stream.position(), &EventsFrom::After(wanted.to_owned()));
    }
    // Another process goes on there.
    let mut stream = client.events(stream.position().clone());
    assert_eq!(position(&mut stream).await, "p9");
    let types = "&types=session%2Eended%2Clogin%2E%2A";
    assert_eq!(
        *targets.lock(),
        [
            format!("/events?limit=50{types}"),
            format!("/events?limit=50&after=p0&wait=25s{types}"),
            format!("/events?limit=50&after=p3&wait=25s{types}"),
            "/events?limit=50&after=p4&wait=25s".to_owned(),
        ]
    );
}

#[tokio::test]
async fn an_event_says_of_an_external_user_what_its_backend_does() {
    let (client, _) = scripted(vec![page(&["p1"], "p1")]).await;
    let EventItem::Event(event) = client.events(EventsFrom::Oldest).next().await.unwrap() else {
        panic!("a reset");
    };
    let user = event.user.unwrap();
    assert_eq!(user.id, Some(UserId::External("crm/17".into())));
    assert_eq!(event.cause.as_deref(), Some("logout"));
}

#[tokio::test]
async fn a_gap_is_an_item_and_the_oldest_event_comes_next() {
    let (client, targets) = scripted(vec![problem("410 Gone", "gone"), page(&["p7"], "p7")]).await;
    let mut stream = client.events(EventsFrom::After("of another&after=0".to_owned()));
    assert_eq!(position(&mut stream).await, "reset");
    assert_eq!(stream.position(), &EventsFrom::Oldest, "who stops here goes on there");
    assert_eq!(position(&mut stream).await, "p7");
    assert_eq!(
        *targets.lock(),
        ["/events?limit=50&after=of%20another%26after%3D0&wait=25s", "/events?limit=50&after=0",]
    );
}

#[tokio::test]
async fn what_would_be_refused_again_is_an_error_and_everything_else_is_tried_again() {
    let (client, targets) = scripted(vec![
        problem("503 Service Unavailable", "unavailable"),
        problem("401 Unauthorized", "invalid_token"),
        json("{\"events\":7}"),
        page(&["p1"], "p1"),
        problem("403 Forbidden", "forbidden"),
        problem("400 Bad Request", "invalid_request"),
    ])
    .await;
    let mut stream = client.events(EventsFrom::Oldest);
    assert_eq!(position(&mut stream).await, "p1");
    assert_eq!(targets.lock().len(), 4);
    for code in [ErrorCode::Forbidden, ErrorCode::InvalidRequest] {
        assert_eq!(stream.next().await.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn after_an_outage_it_goes_on_at_the_last_position() {
    let dead = unreachable().await;
    let mut stream = client(&dead.url, &["key"]).events(EventsFrom::Oldest);
    let asked = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(asked.is_err(), "there is nobody to answer");
    let mut service = Service::new().await;
    let mut stream = client(&service.url, &["key"]).events(EventsFrom::After("p1".to_owned()));
    for wanted in ["p2", "p3"] {
        let (item, ()) = tokio::join!(position(&mut stream), async {
            let exchange = service.next_exchange().await;
            let after = if wanted == "p2" { "after=p1" } else { "after=p2" };
            assert!(target(&exchange).contains(after), "{}", exchange.request);
            // The connection breaks: nobody knows what was answered.
            drop(exchange);
            let exchange = service.next_exchange().await;
            assert!(target(&exchange).contains(after), "{}", exchange.request);
            exchange.reply(&page(&[wanted], wanted));
        });
        assert_eq!(item, wanted);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_nothing() {
    let numbers: Vec<String> = (1..=40).map(|number| format!("p{number}")).collect();
    let served = numbers.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let handle = move |exchange: Exchange| {
        count.fetch_add(1, SeqCst);
        let target = target(&exchange);
        let after = target.split("after=").nth(1).unwrap().split('&').next().unwrap();
        let from = served.iter().position(|one| one == after).map_or(0, |index| index + 1);
        let to = (from + 3).min(served.len());
        let events: Vec<&str> = served[from..to].iter().map(String::as_str).collect();
        let next = served[to - 1].clone();
        exchange.reply(&page(&events, &next));
    };
    let client = client(&Service::new().await.handle_with(handle), &["key"]);
    let (mut stream, mut got) = (client.events(EventsFrom::Oldest), Vec::new());
    let mut patience_us = 1;
    while got.len() < numbers.len() {
        let patience = Duration::from_micros(patience_us);
        match tokio::time::timeout(patience, position(&mut stream)).await {
            Ok(position) => got.push(position),
            Err(_) => patience_us = patience_us % 20_000 * 2 + 1,
        }
    }
    assert_eq!(got, numbers);
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), 40);
    assert!(asked.load(SeqCst) >= 14);
}

#[tokio::test]
async fn a_key_that_is_rotated_meanwhile_is_followed() {
    let accepted = Arc::new(Mutex::new("old"));
    let right = Arc::clone(&accepted);
    let handle = move |exchange: Exchange| {
        let is_right = exchange.has_header(&format!("authorization: Bearer {}", right.lock()));
        let reply = if is_right {
            page(&["p1"], "p1")
        } else {
            problem("401 Unauthorized", "invalid_token")
        };
        exchange.reply(&reply);
    };
    let client = client(&Service::new().await.handle_with(handle), &["old"]);
    let mut stream = client.events(EventsFrom::Oldest);
    assert_eq!(position(&mut stream).await, "p1");
    *accepted.lock() = "new";
    let replaced = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.replace_keys(vec![InternalKey::new("new").unwrap()]);
    };
    let (item, ()) = tokio::join!(position(&mut stream), replaced);
    assert_eq!(item, "p1");
}
