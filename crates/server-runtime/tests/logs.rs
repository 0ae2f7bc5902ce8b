//! What a request leaves in the log. In a process of its own: what `tracing` caches of a line is
//! shared by all the subscribers of a process.

use std::io::Write;
use std::sync::Arc;

use auth_http::{ErrorCode, Problem};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{Request, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use server_runtime::telemetry::{self, Format};
use server_runtime::{Metrics, RequestLayer, problem};
use tower::ServiceExt as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn router() -> Router {
    let refuse = async || problem::answer(Problem::new(ErrorCode::NotFound, "Nothing"));
    let within = async || {
        tracing::info!("from the handler");
        StatusCode::BAD_GATEWAY.into_response()
    };
    Router::new()
        .route("/items/{name}", get(async |Path(_): Path<String>| ()))
        .route("/refuse", get(refuse))
        .route("/fail", get(within))
        .layer(RequestLayer::new(&Metrics::new("0"), Arc::new(clock::ManualClock::new())))
}

/// The lines so far: level and message, and the whole object.
fn lines(captured: &Captured) -> Vec<(String, Value)> {
    let bytes = std::mem::take(&mut *captured.0.lock());
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("geheim"), "{text}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let seen = |line: &Value| format!("{} {}", line["level"], line["message"]).replace('"', "");
    lines
        .into_iter()
        .inspect(|line| assert_eq!(line["request_id"], "r-1", "{line}"))
        .map(|line| (seen(&line), line))
        .collect()
}

#[tokio::test]
async fn an_answer_is_logged_by_its_outcome_with_the_requests_id() {
    let captured = Captured::default();
    let writer = captured.clone();
    let filter = EnvFilter::new("server_runtime=debug,info");
    telemetry::subscriber(Format::Json, filter, false, move || writer.clone()).init();
    let router = router();
    for path in ["/items/geheim?token=geheim", "/refuse", "/fail"] {
        let request = Request::get(path).header("x-request-id", "r-1");
        let request = request.header("authorization", "Bearer geheim").body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap();
    }
    let lines = lines(&captured);
    let seen: Vec<&str> = lines.iter().map(|(seen, _)| &**seen).collect();
    assert_eq!(seen, ["DEBUG answered", "INFO refused", "INFO from the handler", "ERROR failed"]);
    let answered = &lines[0].1;
    assert_eq!(answered["method"], "GET");
    assert_eq!(answered["route"], "/items/{name}");
    assert_eq!(answered["status"], 200);
    assert_eq!(answered["ms"], 0.0);
}
