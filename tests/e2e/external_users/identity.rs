//! Who a session is said to be, to proxies and to OAuth clients.

use serde_json::{Value, json};

use super::{KEY, issue, start, text, token};
use crate::harness::{AuthService, Request};

fn headers(auth: &AuthService, target: &str, token: &str) -> [String; 5] {
    let answer = auth.internal.send(Request::get(target).bearer(token)).expect(200);
    ["remote-user", "remote-groups", "remote-scopes", "remote-external", "x-auth-user-id"]
        .map(|name| answer.header(name).expect("it is always there").to_owned())
}

fn introspect(auth: &AuthService, token: &str) -> Value {
    let form = Request::post("/introspect").bearer(KEY).form(&format!("token={token}"));
    auth.internal.send(form).expect(200).json()
}

#[test]
fn a_proxy_is_always_told_whose_user_it_is_and_what_the_token_is_for() {
    let auth = start();
    let own = auth.token();
    let [user, role, scopes, external, _] = headers(&auth, "/authz/forward-auth", &own);
    assert_eq!((&*user, &*role), (crate::harness::DEMO.0, "admin"));
    assert_eq!((&*scopes, &*external), ("*", "false"));
    let [_, _, scopes, external, _] = headers(&auth, "/authz/forward-auth?external=true", &own);
    assert_eq!((&*scopes, &*external), ("*", "false"));
    let narrowed = auth.mint(&own, &json!({"scopes": ["reports:read", "a/b"]}));
    let [_, role, scopes, external, _] = headers(&auth, "/authz/auth-request", &narrowed);
    assert_eq!((&*role, &*scopes, &*external), ("admin", "reports:read a/b", "false"));
    let theirs = token(&auth, "50%/17");
    for target in ["/authz/forward-auth?external=true", "/authz/ext-authz-external/a"] {
        let [user, role, scopes, external, id] = headers(&auth, target, &theirs);
        assert_eq!((&*user, &*role), ("ann@example.com", "admin"));
        assert_eq!((&*scopes, &*external, &*id), ("*", "true", "50%25/17"));
    }
}

#[test]
fn an_oauth_client_is_told_the_role_and_the_scopes() {
    let auth = start();
    let own = auth.token();
    let plain = introspect(&auth, &own);
    assert_eq!((&plain["scope"], plain.get("external")), (&json!("admin"), None));
    let narrowed = auth.mint(&own, &json!({"scopes": ["reports:read", "a/b"]}));
    assert_eq!(introspect(&auth, &narrowed)["scope"], "admin reports:read a/b");
    let theirs = introspect(&auth, &token(&auth, "17"));
    assert_eq!((&theirs["sub"], &theirs["external"]), (&json!("17"), &json!(true)));
}

#[test]
fn scopes_are_named_as_the_rules_say_and_shown_wherever_the_session_is() {
    let auth = start();
    let maker = auth.token();
    let many: Vec<String> = (0..33).map(|number| format!("s{number}")).collect();
    for scopes in [
        json!([]),
        json!([""]),
        json!(["a b"]),
        json!(["a\"b"]),
        json!(["A"]),
        json!(["*"]),
        json!(["ü"]),
        json!(["a", "a,b"]),
        json!(["x".repeat(65)]),
        json!(many),
    ] {
        let answer = auth.try_mint(&maker, &json!({"scopes": scopes}));
        answer.expect_problem(422, "unprocessable");
    }
    for scopes in [json!("a"), json!([1]), json!({"a": 1})] {
        auth.try_mint(&maker, &json!({"scopes": scopes})).expect_problem(400, "invalid_request");
    }
    let minted = auth.try_mint(&maker, &json!({"scopes": ["b", "a", "b"], "name": "ci"}));
    let minted = minted.expect(201).json();
    assert_eq!(minted["session"]["scopes"], json!(["b", "a"]));
    let token = text(&minted["token"]);
    assert_eq!(super::validate(&auth, &token)["session"]["scopes"], json!(["b", "a"]));
    assert_eq!(auth.session(&token).expect(200).json()["scopes"], json!(["b", "a"]));
    let list = auth.public.send(Request::get("/sessions").bearer(&maker)).expect(200).json();
    let of_list = |name: Value| {
        let sessions = list["sessions"].as_array().unwrap();
        sessions.iter().find(|session| session["name"] == name).unwrap()["scopes"].clone()
    };
    assert_eq!((of_list(json!("ci")), of_list(Value::Null)), (json!(["b", "a"]), Value::Null));
    let page = auth.public.send(Request::get("/account").bearer(&maker)).expect(200).text();
    assert!(page.contains("Only for <code>b a</code>"), "{page}");
    let form = Request::post("/account/tokens").bearer(&maker);
    let form = form.form("name=ci&kind=fixed&ttl=1h&scopes=reports%3Aread%2C+a%2Fb");
    let page = auth.public.send(form).expect(201).text();
    assert!(page.contains("only for <code>reports:read a/b</code>"), "{page}");
    let wrong = Request::post("/account/tokens").bearer(&maker);
    let wrong = wrong.form("name=ci&kind=fixed&ttl=1h&scopes=Reports");
    auth.public.send(wrong).expect(422);
}

#[test]
fn an_external_user_with_the_id_of_one_of_ours_is_somebody_else() {
    let auth = start();
    let ours = auth.login_answer(crate::harness::DEMO.0, crate::harness::DEMO.1);
    let id = text(&ours["session"]["user"]["id"]);
    let body = json!({"user": {"id": id, "username": crate::harness::DEMO.0,
        "roles": ["admin", "user"]}});
    let theirs = text(&issue(&auth, &body)["token"]);
    let list = |token: &str| {
        let list = auth.public.send(Request::get("/sessions").bearer(token)).expect(200).json();
        list["sessions"].as_array().unwrap().len()
    };
    let own = text(&ours["token"]);
    assert_eq!((list(&own), list(&theirs)), (1, 1));
    let path = format!("/sessions/{}", text(&ours["session"]["id"]));
    auth.public.send(Request::delete(&path).bearer(&theirs)).expect(404);
    auth.public.send(Request::delete("/sessions").bearer(&theirs)).expect(204);
    auth.session(&own).expect(200);
    assert_eq!(super::listed(&auth, &id), [""; 0]);
    let theirs = text(&issue(&auth, &body)["token"]);
    auth.public.send(Request::delete("/sessions").bearer(&own)).expect(204);
    auth.session(&theirs).expect(200);
    // Whatever an admin does to our user is nothing to theirs.
    let admin = auth.token();
    let path = format!("/api/v1/users/{id}/sessions");
    auth.public.send(Request::delete(&path).bearer(&admin)).expect(204);
    auth.session(&theirs).expect(200);
    auth.public.send(Request::delete("/api/v1/sessions").bearer(&auth.token())).expect(204);
    assert_eq!(auth.session(&theirs).status, 401, "an end to everybody's is one to theirs");
}
