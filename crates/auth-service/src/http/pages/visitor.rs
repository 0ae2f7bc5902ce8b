//! Who looks at a page: a live session, as everywhere; a browser without one is sent to the login.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use server_runtime::problem::wants_page;

use super::{ACCOUNT, ADMIN_USERS, login_path, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::operations::access::require_admin;
use crate::operations::caller::Caller;

/// The session that looks at a page. Extracting it is a use of its token.
pub(crate) struct Visitor(pub(crate) Caller);

/// The same where it acts as an admin.
pub(crate) struct AdminVisitor(pub(crate) Caller);

impl<S> FromRequestParts<S> for Visitor
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        Caller::from_request_parts(parts, state)
            .await
            .map(Self)
            .map_err(|error| turned_away(parts, error))
    }
}

impl<S> FromRequestParts<S> for AdminVisitor
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Visitor(caller) = Visitor::from_request_parts(parts, state).await?;
        require_admin(&caller.session).map_err(|error| ApiError::from(error).into_response())?;
        Ok(Self(caller))
    }
}

/// A browser that a login would help is sent there; everybody else gets the error as a page.
fn turned_away(parts: &Parts, error: ApiError) -> Response {
    let login_helps = matches!(error, ApiError::MissingToken | ApiError::InvalidToken(_));
    if login_helps && wants_page(&parts.headers) {
        see_other(&login_path(back_to(parts)))
    } else {
        error.into_response()
    }
}

/// What to look at after the login: the page itself, or the one that the form stood on.
fn back_to(parts: &Parts) -> &str {
    let path = parts.uri.path();
    if parts.method == Method::GET || parts.method == Method::HEAD {
        parts.uri.path_and_query().map_or(path, |path| path.as_str())
    } else if path.starts_with("/admin/") {
        ADMIN_USERS
    } else {
        ACCOUNT
    }
}
