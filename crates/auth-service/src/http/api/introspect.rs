//! `POST /introspect`: OAuth 2.0 token introspection,
//! [RFC 7662](https://www.rfc-editor.org/rfc/rfc7662). It only looks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::internal_key::ClientForm;
use crate::http::openapi::InternalFormProblems;
use crate::http::reply;
use crate::operations::validation;
use session::{Scopes, Session};

/// A token to look at.
#[derive(Deserialize, ToSchema)]
pub(crate) struct IntrospectForm {
    /// The token.
    token: String,
    /// Accepted and ignored: there is one type of token.
    #[serde(rename = "token_type_hint")]
    #[schema(nullable = false)]
    _token_type_hint: Option<String>,
    /// The internal key, where one is set and no header shows it.
    #[serde(rename = "client_secret")]
    #[schema(nullable = false, format = Password)]
    _client_secret: Option<String>,
}

/// What a token is; a dead one is only `active: false`.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    /// Whether it lives.
    active: bool,
    /// The user's id; of an external one what its backend calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    /// The user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// Whether the user is none of ours; absent where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external: Option<bool>,
    /// The role that the session acts in, and after it those of the scopes that it is narrowed to which
    /// have a `:` or a `/`: others could be taken for roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    /// When it ends unused, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The session's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sid: Option<String>,
}

/// Introspect a token.
///
/// It only looks. A single-use token is never active here: ask `/validateToken` where it is used.
/// Where a key is set, it may also come as an OAuth client's secret: by Basic with any user name, or
/// as `client_secret`; in one way only.
#[utoipa::path(
    post, path = "/introspect", tag = "Internal",
    request_body(content = IntrospectForm, content_type = "application/x-www-form-urlencoded"),
    security((), ("internal_key" = []), ("basic" = [])),
    responses((status = 200, description = "What it is, or that it is not active", body = Introspection), InternalFormProblems)
)]
pub(crate) async fn introspect(
    State(app): State<Arc<App>>,
    ClientForm(form): ClientForm<IntrospectForm>,
) -> Result<Response, ApiError> {
    let session = validation::look(&app.domain, &form.token).await?;
    let answer = session.as_ref().map(of).unwrap_or_default();
    reply::json(StatusCode::OK, &answer)
}

fn of(session: &Session) -> Introspection {
    Introspection {
        active: true,
        sub: Some(session.subject.public_id().into_owned()),
        external: session.subject.is_external().then_some(true),
        username: Some(session.subject.username.to_string()),
        scope: Some(scope(session)),
        token_type: Some("Bearer"),
        iat: Some(session.created_at_ms.div_euclid(1000)),
        exp: Some(session.expires_at_ms.div_euclid(1000)),
        sid: Some(session.id.to_string()),
    }
}

/// The role, and the scopes.
///
/// INVARIANT: but for the first, no word of it is a role's name. Whoever mints a token chooses its scopes: a
/// user could name one like a role that they lack.
fn scope(session: &Session) -> String {
    let scopes = session.scopes.iter().flat_map(Scopes::iter).filter(|name| !users::is_role(name));
    std::iter::once(session.role()).chain(scopes).collect::<Vec<_>>().join(" ")
}
