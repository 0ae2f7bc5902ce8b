//! `GET /metrics`, on the internal listener.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::http::app::App;

/// The figures, as Prometheus text.
#[utoipa::path(
    get, path = "/metrics", tag = "Internal",
    security((), ("internal_key" = [])),
    responses((status = 200, description = "Prometheus text", content_type = "text/plain", body = String))
)]
pub(crate) async fn get_metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    // A store that does not answer leaves the last known number standing.
    if let Ok(count) = app.sessions.store().count().await {
        app.figures.sessions_active.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    app.metrics.answer(&headers)
}
