//! The service through its router, with a fake auth service.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod auth;
mod data;
mod everywhere;
mod pages;

use std::ffi::OsString;
use std::sync::Arc;

use auth::Auth;
use axum::body::Body;
use axum::response::Response;
use business_service::{App, Config, settings_table};
use http::Request;
use server_runtime::{Lifecycle, Metrics, Settings};
use tower::ServiceExt;

/// The service and its fake auth service.
struct Service {
    auth: Auth,
    app: App,
    lifecycle: Lifecycle,
}

impl Service {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let auth = Auth::start().await;
        let mut given = vec![
            ("BUSINESS_AUTH_URL".to_owned(), auth.url.clone()),
            ("BUSINESS_AUTH_TIMEOUT".to_owned(), "400ms".to_owned()),
        ];
        given
            .extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let table = settings_table();
        let command = Settings::command(clap::Command::new("business-service"), &table);
        let matches = command.get_matches_from(["business-service"]);
        let env = |name: &str| {
            given.iter().rev().find(|(key, _)| key == name).map(|(_, value)| OsString::from(value))
        };
        let config = Config::read(&Settings::read(&table, &matches, &env).unwrap()).unwrap();
        let (lifecycle, metrics) = (Lifecycle::new(config.drain_delay), Metrics::new("0.0.0"));
        let clock = Arc::new(clock::SystemClock::new());
        let app = App::build(&config, &lifecycle, &metrics, clock).unwrap();
        Self { auth, app, lifecycle }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.send("GET", path, headers).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        send(self.app.public_router(), method, path, headers).await
    }
}

async fn send(
    router: axum::Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn json(response: Response) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// The `Accept` header of a browser.
const BROWSER: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
const ALIVE: (&str, &str) = ("authorization", "Bearer alive");
