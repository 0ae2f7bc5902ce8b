//! `POST /logout`: ends each session that a presented token opens, for a program or by the button of
//! a page.

use std::sync::Arc;

use auth_http::credential::Carried;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use server_runtime::problem::wants_page;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Media;
use crate::http::extract::caller::readable;
use crate::http::openapi::LogoutProblems;
use crate::http::pages::{LOGIN, see_other};
use crate::http::reply;
use crate::operations::client::Client;
use crate::operations::logout::log_out;
use session::Cause;

/// Log out.
///
/// Ends every session that a token in any header or cookie opens, also several, and also with the
/// token from before a rotation. Once this has answered, they are dead at every endpoint.
#[utoipa::path(
    post, path = "/logout", tag = "Login",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 204, description = "Each token is dead, whatever it was"),
        (status = 303, description = "To a form or a browser's navigation, also without a session: to the login"),
        LogoutProblems
    )
)]
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let carried = Carried::all(&headers, &app.cookie.name);
    log_out(&app.domain, &readable(carried.iter().copied()), Cause::Logout, &client).await?;
    let in_header = carried.iter().any(|carried| !carried.by_cookie);
    let by_form = Media::of(&headers) == Media::Form || (navigates(&headers) && !in_header);
    let mut response = if by_form {
        see_other(LOGIN)
    } else if carried.is_empty() {
        return Err(ApiError::MissingToken);
    } else {
        reply::no_content()
    };
    if by_form || carried.iter().any(|carried| carried.by_cookie) {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

/// Whether a person wants to see a page next, whatever the type of the body.
fn navigates(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") || wants_page(headers)
}
