//! Request ids: given or made, told back, and the same through both services.

use std::thread;

use crate::harness::{
    AuthService, BusinessService, FakeServer, Launch, Request, TIMEOUT, eventually,
};

fn ids(auth: &AuthService, given: &str) -> Vec<String> {
    let answer = auth.public.send(Request::get("/livez").header("X-Request-Id", given)).expect(200);
    answer.all("x-request-id").into_iter().map(str::to_owned).collect()
}

#[test]
fn a_good_id_comes_back() {
    let auth = AuthService::start();
    for id in ["a", "kettle-7", "A.b_c-9", &"x".repeat(128)] {
        assert_eq!(ids(&auth, id), [id]);
    }
}

#[test]
fn a_bad_id_is_replaced() {
    let auth = AuthService::start();
    for bad in ["", "two words", "semi;colon", "quote\"", "ümlaut", "<b>", &"x".repeat(129)] {
        let ids = ids(&auth, bad);
        assert_eq!(ids.len(), 1, "{bad}");
        assert_ne!(ids[0], bad);
        assert!(!ids[0].is_empty());
    }
}

#[test]
fn an_id_is_made_where_none_is_given_and_errors_have_one_too() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let first = auth.public.get("/livez").header("x-request-id").map(str::to_owned);
    let second = auth.public.get("/livez").header("x-request-id").map(str::to_owned);
    assert!(first.is_some() && first != second, "{first:?} {second:?}");
    for listener in [auth.public, auth.internal, business.public] {
        assert!(listener.get("/nothing").expect(404).header("x-request-id").is_some());
    }
}

#[test]
fn one_id_is_in_the_logs_of_both_services() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    let request = Request::get("/data").bearer(&token).header("X-Request-Id", "kettle-4711");
    let answer = business.public.send(request).expect(200);
    assert_eq!(answer.header("x-request-id"), Some("kettle-4711"));
    business.log_lines_with("kettle-4711", 1);
    auth.log_lines_with("kettle-4711", 1);
}

#[test]
fn the_trace_and_the_id_are_passed_on() {
    let fake = FakeServer::saying("200 OK", "application/json", r#"{"authenticated":false}"#);
    let business = BusinessService::launch(&Launch::business(fake.port));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = Request::get("/data").bearer("x").header("X-Request-Id", "kettle-4712");
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    business.public.send(request).expect(401);
    let validations = fake.validations();
    assert_eq!(validations.len(), 1);
    assert!(validations[0].contains("kettle-4712"), "{}", validations[0]);
    let passed_on =
        validations[0].lines().find(|line| line.to_lowercase().starts_with("traceparent:"));
    assert!(passed_on.is_some_and(|line| line.contains(trace)), "{}", validations[0]);
}

/// Has one request wait for an auth service that hangs while another one is answered by the same
/// thread; what business-service then has written for each of the two.
fn interleaved(format: &str) -> [Vec<String>; 2] {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port)
        .var("WORKERS", "1")
        .var("LOG_FORMAT", format)
        .var("BUSINESS_AUTH_TIMEOUT", "500ms");
    let business = BusinessService::launch(&launch);
    auth.hang();
    thread::scope(|scope| {
        let waits = Request::get("/data").bearer("x").header("X-Request-Id", "kettle-waits");
        let waiting = scope.spawn(|| business.public.send(waits));
        let under_way = "auth_client_in_flight";
        eventually("the question is under way", TIMEOUT, || {
            let metrics = business.internal.get("/metrics").expect(200).text();
            let mut lines = metrics.lines().filter(|line| line.starts_with(under_way));
            lines.any(|line| line.ends_with(" 1")).then_some(())
        });
        let runs = Request::get("/livez").header("X-Request-Id", "kettle-runs");
        business.public.send(runs).expect(200);
        waiting.join().unwrap().expect(503);
    });
    auth.signal("CONT");
    ["kettle-waits", "kettle-runs"].map(|id| business.log_lines_with(id, 1))
}

#[test]
fn a_line_has_the_id_of_its_own_request_however_they_are_interleaved() {
    for format in ["json", "pretty"] {
        let [waits, runs] = interleaved(format);
        let named = |line: &str, id: &str| match format {
            "json" => line.contains(&format!("\"request_id\":\"{id}\"")),
            _ => line.starts_with(id),
        };
        for (lines, id, route) in
            [(waits, "kettle-waits", "/data"), (runs, "kettle-runs", "/livez")]
        {
            assert!(lines.iter().all(|line| named(line, id)), "{lines:?}");
            assert!(lines.iter().any(|line| line.contains(route)), "{lines:?}");
            assert!(lines.iter().all(|line| line.matches("request_id").count() <= 1), "{lines:?}");
            let other = if route == "/data" { "/livez" } else { "/data" };
            assert!(!lines.iter().any(|line| line.contains(other)), "{lines:?}");
        }
    }
}
