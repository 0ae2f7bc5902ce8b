//! `/validateToken` for one token: the clear yes, the clear no with its reason, and what is no
//! question at all.

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, Request, is_alive};

fn post(auth: &AuthService, body: impl Into<Vec<u8>>) -> Answer {
    auth.internal.send(Request::post("/validateToken").body("application/json", body))
}

#[test]
fn a_live_token_is_a_yes_with_its_session() {
    let auth = AuthService::start();
    let login = auth.login_answer("jsf.fusco@gmail.com", "postman");
    let verdict = auth.validate(login["token"].as_str().unwrap());
    assert_eq!(verdict["authenticated"], true);
    for same in
        ["id", "kind", "transport", "user", "role", "name", "created_at", "absolute_expires_at"]
    {
        assert_eq!(verdict["session"][same], login["session"][same], "{same}");
    }
    assert_eq!(verdict.as_object().unwrap().len(), 2, "{verdict}");
}

#[test]
fn a_dead_token_is_a_no_with_a_reason_and_status_200() {
    let auth = AuthService::start();
    let token = auth.token();
    auth.logout(&token);
    let answer = auth.try_validate(&json!({"token": token})).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let verdict = answer.json();
    assert_eq!(verdict, json!({"authenticated": false, "reason": verdict["reason"]}));
    assert!(["revoked", "unknown"].contains(&verdict["reason"].as_str().unwrap()), "{verdict}");
}

#[test]
fn touch_is_a_use_unless_it_is_false() {
    let auth = AuthService::start();
    let token = auth.token();
    let count = |touch: Value| {
        let body = json!({"token": token, "touch": touch});
        auth.try_validate(&body).expect(200).json()["session"]["refresh_count"].clone()
    };
    assert_eq!(count(json!(false)), 0);
    assert_eq!(count(json!(true)), 1);
    assert_eq!(count(json!(false)), 1);
}

#[test]
fn what_it_is_told_about_the_client_and_the_request_is_accepted() {
    let auth = AuthService::start();
    let body = json!({
        "token": auth.token(), "request_id": "kettle-7", "something_new": {"a": [1]},
        "client": {"ip": "203.0.113.9", "user_agent": "kettle/1.0", "something_new": 1}
    });
    assert!(is_alive(&auth.try_validate(&body).expect(200).json()));
}

#[test]
fn a_body_that_asks_nothing_is_an_invalid_request() {
    let auth = AuthService::start();
    let token = auth.token();
    let bodies = [
        json!({}),
        json!([]),
        json!(null),
        json!({"token": null}),
        json!({"token": 7}),
        json!({"token": [token]}),
        json!({"token": token, "tokens": [token]}),
        json!({"tokens": token}),
        json!({"tokens": []}),
        json!({"tokens": [7]}),
        json!({"tokens": [{}]}),
        json!({"tokens": [null]}),
        json!({"tokens": [{"token": 7}]}),
        json!({"token": token, "touch": "no"}),
        json!({"token": token, "client": "203.0.113.9"}),
        json!({"token": token, "client": {"ip": 7}}),
    ];
    for body in bodies {
        post(&auth, body.to_string()).expect_problem(400, "invalid_request");
    }
    assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 0, "none of them was a use");
}

#[test]
fn a_field_named_twice_is_an_invalid_request_at_any_depth() {
    let auth = AuthService::start();
    let t = auth.token();
    for body in [
        format!(r#"{{"token":"{t}","token":"{t}"}}"#),
        format!(r#"{{"tokens":["{t}"],"tokens":["{t}"]}}"#),
        format!(r#"{{"token":"{t}","touch":true,"touch":true}}"#),
        format!(r#"{{"tokens":[{{"token":"{t}","token":"{t}"}}]}}"#),
        format!(r#"{{"token":"{t}","client":{{"ip":"::1","ip":"::1"}}}}"#),
    ] {
        post(&auth, body).expect_problem(400, "invalid_request");
    }
    assert_eq!(auth.look_at(&t)["session"]["refresh_count"], 0, "none of them was a use");
}

#[test]
fn malformed_json_is_an_invalid_request() {
    let auth = AuthService::start();
    let nested = "[".repeat(10_000);
    let deep = format!(r#"{{"token":{nested}"#);
    let deeper = format!(r#"{{"x":{nested}{}}}"#, "]".repeat(10_000));
    for body in ["", "{", "{\"token\":\"\u{0}\"}", "{}{}", &nested, &deep, &deeper] {
        post(&auth, body).expect_problem(400, "invalid_request");
    }
    post(&auth, b"{\"token\":\"\xff\"}".as_slice()).expect_problem(400, "invalid_request");
    assert!(is_alive(&auth.validate(&auth.token())));
}

#[test]
fn another_media_type_or_method_is_refused() {
    let auth = AuthService::start();
    let token = auth.token();
    let form = Request::post("/validateToken").form(&format!("token={token}"));
    auth.internal.send(form).expect_problem(415, "unsupported_media_type");
    let untyped = Request::post("/validateToken").untyped_body(json!({"token": token}).to_string());
    auth.internal.send(untyped).expect_problem(415, "unsupported_media_type");
    let get = auth.internal.get("/validateToken").expect_problem(405, "method_not_allowed");
    assert_eq!(get.header("allow"), Some("POST"));
}

#[test]
fn a_body_over_128_kib_is_too_large_and_one_of_128_kib_is_not() {
    let auth = AuthService::start();
    let question = json!({"token": auth.token()}).to_string();
    let padded = |length: usize| format!("{question}{}", " ".repeat(length - question.len()));
    assert!(is_alive(&post(&auth, padded(128 * 1024)).expect(200).json()));
    post(&auth, padded(128 * 1024 + 1)).expect_problem(413, "payload_too_large");
    post(&auth, padded(2_000_000)).expect_problem(413, "payload_too_large");
}

#[test]
fn the_public_listener_validates_for_nobody() {
    let auth = AuthService::start();
    let request = Request::post("/validateToken").json(&json!({"token": auth.token()}));
    auth.public.send(request).expect_problem(404, "not_found");
}
