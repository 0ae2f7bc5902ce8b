//! Several keys: the first is sent, after a refusal the next, and no caller notices.

use std::sync::Arc;

use auth_client::{Answer, AuthClient, AuthClientOptions, AuthUnavailable, InternalKey, Question};
use auth_client::{Refusal, ValuesError};
use auth_http::Challenge;
use http::Request;
use parking_lot::Mutex;
use testkit::fake_auth::{Exchange, SESSION, Service, json};

use crate::client_with;

/// An auth service that accepts one key, and what it was shown.
struct Guarded {
    url: String,
    accepted: Arc<Mutex<&'static str>>,
    shown: Arc<Mutex<Vec<String>>>,
}

impl Guarded {
    async fn start(accepted: &'static str) -> Self {
        let (accepted, shown) = (Arc::new(Mutex::new(accepted)), Arc::new(Mutex::new(Vec::new())));
        let (right, seen) = (Arc::clone(&accepted), Arc::clone(&shown));
        let handle = move |exchange: Exchange| {
            let key = key_in(&exchange.request);
            let is_right = key == *right.lock();
            seen.lock().push(key);
            let reply = match (is_right, exchange.request.contains("/session/data/")) {
                (true, false) => json(&format!(r#"{{"authenticated":true,"session":{SESSION}}}"#)),
                (true, true) => unauthorized(Challenge::InvalidToken("the token has expired")),
                (false, _) => unauthorized(Challenge::WrongKey),
            };
            exchange.reply(&reply);
        };
        Self { url: Service::new().await.handle_with(handle), accepted, shown }
    }

    fn client(&self, keys: &[&str]) -> AuthClient {
        let options = AuthClientOptions::new(vec![self.url.parse().unwrap()]);
        client_with(AuthClientOptions { keys: list(keys), ..options })
    }

    /// The keys that it was shown since the last look.
    fn shown(&self) -> Vec<String> {
        std::mem::take(&mut *self.shown.lock())
    }
}

fn list(keys: &[&str]) -> Vec<InternalKey> {
    keys.iter().map(|key| InternalKey::new(key).unwrap()).collect()
}

fn unauthorized(challenge: Challenge) -> String {
    let challenge = challenge.header();
    let challenge = challenge.to_str().unwrap();
    format!(
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\n\r\n"
    )
}

/// The key that a request shows: of a request about a value, not the token.
fn key_in(request: &str) -> String {
    let own = request.lines().find_map(|line| line.strip_prefix("x-internal-key: "));
    let bearer = || request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    own.or_else(bearer).unwrap_or_default().trim().to_owned()
}

async fn is_alive(client: &AuthClient) -> bool {
    matches!(client.validate(Question::new("T")).await.unwrap(), Answer::Alive(_))
}

#[tokio::test]
async fn after_a_refusal_the_next_key_is_sent_and_stays_in_use() {
    let service = Guarded::start("old").await;
    let client = service.client(&["new", "old"]);
    assert!(is_alive(&client).await);
    assert_eq!(service.shown(), ["new", "old"]);
    assert!(is_alive(&client).await);
    assert_eq!(service.shown(), ["old"]);
    *service.accepted.lock() = "new";
    assert!(is_alive(&client).await);
    assert_eq!(service.shown(), ["old", "new"]);
    assert!(is_alive(&client).await);
    assert_eq!(service.shown(), ["new"]);
}

#[tokio::test]
async fn keys_are_replaced_while_the_client_is_in_use() {
    let service = Guarded::start("old").await;
    let client = service.client(&["old"]);
    assert!(is_alive(&client).await);
    *service.accepted.lock() = "new";
    client.clone().replace_keys(list(&["new"]));
    assert!(is_alive(&client).await);
    assert_eq!(service.shown(), ["old", "new"]);
}

#[tokio::test]
async fn where_every_key_is_refused_each_was_sent_once_and_there_is_no_answer() {
    let service = Guarded::start("another").await;
    let client = service.client(&["one", "two", "three"]);
    let outcome = client.validate(Question::new("T")).await;
    assert_eq!(outcome, Err(AuthUnavailable::Unclear));
    assert_eq!(service.shown(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_refusal_for_the_key_is_never_taken_for_one_of_the_session() {
    let parts = Request::get("/").header("cookie", "__Host-reinflate=T").body(()).unwrap();
    let (parts, ()) = parts.into_parts();
    let service = Guarded::start("old").await;
    let read = async |client: &AuthClient| {
        client.values(&parts).unwrap().get::<u64>("k").await.unwrap_err()
    };
    let wrong = read(&service.client(&["wrong"])).await;
    assert_eq!(wrong, ValuesError::Refused(Refusal::Unavailable(AuthUnavailable::Unclear)));
    let right = read(&service.client(&["new", "old"])).await;
    assert!(matches!(right, ValuesError::Refused(Refusal::Dead(_))), "{right:?}");
    assert_eq!(service.shown(), ["wrong", "new", "old"]);
}
