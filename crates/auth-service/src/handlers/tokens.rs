//! `POST /tokens`: mints a token for a program.

use std::sync::Arc;

use auth_api_types::{Kind, MintTokenRequest, TokenResponse};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use session::{Issued, Mint};

use crate::app::App;
use crate::body::Json;
use crate::client_address::Client;
use crate::credential::Caller;
use crate::error::ApiError;
use crate::openapi::MintProblems;
use crate::reply;

/// The longest name of a token, in characters.
const NAME_CHARS: usize = 100;

/// Mint a token.
///
/// A session of its own with my role, for a program. It outlives my logout.
#[utoipa::path(
    post, path = "/tokens", tag = "Sessions",
    request_body = MintTokenRequest,
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 201, description = "The token, shown this once", body = TokenResponse), MintProblems)
)]
pub(crate) async fn mint_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    client: Client,
    Json(request): Json<MintTokenRequest>,
) -> Result<Response, ApiError> {
    let issued = mint(&app, &caller, &client, request).await?;
    reply::token(&app, StatusCode::CREATED, &issued)
}

/// Mints what was asked for, if the caller may.
pub(crate) async fn mint(
    app: &App,
    caller: &Caller,
    client: &Client,
    request: MintTokenRequest,
) -> Result<Issued, ApiError> {
    let mint = Mint {
        kind: kind(request.kind.unwrap_or(Kind::Fixed)),
        ttl: request.ttl.as_deref().map(ttl).transpose()?,
        name: request.name.map(name).transpose()?,
        origin: client.origin(),
    };
    let issued = app.sessions.mint(&caller.session, caller.presented, mint).await?;
    tracing::info!(target: "audit", event = "token_minted", user_id = %caller.session.subject.id,
        session_id = %issued.session.id, by = %caller.session.id, ip = client.ip.map(tracing::field::display));
    Ok(issued)
}

const fn kind(kind: Kind) -> session::Kind {
    match kind {
        Kind::Sliding => session::Kind::Sliding,
        Kind::Fixed => session::Kind::Fixed,
        Kind::SingleUse => session::Kind::SingleUse,
    }
}

fn ttl(text: &str) -> Result<std::time::Duration, ApiError> {
    server_runtime::settings::duration(text).ok_or_else(|| {
        ApiError::Invalid("`ttl` must be a duration such as 300ms, 30s or 12h".to_owned())
    })
}

fn name(name: String) -> Result<Arc<str>, ApiError> {
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::Unprocessable(format!(
            "`name` may have {NAME_CHARS} characters, and no control characters"
        )));
    }
    Ok(name.into())
}
