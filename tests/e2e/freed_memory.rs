//! What is left of a password in a service's memory once it was answered: nothing that is freed has
//! it any more, whether it was right or wrong and whichever way it came.

use std::time::Duration;

use serde_json::json;

use crate::harness::{ANN, AuthService, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually, now};

/// Passwords that stand nowhere in a binary, one for each way in.
fn marker(way: &str) -> String {
    format!("{way}-{:x}-lantern-in-the-attic", std::process::id())
}

/// Fails unless none of these stands in the service's memory soon: connections end, and blocking
/// threads come back, a moment after the answer.
fn expect_wiped(auth: &AuthService, secrets: &[String]) {
    let needles: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let deadline = now() + TIMEOUT;
    loop {
        // A search can take longer than the deadline, and what it finds may be gone by its end: the
        // last one begins after the deadline.
        let begun = now();
        let Some(found) = auth.in_memory(&needles) else {
            assert!(std::env::var_os("REQUIRE_ALL").is_none(), "its memory cannot be read");
            eprintln!("skipped: the memory of another process cannot be read here");
            return;
        };
        if found.iter().all(|count| *count == 0) {
            return;
        }
        let remaining: Vec<_> =
            needles.iter().zip(&found).filter(|(_, count)| **count > 0).collect();
        assert!(begun < deadline, "still in memory: {remaining:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_password_is_left_in_memory_whichever_way_it_came() {
    let auth = AuthService::launch_with_users(Launch::auth().var("RUST_LOG", "info"));
    let (json, escaped, form, basic) =
        (marker("json"), marker("escaped"), marker("form"), marker("basic"));
    let (wrong, new, weak) = (marker("current"), marker("new"), marker("broken"));
    let token = auth.login(ANN, LONG_PASSWORD);
    // This connection stays open: no buffer of it has the password any longer.
    let mut connection = auth.public.connect();
    let body = json!({"username": ANN, "password": json});
    connection.send(&Request::post("/login").json(&body)).expect(401);
    let body = format!(r#"{{"username":"{ANN}","password":"\u0065{}"}}"#, &escaped[1..]);
    auth.public.send(Request::post("/login").body("application/json", body)).expect(401);
    let body = format!("username={ANN}&password=%66{}", &form[1..]);
    let form_type = "application/x-www-form-urlencoded";
    auth.public.send(Request::post("/login").body(form_type, body)).expect(401);
    auth.public.send(Request::post("/login").basic(ANN, &basic)).expect(401);
    let change = json!({"current_password": wrong, "new_password": new});
    auth.api_put("/users/me/password", &token, &change).expect(422);
    let body = format!(r#"{{"username":"{ANN}","password":"{weak}""#);
    auth.public.send(Request::post("/login").body("application/json", body)).expect(400);
    let encoded = Request::encoded_basic(ANN, &basic);
    let right = LONG_PASSWORD.to_owned();
    expect_wiped(&auth, &[json, escaped, form, basic, wrong, new, weak, encoded, right]);
    connection.send(&Request::get("/livez")).expect(200);
}

#[test]
fn a_password_that_a_browser_sends_on_to_the_internal_listener_is_not_left_there() {
    let auth = AuthService::with_users();
    let mut connection = auth.internal.connect();
    let mut secrets = Vec::new();
    for (way, path) in [("nginx", "/authz/auth-request"), ("caddy", "/authz/forward-auth")] {
        let basic = marker(way);
        connection.send(&Request::get(path).basic(ANN, &basic)).expect(401);
        // Whatever is sent after it on this connection.
        connection.send(&Request::get("/livez")).expect(200);
        secrets.push(Request::encoded_basic(ANN, &basic));
    }
    expect_wiped(&auth, &secrets);
    connection.send(&Request::get("/livez")).expect(200);
}

#[test]
fn a_secret_that_is_still_needed_is_found_so_that_the_search_is_one() {
    let key = "nine-tin-whistles-in-a-row";
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", key));
    eventually("the key in memory", TIMEOUT, || match auth.in_memory(&[key]) {
        Some(found) => (found[0] > 0).then_some(()),
        None => Some(()),
    });
}
