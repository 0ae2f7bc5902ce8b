//! `POST /api/v1/users/{id}/tokens`: mints a token for a service user.

use std::sync::Arc;

use auth_api_types::{MintTokenRequest, TokenResponse};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::extract::path::Path;
use crate::http::openapi::ServiceMintProblems;
use crate::http::reply;
use crate::operations::access::visible;
use crate::operations::caller::Caller;
use crate::operations::tokens::{self, NewToken};
use crate::view;

/// Mint a token for a service user.
///
/// By an admin who has logged in recently, and for a service user alone: a person mints their own. It
/// acts in the service user's first role.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/tokens", tag = "Users",
    params(("id" = String, Path, description = "The service user's id")),
    request_body = MintTokenRequest,
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 201, description = "The token, shown this once", body = TokenResponse), ServiceMintProblems)
)]
pub(crate) async fn mint_service_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<MintTokenRequest>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let MintTokenRequest { kind, ttl, name, scopes } = request;
    let wanted = NewToken { kind: kind.map(view::kind_read), ttl, name, scopes };
    let issued = tokens::mint_for_service(&app.domain, &caller, id, wanted).await?;
    reply::token(&app, StatusCode::CREATED, &issued)
}
