//! The metrics that operators draw and alarm on.

use serde_json::json;

use crate::harness::{AuthService, BusinessService, DEMO, Request, TIMEOUT, eventually};

/// Fails unless the series comes to this value.
#[track_caller]
fn expect_metric(auth: &AuthService, series: &str, value: f64) {
    eventually(&format!("{series} {value}"), TIMEOUT, || {
        auth.metric(series).is_some_and(|now| (now - value).abs() < 0.5).then_some(())
    });
}

#[test]
fn every_promised_metric_is_there_from_the_start() {
    let auth = AuthService::start();
    auth.public.get("/livez").expect(200);
    let text = auth.internal.get("/metrics").expect(200).text();
    for name in [
        "auth_sessions_active",
        "auth_sessions_swept_total",
        "auth_logins_total",
        "auth_token_validations_total",
        "auth_password_hash_seconds",
        "auth_store_op_duration_seconds",
        "auth_sweep_duration_seconds",
        "http_server_request_duration_seconds",
        "build_info",
    ] {
        assert!(
            text.contains(&format!("# TYPE {}", name.trim_end_matches("_total"))),
            "{name} in\n{text}"
        );
    }
}

#[test]
fn logins_are_counted_by_their_result() {
    let auth = AuthService::start();
    auth.tokens(2);
    auth.try_login(DEMO.0, "six silver spoons").expect(401);
    auth.public
        .send(Request::post("/login").basic("nobody@example.com", "six silver spoons"))
        .expect(401);
    expect_metric(&auth, r#"auth_logins_total{result="success"}"#, 2.0);
    expect_metric(&auth, r#"auth_logins_total{result="failure"}"#, 2.0);
}

#[test]
fn validations_are_counted_by_their_result() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    auth.logout(&tokens[1]);
    auth.validate(&tokens[0]);
    auth.validate(&tokens[0]);
    auth.validate("nonsense");
    let dead = auth.validate(&tokens[1]);
    let reason = dead["reason"].as_str().unwrap();
    expect_metric(&auth, r#"auth_token_validations_total{result="alive"}"#, 2.0);
    expect_metric(&auth, r#"auth_token_validations_total{result="malformed"}"#, 1.0);
    expect_metric(&auth, &format!(r#"auth_token_validations_total{{result="{reason}"}}"#), 1.0);
}

#[test]
fn requests_are_measured_by_method_route_and_status() {
    let auth = AuthService::start();
    let token = auth.token();
    auth.session(&token).expect(200);
    auth.public.get("/no/such/path/4711").expect(404);
    let text = eventually("the requests are measured", TIMEOUT, || {
        let text = auth.internal.get("/metrics").expect(200).text();
        let measured = |route: &str, status: &str| {
            text.lines().any(|line| {
                line.starts_with("http_server_request_duration_seconds_count{")
                    && line.contains(&format!("http_route=\"{route}\""))
                    && line.contains(&format!("http_response_status_code=\"{status}\""))
                    && line.contains("http_request_method=\"")
            })
        };
        (measured("/login", "200") && measured("/session", "200")).then_some(text)
    });
    assert!(!text.contains("4711"), "a path that a caller invents makes no series");
}

#[test]
fn business_service_has_metrics_on_its_internal_listener() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    business.data(&auth.token()).expect(200);
    let text = business.internal.get("/metrics").expect(200).text();
    assert!(text.contains("http_server_request_duration_seconds"), "{text}");
    assert!(text.contains("build_info"), "{text}");
}

#[test]
fn a_malformed_token_is_no_operation_of_the_store_at_any_door() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    auth.validate(&auth.token());
    let operations = || {
        let text = auth.internal.get("/metrics").expect(200).text();
        let counts =
            text.lines().filter(|line| line.starts_with("auth_store_op_duration_seconds_count"));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>()
    };
    let before = operations();
    assert!(before > 1.5, "{before}");
    for bad in ["nonsense", "", "rfl_", &"x".repeat(64)] {
        let form = format!("token={bad}");
        auth.validate(bad);
        auth.look_at(bad);
        auth.try_validate(&json!({"tokens": [bad, bad]})).expect(200);
        auth.internal.send(Request::post("/introspect").form(&form)).expect(200);
        for path in ["/authz/auth-request", "/authz/ext-authz/x", "/session/data"] {
            auth.internal.send(Request::get(path).bearer(bad)).expect(401);
            auth.internal.send(Request::get(path).cookie(bad)).expect(401);
        }
        for request in [Request::get("/session"), Request::post("/session/rotate")] {
            auth.public.send(request.clone().token(bad)).expect(401);
            auth.public.send(request.bearer(bad)).expect(401);
        }
        auth.public.send(Request::post("/logout").bearer(bad).cookie(bad)).expect(204);
        auth.public.send(Request::post("/revoke").form(&form)).expect(200);
        business.data(bad).expect(401);
    }
    let counted = operations() - before;
    assert!(counted < 0.5, "{counted} operations for tokens that are none");
}
