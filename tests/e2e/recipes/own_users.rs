//! The recipes of `docs/your-own-users.md`: services with users of their own, that use sessions only.

use serde_json::json;
use tempfile::TempDir;

use super::recipe::{EXPRESS, FLASK, GO, Kind, Recipe};
use super::{KEY, expect_text};
use crate::harness::{Answer, AuthService, LONG_PASSWORD, Launch, Listener, Request};

const NEW_PASSWORD: &str = "eight blue kettles whistle";
const HELLO: &str = "Hello ann";

/// A form whose values may have blanks in them.
fn post(target: &str, fields: &[(&str, &str)]) -> Request {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
    Request::post(target).form(&fields.join("&"))
}

/// The session's token in the cookie that an answer sets.
#[track_caller]
fn cookie(answer: &Answer) -> String {
    let line = answer.header("set-cookie").expect("a cookie").to_owned();
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert!(attributes.contains("HttpOnly") && attributes.contains("Max-Age="), "{attributes}");
    pair.strip_prefix("reinflate=").expect("the cookie of the auth service").to_owned()
}

fn login(service: Listener, password: &str) -> Answer {
    service.send(post("/login", &[("name", "ann"), ("password", password)]))
}

fn with_users_of_its_own(kind: &Kind) {
    let mut auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let settings = [
        ("AUTH_URL", format!("http://127.0.0.1:{}", auth.internal.port)),
        ("AUTH_KEY", KEY.to_owned()),
        ("AUTH_COOKIE_NAME", "reinflate".to_owned()),
        ("USERS", home.path().join("users.db").display().to_string()),
    ];
    let Some(recipe) = Recipe::start(kind, "own_users", settings) else { return };
    let service = recipe.listener;
    let sign_up = || post("/signup", &[("name", "ann"), ("password", LONG_PASSWORD)]);
    service.send(sign_up()).expect(201);
    service.send(sign_up()).expect(409);
    service.get("/").expect(401);
    login(service, "wrong").expect(401);
    service.send(post("/login", &[("name", "bob"), ("password", LONG_PASSWORD)])).expect(401);

    let entered = login(service, LONG_PASSWORD).expect(303);
    assert_eq!(entered.header("location"), Some("/"));
    let first = cookie(&entered);
    let other = cookie(&login(service, LONG_PASSWORD).expect(303));
    let hello = |token: &str| service.send(Request::get("/").cookie(token));
    expect_text(hello(&first), 200, HELLO);
    let verdict = Request::post("/validateToken").bearer(KEY);
    let verdict = auth.internal.send(verdict.json(&json!({"token": first}))).json();
    let session = &verdict["session"];
    assert_eq!(
        (&session["user"]["username"], &session["ip"]),
        (&json!("ann"), &json!("127.0.0.1"))
    );
    assert_eq!(session["user"]["external"], true);
    auth.public.send(Request::get("/account").cookie(&first)).expect(403);

    // One of the auth service's own users is none of this service's, nor is a token of nobody's.
    let narrowed = auth.mint(&first, &json!({"scopes": ["reports:read"]}));
    // Nor is one of her own that is for something else.
    for stranger in [auth.token(), "nonsense".to_owned(), narrowed] {
        hello(&stranger).expect(401);
    }
    let change = |current: &str| post("/password", &[("current", current), ("new", NEW_PASSWORD)]);
    service.send(change("wrong").cookie(&first)).expect(422);
    expect_text(hello(&other), 200, HELLO);
    expect_text(service.send(change(LONG_PASSWORD).cookie(&first)), 200, "2 other sessions");
    hello(&other).expect(401);
    expect_text(hello(&first), 200, HELLO);
    login(service, LONG_PASSWORD).expect(401);
    let again = cookie(&login(service, NEW_PASSWORD).expect(303));

    let leave = || Request::post("/logout").cookie(&first);
    service.send(leave().header("Sec-Fetch-Site", "cross-site")).expect(403);
    let left = service.send(leave()).expect(303);
    assert!(left.header("set-cookie").unwrap().starts_with("reinflate=;"), "{left:?}");
    hello(&first).expect(401);
    expect_text(hello(&again), 200, HELLO);

    auth.kill();
    for request in [Request::get("/").cookie(&again), Request::post("/logout").cookie(&again)] {
        let away = service.send(request).expect(503);
        assert_eq!(away.header("retry-after"), Some("1"));
    }
    login(service, NEW_PASSWORD).expect(503);
    login(service, LONG_PASSWORD).expect(401);
}

#[test]
fn flask_with_users_of_its_own() {
    with_users_of_its_own(&FLASK);
}

#[test]
fn express_with_users_of_its_own() {
    with_users_of_its_own(&EXPRESS);
}

#[test]
fn go_with_users_of_its_own() {
    with_users_of_its_own(&GO);
}
