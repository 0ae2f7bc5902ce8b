//! `POST /sessions/backup`, on the internal listener: a copy of the session file.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::openapi::BackupProblems;
use crate::http::reply;
use crate::operations::backup;

/// Where to write the copy.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct BackupRequest {
    /// An absolute path on the service's machine, where nothing is.
    pub(crate) path: String,
}

/// Copy the session file.
///
/// Written by the service, for its own user alone (mode 0600), and never over a file that is there.
#[utoipa::path(
    post, path = "/sessions/backup", tag = "Internal",
    security(("internal_key" = [])),
    request_body = BackupRequest,
    responses((status = 201, description = "It is written", body = BackupRequest), BackupProblems)
)]
pub(crate) async fn back_up_sessions(
    State(app): State<Arc<App>>,
    Json(request): Json<BackupRequest>,
) -> Result<Response, ApiError> {
    if app.internal_keys.is_none() {
        return Err(ApiError::Forbidden(
            "AUTH_INTERNAL_KEY is not set: nobody may have files written",
        ));
    }
    backup::copy_sessions(&app.domain, Path::new(&request.path)).await?;
    reply::json(StatusCode::CREATED, &request)
}
