//! What holds for every path: errors, probes, metrics, the description.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::auth::Health;
use crate::{ALIVE, BROWSER, Service, header, json, send, text};

#[tokio::test]
async fn an_unknown_path_and_an_unknown_method_are_told_as_such() {
    let service = Service::start().await;
    for path in ["/nothing", "/data/", "/data/x", "/metrics", "//data", "/%00"] {
        let response = service.get(path, &[ALIVE]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(json(response).await["code"], "not_found");
    }
    for path in ["/data", "/protected-resource", "/dashboard", "/readyz", "/openapi.json", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let response = service.send(method, path, &[ALIVE]).await;
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(header(&response, "allow"), "GET,HEAD", "{method} {path}");
            assert_eq!(json(response).await["code"], "method_not_allowed");
        }
    }
    assert_eq!(service.auth.questions_about("alive").len(), 0);
    let page = service.get("/nothing", &[BROWSER]).await;
    assert!(header(&page, "content-type").starts_with("text/html"));
}

#[tokio::test]
async fn it_is_ready_while_an_auth_service_answers_and_it_is_not_told_to_end() {
    let service = Service::start().await;
    let ready = async || service.get("/readyz", &[]).await.status().as_u16();
    assert_eq!(service.get("/livez", &[]).await.status(), 200);
    assert_eq!(ready().await, 200);
    // An outcome is shared for a moment.
    let becomes = async |status: u16, why: &str| {
        let changed = timeout(Duration::from_secs(3), async {
            while ready().await != status {
                sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(changed.await.is_ok(), "not {status}: {why}");
    };
    for health in [Health::Broken(503), Health::Hung] {
        let why = format!("{health:?}");
        service.auth.set_health(health);
        becomes(503, &why).await;
        assert_eq!(service.get("/livez", &[]).await.status(), 200);
        service.auth.set_health(Health::Healthy);
        becomes(200, &why).await;
    }
    service.lifecycle.drain();
    assert_eq!(ready().await, 503);
    assert_eq!(service.get("/data", &[ALIVE]).await.status(), 200);
}

#[tokio::test]
async fn the_metrics_say_how_validations_end_and_whose_breaker_is_open() {
    let service = Service::start().await;
    service.get("/data", &[ALIVE]).await;
    service.get("/data", &[("token", "expired")]).await;
    service.auth.set_health(Health::Broken(500));
    for _ in 0..6 {
        service.get("/data", &[ALIVE]).await;
    }
    let metrics = text(send(service.app.internal_router(), "GET", "/metrics", &[]).await).await;
    for line in [
        "auth_client_validations_total{result=\"alive\"} 1\n".to_owned(),
        "auth_client_validations_total{result=\"expired\"} 1\n".to_owned(),
        "auth_client_validations_total{result=\"revoked\"} 0\n".to_owned(),
        "auth_client_validations_total{result=\"unclear\"} 5\n".to_owned(),
        "auth_client_batch_size_bucket{le=\"+Inf\"} 7\n".to_owned(),
        "auth_client_validations_total{result=\"breaker_open\"} 1\n".to_owned(),
        format!("auth_client_breaker_open{{upstream=\"{}\"}} 1\n", service.auth.url),
        "http_server_request_duration_seconds_count{".to_owned(),
        "build_info".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let probes = send(service.app.internal_router(), "GET", "/livez", &[]).await;
    assert_eq!(probes.status(), 200);
    let data = send(service.app.internal_router(), "GET", "/data", &[ALIVE]).await;
    assert_eq!(data.status(), 404);
}

#[tokio::test]
async fn the_description_names_every_route_and_its_statuses() {
    let service = Service::start().await;
    let response = service.get("/openapi.json", &[]).await;
    assert_eq!(header(&response, "content-type"), "application/json");
    let api = json(response).await;
    assert_eq!(api["openapi"], "3.1.0");
    for (path, statuses) in [
        ("/data", &["200", "400", "401", "421", "503"][..]),
        ("/protected-resource", &["200", "400", "401", "421", "503"]),
        ("/dashboard", &["200", "303", "400", "401", "421", "503"]),
        ("/protected", &["200", "303", "400", "401", "421", "503"]),
        ("/livez", &["200"]),
        ("/readyz", &["200", "503"]),
    ] {
        let responses = api["paths"][path]["get"]["responses"].as_object().unwrap();
        assert!(responses.keys().eq(statuses), "{path}: {responses:?}");
    }
    for scheme in ["bearer", "token", "cookie"] {
        assert!(api["components"]["securitySchemes"][scheme].is_object());
    }
    assert!(api["components"]["schemas"]["Problem"].is_object());
}

#[tokio::test]
async fn its_routes_can_be_served_beside_others() {
    let service = Service::start().await;
    let (routes, api) = service.app.routes();
    assert!(api.paths.paths.contains_key("/data") && !api.paths.paths.contains_key("/livez"));
    let others = axum::Router::new()
        .route("/livez", axum::routing::get(async || "both"))
        .fallback(async || "nothing here");
    let joined = others.merge(routes);
    assert_eq!(send(joined.clone(), "GET", "/data", &[ALIVE]).await.status(), 200);
    assert_eq!(text(send(joined, "GET", "/livez", &[]).await).await, "both");
}
