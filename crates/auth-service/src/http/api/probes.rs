//! `GET /livez` and `GET /readyz`.

use axum::extract::Extension;
use axum::response::Response;
use server_runtime::Readiness;

use crate::http::openapi::ProbeProblems;

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "Probes", responses((status = 200, description = "It does")))]
pub(crate) async fn livez() -> Response {
    server_runtime::probes::live().await
}

/// Whether the service is ready.
#[utoipa::path(
    get, path = "/readyz", tag = "Probes",
    responses((status = 200, description = "Its stores answer, and it is not draining"), ProbeProblems)
)]
pub(crate) async fn readyz(Extension(readiness): Extension<Readiness>) -> Response {
    readiness.answer().await
}
