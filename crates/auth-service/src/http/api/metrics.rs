//! `GET /metrics`, on the internal listener.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::http::app::App;
use crate::operations::statistics;

/// The figures, as Prometheus text.
#[utoipa::path(
    get, path = "/metrics", tag = "Internal",
    security((), ("internal_key" = [])),
    responses((status = 200, description = "Prometheus text", content_type = "text/plain", body = String))
)]
pub(crate) async fn get_metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    statistics::refresh_sessions_active(&app.domain).await;
    app.metrics.answer(&headers)
}
