//! `GET /api/v1/status` and `GET /api/v1/stats`.

use std::sync::Arc;

use auth_api_types::{Stats, Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::caller::Admin;
use crate::http::openapi::AdminProblems;
use crate::http::reply;
use crate::operations::statistics;

/// That the API answers.
#[utoipa::path(get, path = "/api/v1/status", tag = "Users", responses((status = 200, body = Status, description = "It does")))]
pub(crate) async fn get_status() -> Result<Response, ApiError> {
    reply::json(StatusCode::OK, &Status { status: "OK".to_owned() })
}

/// How many users and sessions there are.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "Users",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, body = Stats, description = "The numbers"), AdminProblems)
)]
pub(crate) async fn get_stats(
    State(app): State<Arc<App>>,
    _admin: Admin,
) -> Result<Response, ApiError> {
    let (users, sessions) = statistics::count(&app.domain).await?;
    reply::json(StatusCode::OK, &Stats { users, sessions })
}
