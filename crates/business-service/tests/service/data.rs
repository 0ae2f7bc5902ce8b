//! `/data` and `/protected-resource`: who gets them, and what the others are told.

use std::time::Duration;

use serde_json::json;

use crate::auth::Health;
use crate::{ALIVE, Service, header, json as body, text};

#[tokio::test]
async fn a_live_session_gets_its_own_data_and_each_request_is_one_use() {
    let service = Service::start().await;
    for uses in 1..=3 {
        let response = service.get("/data", &[ALIVE]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "cache-control"), "no-store");
        let data = &body(response).await["data"];
        assert_eq!(data["user"]["username"], "ann@example.com");
        assert_eq!(data["session"]["refresh_count"], uses);
        assert_eq!(data["session"]["expires_in"], 30);
    }
    assert_eq!(service.auth.questions_about("alive").len(), 3);
}

#[tokio::test]
async fn the_protected_resource_is_exactly_what_was_promised() {
    let service = Service::start().await;
    let response = service.get("/protected-resource", &[("token", "alive")]).await;
    assert_eq!(
        text(response).await,
        r#"{"message":"This is a protected resource","user":"ann@example.com"}"#
    );
}

#[tokio::test]
async fn without_a_live_session_nobody_gets_in() {
    let service = Service::start().await;
    let bare = r#"Bearer realm="reinflate""#;
    let expired = r#"Bearer realm="reinflate", error="invalid_token", error_description="the token has expired""#;
    let unknown = r#"Bearer realm="reinflate", error="invalid_token", error_description="the token is unknown or has ended""#;
    let two = r#"Bearer realm="reinflate", error="invalid_request", error_description="more than one token""#;
    for path in ["/data", "/protected-resource", "/dashboard", "/protected"] {
        for (headers, status, code, challenge) in [
            (&[][..], 401, "missing_token", bare),
            (&[("authorization", "Basic YWxpdmU=")], 401, "missing_token", bare),
            (&[("token", "expired")], 401, "invalid_token", expired),
            (&[("cookie", "__Host-reinflate=made-up")], 401, "invalid_token", unknown),
            (&[("token", "alive"), ALIVE, ("token", "alive")], 400, "invalid_request", two),
            (&[("token", "expired"), ALIVE], 400, "invalid_request", two),
        ] {
            let response = service.get(path, headers).await;
            assert_eq!(response.status(), status, "{path} {headers:?}");
            assert_eq!(header(&response, "www-authenticate"), challenge, "{path} {headers:?}");
            assert_eq!(header(&response, "content-type"), "application/problem+json");
            assert_eq!(header(&response, "cache-control"), "no-store");
            let problem = body(response).await;
            assert_eq!(problem["code"], code);
            assert_eq!(problem["status"], status);
            assert!(!problem.to_string().contains("made-up"));
        }
    }
    assert_eq!(service.auth.questions_about("alive").len(), 0);
}

#[tokio::test]
async fn a_token_in_the_query_is_never_read() {
    let service = Service::start().await;
    let response = service.get("/data?token=alive&access_token=alive", &[]).await;
    assert_eq!(body(response).await["code"], "missing_token");
}

#[tokio::test]
async fn where_nobody_knows_the_answer_is_503_and_nothing_else() {
    let service = Service::start().await;
    for health in [Health::Broken(500), Health::Broken(401), Health::Broken(200), Health::Hung] {
        service.auth.set_health(health);
        for path in ["/data", "/protected-resource", "/dashboard", "/protected"] {
            let started = tokio::time::Instant::now();
            let response = service.get(path, &[ALIVE]).await;
            assert!(started.elapsed() < Duration::from_millis(600), "{health:?}");
            assert_eq!(response.status(), 503, "{health:?}");
            assert_eq!(header(&response, "retry-after"), "1");
            assert_eq!(header(&response, "www-authenticate"), "");
            assert_eq!(body(response).await["code"], "unavailable");
        }
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let service = Service::start().await;
    let response = service.send("HEAD", "/data", &[ALIVE]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(text(response).await, "");
    assert_eq!(service.send("HEAD", "/data", &[]).await.status(), 401);
}

#[tokio::test]
async fn the_auth_service_is_told_of_the_client_only_where_that_is_set() {
    let service = Service::start().await;
    service.get("/data", &[ALIVE, ("user-agent", "curl/8.5")]).await;
    assert_eq!(service.auth.questions_about("alive")[0].get("client"), None);

    let service = Service::with(&[("BUSINESS_AUTH_CLIENT", "user-agent")]).await;
    service.get("/data", &[ALIVE, ("user-agent", "curl/8.5")]).await;
    assert_eq!(
        service.auth.questions_about("alive")[0]["client"],
        json!({"user_agent": "curl/8.5"})
    );
}

#[tokio::test]
async fn the_requests_id_is_passed_on() {
    let service = Service::start().await;
    let response = service.get("/data", &[ALIVE, ("x-request-id", "r-1")]).await;
    assert_eq!(header(&response, "x-request-id"), "r-1");
    assert_eq!(service.auth.questions_about("alive")[0]["request_id"], "r-1");

    let response = service.get("/data", &[ALIVE]).await;
    let made = header(&response, "x-request-id").to_owned();
    assert!(!made.is_empty());
    assert_eq!(service.auth.questions_about("alive")[1]["request_id"], made.as_str());
}

#[tokio::test]
async fn only_the_cookie_that_is_set_is_read() {
    const NAMES: [&str; 4] = ["__Host-reinflate", "__Secure-reinflate", "reinflate", "sid"];
    for name in NAMES {
        let service = Service::with(&[("BUSINESS_COOKIE_NAME", name)]).await;
        let status = async |cookies: String| {
            service.get("/data", &[("cookie", &cookies)]).await.status().as_u16()
        };
        assert_eq!(status(format!("{name}=alive")).await, 200);
        for other in NAMES.into_iter().filter(|other| *other != name) {
            assert_eq!(status(format!("{other}=alive")).await, 401, "{other} for {name}");
            for (own, expected) in [("alive", 200), ("expired", 401), ("made-up", 401)] {
                let planted = format!("{other}=alive; {name}={own}; {other}=alive");
                assert_eq!(status(planted).await, expected, "{other} beside {name}={own}");
            }
        }
    }
}
