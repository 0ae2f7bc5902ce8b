//! The probes, with their descriptions.

use axum::extract::State;
use axum::response::Response;
use server_runtime::{Readiness, probes};

/// Whether the process lives.
#[utoipa::path(
    get, path = "/livez", tag = "probes",
    responses((status = 200, description = "It lives"))
)]
pub(crate) async fn show_liveness() -> Response {
    probes::live().await
}

/// Whether the service wants requests: while an auth service answers and it is not draining.
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    responses(
        (status = 200, description = "It is ready"),
        (status = 503, description = "It is not; the answer names what is missing"),
    )
)]
pub(crate) async fn show_readiness(State(readiness): State<Readiness>) -> Response {
    readiness.answer().await
}
