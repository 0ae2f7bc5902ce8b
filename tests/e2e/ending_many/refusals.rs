//! What is refused, and ends nobody: conditions that cannot be read, and whoever may not.

use serde_json::{Value, json};

use super::{Crowd, KEY, grant, launch, looked_at, start};
use crate::harness::{ANN, AuthService, LONG_PASSWORD, Launch, Request};

/// Queries that select nothing that anybody meant.
const UNREADABLE: [&str; 38] = [
    "usr=7",
    "user",
    "user=",
    "user=+",
    "User=7",
    "user[]=7",
    "user%5B%5D=7",
    "user=7&user=7",
    "user=7&%75ser=8",
    "user=%FF",
    "%FF=7",
    "=7",
    "ip",
    "ip=",
    "ip=all",
    "ip=203.0.113.0/33",
    "ip=203.0.113.0/24,198.51.100.0/24",
    "ip=203.0.113.0/24&ip=198.51.100.0/24",
    "ip=203.0.113.0/24%00",
    "cidr=203.0.113.0/24",
    "role=",
    "role=admin,user",
    "kind=",
    "kind=Fixed",
    "kind=cookie",
    "user_agent=",
    "useragent=curl",
    "opened_before=now",
    "opened_before=2026-11-28",
    "opened_before=2999-01-01T00:00:00+01:00",
    "unused_for=0",
    "unused_for=1",
    "unused_for=-1h",
    "user=7&keep=current",
    "user=7&dry_run=1",
    "dry_run=yes",
    "dry_run",
    "user=7;role=admin&x=",
];

#[test]
fn what_cannot_be_read_is_named_and_ends_nobody() {
    let crowd = Crowd::gather(start());
    for query in UNREADABLE {
        let name = query.split('&').next_back().unwrap().split('=').next().unwrap();
        let refused = crowd.send("DELETE", &format!("?{query}"));
        let refused = refused.expect_problem(400, "invalid_request").json();
        let detail = refused["detail"].as_str().unwrap();
        assert!(name.contains('%') || name == "x" || detail.contains(name), "{query}: {detail}");
        if !query.contains("dry_run") {
            crowd.send("GET", &format!("?{query}")).expect_problem(400, "invalid_request");
        }
        let internal = Request::delete(&format!("/sessions?{query}")).bearer(KEY);
        crowd.auth.internal.send(internal).expect_problem(400, "invalid_request");
    }
    for query in ["limit=0", "limit=501", "limit=x", "after=x", "after=", "limit=1&limit=2", "q=a"]
    {
        crowd.send("GET", &format!("?{query}")).expect_problem(400, "invalid_request");
    }
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn a_body_says_nothing_and_is_refused() {
    let crowd = Crowd::gather(start());
    for request in [Request::delete("/api/v1/sessions"), Request::delete("/api/v1/sessions?user=7")]
    {
        for request in [
            request.clone().json(&json!({"user": "7"})),
            request.clone().form("user=7"),
            request.untyped_body("user=7"),
        ] {
            let answer = crowd.auth.public.send(request.bearer(&crowd.admin));
            answer.expect_problem(400, "invalid_request");
        }
    }
    let internal = Request::delete("/sessions?all=true").bearer(KEY).json(&json!({"user": "7"}));
    crowd.auth.internal.send(internal).expect_problem(400, "invalid_request");
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn a_giant_list_of_networks_is_refused_like_a_short_one() {
    let crowd = Crowd::gather(start());
    let list = vec!["203.0.113.0/24"; 500].join(",");
    let answer = crowd.send("DELETE", &format!("?ip={list}"));
    assert!([400, 414, 431].contains(&answer.status), "{answer:?}");
    let repeated = vec!["ip=203.0.113.0/24"; 300].join("&");
    let answer = crowd.send("DELETE", &format!("?{repeated}"));
    assert!([400, 414, 431].contains(&answer.status), "{answer:?}");
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn nobody_but_an_admin_lists_or_ends_them() {
    let crowd = Crowd::gather(start());
    let auth = &crowd.auth;
    let narrowed = auth.mint(&crowd.admin, &json!({"kind": "sliding", "scopes": ["a"]}));
    let external = grant(auth, "boss", "admin", &json!({}));
    let ann = auth.login(ANN, LONG_PASSWORD);
    for token in [&narrowed, &external, &ann] {
        for target in ["/api/v1/sessions", "/api/v1/sessions?role=user", "/api/v1/sessions?x=1"] {
            for method in ["GET", "DELETE"] {
                for carry in [Request::bearer, Request::token, Request::cookie] {
                    let request = carry(Request::new(method, target), token);
                    auth.public.send(request).expect_problem(403, "forbidden");
                }
            }
        }
    }
    for method in ["GET", "DELETE"] {
        let target = "/api/v1/sessions?role=user";
        auth.public.send(Request::new(method, target)).expect_problem(401, "missing_token");
        let twice = Request::new(method, target).bearer(&crowd.admin).token(&ann);
        auth.public.send(twice).expect(400);
        auth.public.send(Request::new(method, target).bearer(KEY)).expect(401);
    }
    let cross = Request::delete("/api/v1/sessions?role=user").cookie(&crowd.admin);
    let cross = cross.header("Origin", "https://evil.example");
    auth.public.send(cross).expect_problem(403, "cross_site_request");
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn the_internal_listener_wants_its_key_and_a_filter_or_all() {
    let crowd = Crowd::gather(start());
    let auth = &crowd.auth;
    let send = |method: &str, query: &str| {
        auth.internal.send(Request::new(method, &format!("/sessions{query}")).bearer(KEY))
    };
    for method in ["GET", "DELETE"] {
        let target = "/sessions?role=user";
        auth.internal.send(Request::new(method, target)).expect_problem(401, "missing_token");
        let by_token = Request::new(method, target).bearer(&crowd.admin);
        auth.internal.send(by_token).expect_problem(401, "invalid_token");
    }
    for query in ["", "?", "?dry_run=true", "?all=false", "?all=true&role=user", "?all=1", "?all"] {
        send("DELETE", query).expect_problem(400, "invalid_request");
    }
    send("GET", "?all=true").expect_problem(400, "invalid_request");
    crowd.assert_all_live("nothing was to end");
    let page = send("GET", "?role=editor").expect(200).json();
    assert_eq!(page["sessions"].as_array().unwrap().len(), 1, "{page}");
    assert!(page["next"].is_null() && page["sessions"][0].get("current").is_none(), "{page}");
    assert_eq!(
        send("DELETE", "?role=editor&dry_run=true").expect(200).json(),
        json!({"would_end": 1})
    );
    assert_eq!(send("DELETE", "?role=editor").expect(200).json(), json!({"ended": 1}));
    assert_eq!(
        send("DELETE", "?all=true&dry_run=true").expect(200).json(),
        json!({"would_end": 7})
    );
    assert_eq!(send("DELETE", "?all=true").expect(200).json(), json!({"ended": 7}));
    assert!(crowd.living().is_empty() && !looked_at(auth, &crowd.admin));
}

#[test]
fn without_a_key_the_internal_listener_neither_lists_nor_ends() {
    let auth = AuthService::launch(&Launch::auth().without("AUTH_INTERNAL_KEY"));
    let token = auth.token();
    for request in [Request::get("/sessions"), Request::delete("/sessions?all=true")] {
        auth.internal.send(request).expect_problem(403, "forbidden");
    }
    assert!(auth.session(&token).status == 200);
}

#[test]
fn a_service_user_and_a_minted_token_of_an_admin_act_as_one() {
    let auth = AuthService::launch(&launch());
    let admin = auth.token();
    let body = json!({"username": "sweep", "service": true, "roles": ["admin"]});
    let made = auth.public.send(Request::post("/api/v1/users").bearer(&admin).json(&body));
    let made: Value = made.expect(201).json();
    let mint = format!("/api/v1/users/{}/tokens", made["id"].as_str().unwrap());
    let minted = auth.public.send(Request::post(&mint).bearer(&admin).json(&json!({})));
    let service = minted.expect(201).json()["token"].as_str().unwrap().to_owned();
    let minted = auth.mint(&admin, &json!({"kind": "fixed"}));
    for token in [&service, &minted] {
        grant(&auth, "7", "user", &json!({}));
        let request = Request::delete("/api/v1/sessions?user=7").bearer(token);
        assert_eq!(auth.public.send(request).expect(200).json(), json!({"ended": 1}));
        assert!(looked_at(&auth, token));
    }
}
