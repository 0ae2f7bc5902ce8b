//! A session's values: versions that are kept to, and what each answer means.

use auth_api_types::Reason;
use auth_client::{AuthClientOptions, AuthUnavailable, InternalKey, Refusal, ValuesError};
use http::Request;
use http::request::Parts;

use crate::client_with;
use crate::service::Service;

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
    let key = Some(InternalKey::new("internal-key").unwrap());
    let client = client_with(AuthClientOptions { key, ..options(&service) });
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
        let call = service.call().await;
        assert!(call.request.starts_with(line), "{}", call.request);
        for header in
            ["authorization: Bearer T", "x-internal-key: internal-key", "x-request-id: r-1"]
        {
            assert!(call.has_header(header), "{header}: {}", call.request);
        }
        assert!(condition.is_none_or(|header| call.has_header(header)), "{}", call.request);
        call.say(&answer);
    }
    assert_eq!(updating.await.unwrap(), Ok(42));
}

#[tokio::test]
async fn who_is_never_fast_enough_gives_up() {
    let service = Service::new().await;
    let client = client_with(options(&service));
    let _listening = service.deals(|call| {
        let reads = call.request.starts_with("GET");
        let answer = if reads { found(1, "1") } else { bare("412 Precondition Failed") };
        call.say(&answer);
    });
    let parts = parts(&[("token", "T")]);
    let updated = client.values(&parts).unwrap().update("k", |_: Option<u64>| 1).await;
    assert_eq!(updated, Err(ValuesError::Changed));
}

#[tokio::test]
async fn each_answer_means_one_thing() {
    let unclear = || ValuesError::Refused(Refusal::Unavailable(AuthUnavailable::Unclear));
    let untagged =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1";
    for (answer, error) in [
        (bare("401 Unauthorized"), ValuesError::Refused(Refusal::Dead(Reason::Unknown))),
        (bare("403 Forbidden"), ValuesError::NotKept),
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
        let said = answer.clone();
        let _listening = service.deals(move |call| call.say(&said));
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
