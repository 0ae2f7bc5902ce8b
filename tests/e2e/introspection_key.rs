//! The internal key at introspection, as OAuth clients show their secret: RFC 6749 §2.3.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use testkit::percent_encoded;

use crate::harness::{Answer, AuthService, Launch, Request};

/// With what a form escapes, and most clients do not.
const KEY: &str = "eleven+paper%2Blanterns&=on:a-string";

fn start() -> AuthService {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    auth.keep_secret(KEY);
    auth
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn introspect(auth: &AuthService, authorization: &[&str], fields: &str) -> Answer {
    let form = Request::post("/introspect").form(&format!("token={}{fields}", auth.token()));
    let add = |request: Request, value: &&str| request.header("Authorization", value);
    auth.internal.send(authorization.iter().fold(form, add))
}

#[test]
fn the_key_is_taken_by_bearer_by_basic_and_in_the_form() {
    let auth = start();
    let in_form = format!("&client_id=app&client_secret={}", percent_encoded(KEY));
    for (authorization, fields) in [
        (vec![format!("Bearer {KEY}")], ""),
        (vec![basic(&format!("app:{KEY}"))], ""),
        (vec![basic(&format!(":{KEY}"))], ""),
        (vec![basic(&format!("an%20app%3A:{}", percent_encoded(KEY)))], ""),
        (vec![basic(&format!("app:{KEY}")).replace("Basic", "bASIC ")], ""),
        (vec![], &*in_form),
        (vec!["Negotiate abc".to_owned()], &*in_form),
        (vec![format!("Bearer {KEY}")], "&client_id=app"),
        (vec![basic(&format!("app:{KEY}"))], "&client_id=app&client_secret="),
    ] {
        let authorization: Vec<_> = authorization.iter().map(String::as_str).collect();
        let answer = introspect(&auth, &authorization, fields).expect(200);
        assert_eq!(answer.json()["active"], true, "{authorization:?} {fields}");
    }
}

#[test]
fn anything_else_is_refused_as_it_came() {
    let auth = start();
    let (bearer, by_basic) = ("Bearer realm=\"reinflate\"", "Basic realm=\"reinflate\"");
    for (authorization, fields, code, challenge) in [
        (vec![], "", "missing_token", bearer),
        (vec![], "&client_secret=", "missing_token", bearer),
        (vec![], "&client_id=app", "missing_token", bearer),
        (vec![], "&client_secret=nonsense", "invalid_token", bearer),
        (vec!["Bearer nonsense".to_owned()], "", "invalid_token", bearer),
        (vec!["Bearer".to_owned()], "", "invalid_token", bearer),
        (vec![basic("app:nonsense")], "", "invalid_token", by_basic),
        (vec![basic("app:")], "", "invalid_token", by_basic),
        (vec![basic(&format!("{KEY}:"))], "", "invalid_token", by_basic),
        (vec![basic(KEY).replace('=', "")], "", "invalid_token", by_basic),
        (vec!["Basic !!!".to_owned()], "", "invalid_token", by_basic),
        (vec![basic("nocolon")], "", "invalid_token", by_basic),
        (vec![basic(&format!("app:{}x", percent_encoded(KEY)))], "", "invalid_token", by_basic),
        (vec!["Negotiate abc".to_owned()], "", "missing_token", bearer),
    ] {
        let authorization: Vec<_> = authorization.iter().map(String::as_str).collect();
        let answer = introspect(&auth, &authorization, fields).expect_problem(401, code);
        let got = answer.header("www-authenticate").unwrap_or_default();
        assert!(got.starts_with(challenge), "{authorization:?} {fields}: {answer:?}");
    }
    let no_form = Request::post("/introspect").body("text/plain", "x");
    auth.internal.send(no_form.clone()).expect(401);
    auth.internal.send(no_form.bearer(KEY)).expect(415);
    let broken = Request::post("/introspect").form("client_secret=nonsense&token");
    auth.internal.send(broken).expect(401);
}

#[test]
fn in_more_than_one_way_at_once_it_is_refused() {
    let auth = start();
    let secret = percent_encoded(KEY);
    let (bearer, by_basic) = (format!("Bearer {KEY}"), basic(&format!("app:{KEY}")));
    for (authorization, fields) in [
        (vec![&*bearer], format!("&client_secret={secret}")),
        (vec![&*by_basic], format!("&client_secret={secret}")),
        (vec![&*by_basic], "&client_secret=nonsense".to_owned()),
        (vec![&*bearer, &*by_basic], String::new()),
        (vec![], format!("&client_secret={secret}&client_secret={secret}")),
        (vec![], format!("&client_secret=nonsense&client_secret={secret}")),
    ] {
        introspect(&auth, &authorization, &fields).expect_problem(400, "invalid_request");
    }
    // A wrong one is wrong whatever else is right.
    introspect(&auth, &["Bearer nonsense"], &format!("&client_secret={secret}")).expect(401);
}

#[test]
fn no_other_route_takes_the_key_so() {
    let auth = start();
    let by_basic = basic(&format!("app:{KEY}"));
    let ask = Request::post("/validateToken").json(&serde_json::json!({"token": "x"}));
    auth.internal.send(ask.header("Authorization", &by_basic)).expect(401);
    auth.internal.send(Request::get("/metrics").header("Authorization", &by_basic)).expect(401);
}
