//! A session's values: versions that are kept to, and what each answer means.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use auth_api_types::Reason;
use auth_client::{AuthClientOptions, AuthUnavailable, InternalKey, Refusal, ValuesError};
use http::Request;
use http::request::Parts;

use crate::client_with;
use testkit::fake_auth::Service;

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn options(service: &Service) -> AuthClientOptions {
    AuthClientOptions::new(vec![service.url.parse().unwrap()])
}

fn found(version: u64, value: &str) -> String {
    let length = value.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"{version}\"\r\n\
         content-length: {length}\r\n\r\n{value}"
    )
}

fn bare(status: &str) -> String {
    let length = if status.starts_with("204") { "" } else { "content-length: 0\r\n" };
    format!("HTTP/1.1 {status}\r\n{length}\r\n")
}

#[tokio::test]
async fn a_change_that_somebody_else_was_faster_than_is_made_again() {
    let mut service = Service::new().await;
    let keys = vec![InternalKey::new("internal-key").unwrap()];
    let client = client_with(AuthClientOptions { keys, ..options(&service) });
    let updating = tokio::spawn(async move {
        let parts = parts(&[("cookie", "__Host-reinflate=T"), ("x-request-id", "r-1")]);
        let values = client.values(&parts).unwrap();
        values.update("k", |before: Option<u64>| before.unwrap_or(0) + 1).await
    });
    for (line, condition, answer) in [
        ("GET /session/data/k ", None, bare("404 Not Found")),
        ("PUT /session/data/k ", Some("if-none-match: *"), bare("412 Precondition Failed")),
        ("GET /session/data/k ", None, found(7, "41")),
        ("PUT /session/data/k ", Some("if-match: \"7\""), bare("204 No Content")),
    ] {
        let exchange = service.next_exchange().await;
        assert!(exchange.request.starts_with(line), "{}", exchange.request);
        for header in
            ["authorization: Bearer T", "x-internal-key: internal-key", "x-request-id: r-1"]
        {
            assert!(exchange.has_header(header), "{header}: {}", exchange.request);
        }
        assert!(condition.is_none_or(|header| exchange.has_header(header)), "{}", exchange.request);
        exchange.reply(&answer);
    }
    assert_eq!(updating.await.unwrap(), Ok(42));
}

#[tokio::test]
async fn who_is_never_fast_enough_gives_up_after_a_handful_of_tries() {
    let service = Service::new().await;
    let client = client_with(options(&service));
    let exchanges = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&exchanges);
    let _listening = service.handle_with(move |exchange| {
        count.fetch_add(1, SeqCst);
        let reads = exchange.request.starts_with("GET");
        let answer = if reads { found(1, "1") } else { bare("412 Precondition Failed") };
        exchange.reply(&answer);
    });
    let parts = parts(&[("token", "T")]);
    let updated = client.values(&parts).unwrap().update("k", |_: Option<u64>| 1).await;
    assert_eq!(updated, Err(ValuesError::Changed));
    assert_eq!(exchanges.load(SeqCst), 8, "four times read and written");
}

#[tokio::test]
async fn one_sessions_changes_go_one_at_a_time_and_leave_room_for_others() {
    let mut service = Service::new().await;
    let timeout = Duration::from_secs(20);
    let client = client_with(AuthClientOptions { timeout, ..options(&service) });
    let update = |token: &'static str| {
        let client = client.clone();
        tokio::spawn(async move {
            let parts = parts(&[("token", token)]);
            let values = client.values(&parts).unwrap();
            values.update("k", |before: Option<u64>| before.unwrap_or(0) + 1).await
        })
    };
    let greedy: Vec<_> = (0..100).map(|_| update("greedy")).collect();
    let first = service.next_exchange().await;
    assert!(first.has_header("authorization: Bearer greedy"), "{}", first.request);
    // Those over the limit are refused at once, and sent nothing.
    let mut refused = 0;
    while refused < 92 {
        tokio::task::yield_now().await;
        refused = greedy.iter().filter(|change| change.is_finished()).count();
    }
    let other = update("other");
    let of_other = service.next_exchange().await;
    assert!(of_other.has_header("authorization: Bearer other"), "{}", of_other.request);
    for exchange in [first, of_other] {
        exchange.reply(&bare("404 Not Found"));
    }
    // From here on each is answered in turn: 8 reads and 8 writes of the one, 1 of each of the other.
    for _ in 0..(16 + 2 - 2) {
        let exchange = service.next_exchange().await;
        let reads = exchange.request.starts_with("GET");
        exchange.reply(&if reads { bare("404 Not Found") } else { bare("204 No Content") });
    }
    assert_eq!(other.await.unwrap(), Ok(1));
    let overloaded = ValuesError::Refused(Refusal::Unavailable(AuthUnavailable::Overloaded));
    let mut done = 0;
    for change in greedy {
        match change.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, overloaded),
        }
    }
    assert_eq!(done, 8);
    assert!(service.is_idle());
}

#[tokio::test]
async fn each_answer_means_one_thing() {
    let unclear = || ValuesError::Refused(Refusal::Unavailable(AuthUnavailable::Unclear));
    let untagged =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1";
    for (answer, error) in [
        (bare("401 Unauthorized"), ValuesError::Refused(Refusal::Dead(Reason::Unknown))),
        (bare("403 Forbidden"), ValuesError::Unsupported),
        (bare("413 Content Too Large"), ValuesError::TooLarge),
        (found(1, "\"text\""), ValuesError::WrongType),
        (bare("204 No Content"), unclear()),
        (bare("302 Found"), unclear()),
        (bare("500 Internal Server Error"), unclear()),
        (bare("503 Service Unavailable"), unclear()),
        (untagged.to_owned(), unclear()),
    ] {
        let service = Service::new().await;
        let client = client_with(options(&service));
        let reply = answer.clone();
        let _listening = service.handle_with(move |exchange| exchange.reply(&reply));
        let parts = parts(&[("token", "T")]);
        let read = client.values(&parts).unwrap().get::<u64>("k").await;
        assert_eq!(read, Err(error), "{answer}");
    }
}

#[tokio::test]
async fn without_one_token_nothing_is_asked() {
    let service = Service::new().await;
    let client = client_with(options(&service));
    for (headers, refusal) in [
        (&[][..], Refusal::NoToken),
        (&[("token", "a"), ("authorization", "Bearer b")], Refusal::TwoTokens),
    ] {
        let parts = parts(headers);
        assert_eq!(client.values(&parts).err(), Some(refusal));
    }
    assert!(service.is_idle());
}
