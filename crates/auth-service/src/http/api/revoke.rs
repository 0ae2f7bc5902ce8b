//! `POST /revoke`: OAuth 2.0 token revocation, [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use session::{Intent, Presented, Token};
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::openapi::FormProblems;
use crate::operations::client::Client;
use crate::operations::logout::log_out;
use session::Cause;

/// A token to revoke.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RevokeForm {
    /// The token.
    token: String,
    /// Accepted and ignored: there is one type of token.
    #[serde(rename = "token_type_hint")]
    #[schema(nullable = false)]
    _token_type_hint: Option<String>,
}

/// Revoke a token.
///
/// Whoever has it may end its session, also with the token from before a rotation. The answer does not
/// tell whether it lived.
#[utoipa::path(
    post, path = "/revoke", tag = "OAuth",
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is dead"), FormProblems)
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    client: Client,
    Form(form): Form<RevokeForm>,
) -> Result<Response, ApiError> {
    if let Ok((id, digest)) = Token::read(&form.token) {
        let presented = Presented { id, digest, intent: Intent::End };
        log_out(&app.domain, &[presented], Cause::Revoked, &client).await?;
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
}
