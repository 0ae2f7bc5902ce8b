//! Bodies that are no login: each refused by the status that says why, the service as it was.

use crate::harness::{Answer, AuthService, DEMO, Request};

const GOOD: &str = r#"{"username":"jsf.fusco@gmail.com","password":"postman"}"#;

fn post(auth: &AuthService, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    auth.public.send(Request::post("/login").body(content_type, body))
}

#[test]
fn malformed_json_is_an_invalid_request() {
    let auth = AuthService::start();
    let nested = "[".repeat(10_000);
    let bodies =
        ["", " ", "{", "[]", "\"x\"", "null", "7", "{\"username\"}", "{'username':1}", &nested];
    let trailing = format!("{GOOD}}}");
    for body in bodies.into_iter().chain([trailing.as_str()]) {
        post(&auth, "application/json", body).expect_problem(400, "invalid_request");
    }
    auth.try_login(DEMO.0, DEMO.1).expect(200);
}

#[test]
fn what_is_no_utf_8_is_an_invalid_request() {
    let auth = AuthService::start();
    let mut body = GOOD.as_bytes().to_vec();
    body[15] = 0xff;
    post(&auth, "application/json", body).expect_problem(400, "invalid_request");
    let nul = GOOD.replace("fusco", "fu\0sco");
    post(&auth, "application/json", nul).expect_problem(400, "invalid_request");
}

#[test]
fn a_missing_or_ill_typed_field_is_named() {
    let auth = AuthService::start();
    for (body, field) in [
        (r#"{"password":"postman"}"#, "username"),
        (r#"{"username":"jsf.fusco@gmail.com"}"#, "password"),
        (r#"{"username":7,"password":"postman"}"#, "username"),
        (r#"{"username":null,"password":"postman"}"#, "username"),
        (r#"{"username":"jsf.fusco@gmail.com","password":["postman"]}"#, "password"),
        (r#"{"username":"jsf.fusco@gmail.com","password":"postman","role":7}"#, "role"),
    ] {
        let answer = post(&auth, "application/json", body).expect_problem(400, "invalid_request");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(field), "{body}: {detail}");
    }
}

#[test]
fn a_field_named_twice_is_an_invalid_request() {
    let auth = AuthService::start();
    for body in [
        r#"{"username":"jsf.fusco@gmail.com","username":"jsf.fusco@gmail.com","password":"postman"}"#,
        r#"{"username":"jsf.fusco@gmail.com","password":"postman","password":"postman"}"#,
        r#"{"username":"jsf.fusco@gmail.com","email":"jsf.fusco@gmail.com","password":"postman"}"#,
    ] {
        post(&auth, "application/json", body).expect_problem(400, "invalid_request");
    }
}

#[test]
fn no_error_repeats_the_password() {
    let auth = AuthService::start();
    for body in [
        r#"{"username":7,"password":"four-yellow-lanterns"}"#,
        r#"{"username":"a","password":"four-yellow-lanterns"#,
        r#"{"username":"a","password":{"four-yellow-lanterns":1}}"#,
        r#"{"username":"a","password":"four-yellow-lanterns","password":"x"}"#,
    ] {
        auth.keep_secret("four-yellow-lanterns");
        let answer = post(&auth, "application/json", body).expect_problem(400, "invalid_request");
        assert!(!answer.text().contains("lanterns"), "{answer:?}");
    }
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let auth = AuthService::start();
    for content_type in ["text/plain", "application/xml", "application/jsonish", "json", ""] {
        post(&auth, content_type, GOOD).expect_problem(415, "unsupported_media_type");
    }
    let untyped = Request::post("/login").untyped_body(GOOD);
    auth.public.send(untyped).expect_problem(415, "unsupported_media_type");
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        post(&auth, content_type, GOOD).expect(200);
    }
}

#[test]
fn a_body_over_16_kib_is_too_large_and_one_of_16_kib_is_not() {
    let auth = AuthService::start();
    let padded = |length: usize| format!("{GOOD}{}", " ".repeat(length - GOOD.len()));
    post(&auth, "application/json", padded(16 * 1024)).expect(200);
    let over = post(&auth, "application/json", padded(16 * 1024 + 1));
    over.expect_problem(413, "payload_too_large");
    post(&auth, "application/json", padded(300_000)).expect_problem(413, "payload_too_large");
    auth.try_login(DEMO.0, DEMO.1).expect(200);
}

#[test]
fn a_chunked_body_over_the_limit_is_too_large_as_well() {
    let auth = AuthService::start();
    let mut request =
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            .to_vec();
    for _ in 0..20 {
        request.extend_from_slice(b"400\r\n");
        request.extend_from_slice(&[b' '; 1024]);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let mut connection = auth.public.connect();
    connection.write(&request);
    connection.read_answer(false).unwrap().expect_problem(413, "payload_too_large");
}

#[test]
fn another_method_is_told_which_are_allowed() {
    let auth = AuthService::start();
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = auth.public.send(Request::new(method, "/login"));
        let answer = answer.expect_problem(405, "method_not_allowed");
        let allowed = answer.header("allow").unwrap_or_default();
        assert!(allowed.split(',').any(|method| method.trim() == "POST"), "{answer:?}");
    }
}

#[test]
fn names_and_passwords_of_any_shape_are_wrong_ones_and_nothing_worse() {
    let auth = AuthService::start();
    let long = "x".repeat(5_000);
    for (user, password) in [
        ("jsf.fusco@gmail.com\u{0}", "postman"),
        ("jsf.fusco@gmail.com", "postman\u{0}"),
        ("jsf.fusco@gmail.com\r\nadmin", "postman"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("", ""),
        ("jsf.fusco@gmail.com", ""),
        ("jsf.fusco@gmail.com", long.as_str()),
        (long.as_str(), "postman"),
        ("јsf.fusco@gmail.com", "postman"),
    ] {
        let status = auth.try_login(user, password).status;
        assert!(matches!(status, 400 | 401 | 422), "{user:?} {password:?}: {status}");
    }
    auth.try_login(DEMO.0, DEMO.1).expect(200);
}
