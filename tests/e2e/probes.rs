//! The probes, the description of the API, and what every answer carries.

use crate::harness::{Answer, AuthService, BusinessService, Listener, Request};

#[test]
fn both_services_live_and_are_ready() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for listener in [auth.public, auth.internal, business.public] {
        listener.get("/livez").expect(200);
        listener.get("/readyz").expect(200);
        let answer =
            listener.send(Request::post("/livez")).expect_problem(405, "method_not_allowed");
        assert!(
            answer.header("allow").is_some_and(|allowed| allowed.contains("GET")),
            "{answer:?}"
        );
    }
}

#[test]
fn a_probe_answers_head_as_it_answers_get() {
    let auth = AuthService::start();
    let answer = auth.public.send(Request::new("HEAD", "/livez")).expect(200);
    assert!(answer.body.is_empty());
}

/// What balancers ask by themselves, and what they are told to ask.
#[test]
fn a_balancers_check_is_a_get_or_a_head_in_either_version_of_http() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for listener in [auth.public, auth.internal, business.public, business.internal] {
        for path in ["/livez", "/readyz"] {
            for (line, status) in [
                (format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.1"), "200"),
                (format!("HEAD {path} HTTP/1.1\r\nHost: 10.0.0.1"), "200"),
                (format!("GET {path} HTTP/1.0"), "200"),
                (format!("HEAD {path} HTTP/1.0"), "200"),
                (format!("OPTIONS {path} HTTP/1.0"), "405"),
            ] {
                let bytes = format!("{line}\r\nConnection: close\r\n\r\n");
                let answer = listener.exchange(bytes.as_bytes());
                let code = answer.split(' ').nth(1);
                assert_eq!(code, Some(status), "{line}: {answer}");
                let allows = answer.to_lowercase().contains("allow: get");
                assert_eq!(allows, status == "405", "{line}: {answer}");
            }
        }
        // HAProxy's own check.
        let answer = listener.exchange(b"OPTIONS / HTTP/1.0\r\n\r\n");
        assert!(answer.contains(" 405 ") || answer.contains(" 404 "), "{answer}");
    }
}

#[test]
fn the_api_is_described_as_openapi_3_1() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let document = |listener: Listener| {
        let answer = listener.get("/openapi.json").expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")), "{document}");
        document
    };
    let of_auth = document(auth.public);
    for (path, method) in [
        ("/login", "post"),
        ("/logout", "post"),
        ("/session", "get"),
        ("/validateToken", "post"),
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    ] {
        assert!(of_auth["paths"][path][method].is_object(), "{method} {path}");
    }
    let of_business = document(business.public);
    for path in ["/data", "/protected-resource"] {
        let responses = &of_business["paths"][path]["get"]["responses"];
        for status in ["200", "401", "503"] {
            assert!(responses[status].is_object(), "{path} {status}");
        }
    }
}

#[test]
fn what_is_not_there_is_a_problem_at_every_listener() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for listener in [auth.public, auth.internal, business.public, business.internal] {
        for path in ["/nothing", "/login/", "/../login", "/%2e%2e/login", "//"] {
            listener.get(path).expect_problem(404, "not_found");
        }
    }
}

#[test]
fn no_answer_may_be_sniffed_and_none_about_a_session_may_be_stored() {
    let auth = AuthService::start();
    let token = auth.token();
    let answers: Vec<Answer> = vec![
        auth.public.get("/livez"),
        auth.public.get("/openapi.json"),
        auth.internal.get("/metrics"),
        auth.session(&token),
        auth.session("nonsense"),
        auth.public.get("/session"),
        auth.public.send(Request::post("/logout").bearer(&token)),
    ];
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer.all("x-content-type-options"), ["nosniff"], "{index}: {answer:?}");
        if index >= 3 {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{index}: {answer:?}");
        }
    }
}

#[test]
fn what_is_internal_is_not_on_the_public_listeners() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for path in
        ["/metrics", "/validateToken", "/introspect", "/session/data", "/authz/auth-request"]
    {
        auth.public.get(path).expect_problem(404, "not_found");
        business.public.get(path).expect_problem(404, "not_found");
    }
    auth.internal.send(Request::post("/login").basic("a", "b")).expect_problem(404, "not_found");
}
