//! What every request gets, through a real router.

use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE};
use tower::ServiceExt as _;

use super::*;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn router(metrics: &Metrics, clock: &clock::ManualClock) -> Router {
    let slow = clock.clone();
    let refuse = async || {
        let problem = Problem::new(ErrorCode::NotFound, "Nothing here");
        ([("x-more", "kept")], problem::answer(problem))
    };
    Router::new()
        .route("/id", get(async |id: RequestId| id.as_str().to_owned()))
        .route(
            "/trace",
            get(async |Extension(t): Extension<TraceParent>| {
                t.header().to_str().unwrap().to_owned()
            }),
        )
        .route(
            "/items/{name}",
            get(async move |Path(_): Path<String>| slow.advance(Duration::from_millis(20))),
        )
        .route("/refuse", get(refuse))
        .route("/panic", get(async || -> () { panic!("on purpose") }))
        .layer(RequestLayer::new(metrics, Arc::new(clock.clone())))
}

struct Setup {
    metrics: Metrics,
    router: Router,
}

impl Setup {
    fn new() -> Self {
        let metrics = Metrics::new("0");
        let router = router(&metrics, &clock::ManualClock::new());
        Self { metrics, router }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn scraped(&self) -> String {
        text(self.metrics.answer(&http::HeaderMap::new())).await
    }
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_id_of_a_request_reaches_the_handler_and_comes_back() {
    let setup = Setup::new();
    let given = setup.get("/id", &[("x-request-id", "r-1")]).await;
    assert_eq!(given.headers()["x-request-id"], "r-1");
    assert_eq!(text(given).await, "r-1");
    let made = setup.get("/id", &[("x-request-id", "no good")]).await;
    let id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    assert_eq!(text(made).await, id);
    let unmatched = setup.get("/nowhere", &[("x-request-id", "r-2")]).await;
    assert_eq!(unmatched.headers()["x-request-id"], "r-2");
    assert_eq!(unmatched.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_valid_traceparent_reaches_the_handler() {
    let setup = Setup::new();
    assert_eq!(text(setup.get("/trace", &[("traceparent", TRACE)]).await).await, TRACE);
    // The handler asks for what is not there.
    assert_eq!(setup.get("/trace", &[("traceparent", "x")]).await.status(), 500);
}

#[tokio::test]
async fn a_problem_is_json_for_programs_and_a_page_for_people() {
    let setup = Setup::new();
    let json = setup.get("/refuse", &[]).await;
    assert_eq!(json.headers()[CONTENT_TYPE], "application/problem+json");
    let page =
        setup.get("/refuse", &[(ACCEPT.as_str(), "text/html"), ("x-request-id", "r-1")]).await;
    assert_eq!(page.status(), 404);
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()["x-more"], "kept");
    assert!(text(page).await.contains("r-1"));
}

#[tokio::test]
async fn a_panic_is_one_500_and_nothing_else() {
    let setup = Setup::new();
    let response = setup.get("/panic", &[("x-request-id", "r-1")]).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()["x-request-id"], "r-1");
    let body = text(response).await;
    assert!(body.contains("\"code\":\"internal\"") && !body.contains("on purpose"), "{body}");
    assert_eq!(setup.get("/id", &[]).await.status(), 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let setup = Setup::new();
    setup.get("/items/geheim?q=geheim", &[]).await;
    setup.get("/geheim", &[]).await;
    let text = setup.scraped().await;
    let labels = "http_request_method=\"GET\",http_route=\"/items/{name}\",http_response_status_code=\"200\"";
    for line in [
        format!("http_server_request_duration_seconds_count{{{labels}}} 1"),
        format!("http_server_request_duration_seconds_sum{{{labels}}} 0.02"),
    ] {
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(text.contains("http_route=\"unmatched\",http_response_status_code=\"404\""), "{text}");
    assert!(!text.contains("geheim"), "{text}");
}
