//! `POST /tokens`: mints a token for a program.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::extract::caller::AnyUser;
use crate::http::openapi::MintProblems;
use crate::http::reply;
use crate::operations::tokens::{self, NewToken};
use crate::view;
use auth_api_types::{MintTokenRequest, TokenResponse};

/// Mint a token.
///
/// A session of its own with my role, for a program. It outlives my logout. With `scopes` it is narrowed
/// to them: backends and proxies demand one, and here it may only be looked at and ended.
#[utoipa::path(
    post, path = "/tokens", tag = "Sessions",
    request_body = MintTokenRequest,
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 201, description = "The token, shown this once", body = TokenResponse), MintProblems)
)]
pub(crate) async fn mint_token(
    State(app): State<Arc<App>>,
    AnyUser(caller): AnyUser,
    Json(request): Json<MintTokenRequest>,
) -> Result<Response, ApiError> {
    let MintTokenRequest { kind, ttl, name, scopes } = request;
    let wanted = NewToken { kind: kind.map(view::kind_read), ttl, name, scopes };
    let issued = tokens::mint(&app.domain, &caller, wanted).await?;
    reply::token(&app, StatusCode::CREATED, &issued)
}
