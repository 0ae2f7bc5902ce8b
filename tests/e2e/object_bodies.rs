//! A JSON list is never taken for an object, its items for the fields by their places.

use serde_json::{Value, json};

use crate::harness::{AuthService, DEMO, LONG_PASSWORD, Request, is_alive};

#[test]
fn a_list_is_no_question_and_uses_nothing() {
    let auth = AuthService::start();
    let token = auth.token();
    let once = auth.mint(&token, &json!({"kind": "single_use"}));
    for body in [
        json!([once]),
        json!([once, null, true]),
        json!({"token": once, "client": ["192.0.2.1", "x"]}),
        json!({"tokens": [once], "client": ["192.0.2.1"]}),
        json!({"tokens": [[once]]}),
        json!({"tokens": [{"token": once, "client": []}]}),
    ] {
        auth.try_validate(&body).expect_problem(400, "invalid_request");
    }
    assert!(is_alive(&auth.validate(&once)));
}

#[test]
fn a_list_is_no_body_of_the_public_api_either() {
    let auth = AuthService::start();
    let token = auth.token();
    let me = "/api/v1/users/me";
    let password = format!("{me}/password");
    for (method, path, body) in [
        ("POST", "/login", json!([DEMO.0, DEMO.1, null])),
        ("POST", "/tokens", json!(["fixed", "1h", "ci"])),
        ("POST", "/session/rotate", json!(["user"])),
        ("POST", "/api/v1/users", json!(["ann@example.com", LONG_PASSWORD, null, null])),
        ("PUT", me, json!(["Ann", "A", null, null])),
        ("PUT", password.as_str(), json!([DEMO.1, LONG_PASSWORD])),
    ] {
        let request = Request::new(method, path).bearer(&token);
        for text in [body.to_string(), format!(" \r\n\t{body}")] {
            let answer = auth.public.send(request.clone().body("application/json", text));
            let answer = answer.expect_problem(400, "invalid_request");
            assert!(answer.text().contains("object"), "{path}: {answer:?}");
        }
    }
    assert!(is_alive(&auth.validate(&token)));
    auth.login(DEMO.0, DEMO.1);
}

#[test]
fn a_value_of_a_session_may_be_a_list() {
    let auth = AuthService::start();
    let token = auth.token();
    let list = json!([1, {"a": []}]);
    let put = Request::put("/session/data/list").bearer(&token).json(&list);
    auth.internal.send(put).expect(204);
    let expected: Value =
        auth.internal.send(Request::get("/session/data/list").bearer(&token)).expect(200).json();
    assert_eq!(expected, list);
}
