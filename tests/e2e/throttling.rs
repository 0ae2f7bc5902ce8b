//! How often a password may be tried: three limits, every spelling, every way in, one count.

mod addresses;
mod audit;
mod counting;
mod one_peer;

use crate::harness::{Answer, AuthService, Launch, Request};
use serde_json::json;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const WRONG: &str = "three blue teapots sing";

/// With these limits, the pair's, the account's and the address's, and proxies on loopback.
fn limits(pair: &str, account: &str, address: &str) -> Launch {
    Launch::auth()
        .var("AUTH_LOGIN_ATTEMPTS", pair)
        .var("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", account)
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", address)
        .var("AUTH_TRUSTED_PROXIES", "127.0.0.0/8")
}

/// A login through a proxy that says where it comes from.
fn login_from(auth: &AuthService, from: &str, user: &str, password: &str) -> Answer {
    auth.keep_secret(password);
    let body = json!({"username": user, "password": password});
    let request = Request::post("/login").header("X-Forwarded-For", from).json(&body);
    auth.public.send(request)
}

#[track_caller]
fn expect_throttled(answer: Answer) -> u64 {
    let answer = answer.expect_problem(429, "too_many_requests");
    assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|after| after.parse().ok());
    seconds.unwrap_or_else(|| panic!("no Retry-After in seconds: {answer:?}"))
}
