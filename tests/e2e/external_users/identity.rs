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

/// A user in the role `user` names a scope like a role that they lack.
#[test]
fn no_scope_is_taken_for_a_role_by_an_oauth_client() {
    let auth = start();
    let user = json!({"username": crate::harness::DEMO.0, "password": crate::harness::DEMO.1,
        "role": "user"});
    let own = auth.public.send(Request::post("/login").json(&user)).expect(200).json();
    let body = json!({"user": {"id": "17", "username": "ann", "roles": ["user"]}});
    for maker in [text(&own["token"]), text(&issue(&auth, &body)["token"])] {
        let scopes =
            json!({"scopes": ["admin", "a:b", "team.lead", "finance_1", "a/b", "user", "-"]});
        let minted = auth.mint(&maker, &scopes);
        assert_eq!(introspect(&auth, &minted)["scope"], "user a:b a/b");
        // Proxies and backends are told roles and scopes apart.
        let [_, role, all, ..] = headers(&auth, "/authz/forward-auth?external=true", &minted);
        assert_eq!((&*role, &*all), ("user", "admin a:b team.lead finance_1 a/b user -"));
    }
}

/// Passed over, what was to narrow a session or to end it soon would be missing.
#[test]
fn a_session_is_asked_for_in_known_words_or_not_at_all() {
    let auth = start();
    let maker = auth.token();
    for (misspelt, value) in
        [("scope", json!("reports:read")), ("scopse", json!(["a"])), ("max_lifetime", json!("1m"))]
    {
        let refused = auth.try_mint(&maker, &json!({misspelt: value}));
        let refused = refused.expect_problem(400, "invalid_request").text();
        assert!(
            refused.contains("`scopes`") && !refused.contains(&format!("`{misspelt}`")),
            "{refused}"
        );
        let path = "/api/v1/users/me/tokens";
        let request = Request::post(path).bearer(&maker).json(&json!({misspelt: value}));
        auth.public.send(request).expect_problem(400, "invalid_request");
    }
    for (misspelt, value) in
        [("scopes", json!(["a"])), ("maxlifetime", json!("1m")), ("bind", json!("ip"))]
    {
        let mut body = super::user("17");
        body[misspelt] = value;
        super::try_issue(&auth, &body).expect_problem(400, "invalid_request");
    }
    let mut body = super::user("17");
    body["user"]["shoe_size"] = json!(43);
    issue(&auth, &body);
    assert_eq!(super::listed(&auth, "17").len(), 1);
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
