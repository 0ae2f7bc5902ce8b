//! `POST /logout`: ends the session that the token opens, for a program or by the button of a page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use server_runtime::problem::wants_page;
use session::Intent;

use crate::app::App;
use crate::body::Media;
use crate::client_address::Client;
use crate::credential::{Carried, cookies};
use crate::error::ApiError;
use crate::openapi::LogoutProblems;
use crate::pages::{LOGIN, see_other};
use crate::reply;

/// Log out.
///
/// Once this has answered, the token is dead at every door.
#[utoipa::path(
    post, path = "/logout", tag = "Login",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 204, description = "The token is dead, whatever it was"),
        (status = 303, description = "To a form or a browser's navigation, also without a session: to the login"),
        LogoutProblems
    )
)]
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let carried = Carried::find(&headers, &app.cookie.name)?;
    if let Some(carried) = carried {
        end(&app, carried, &client).await?;
    }
    let in_header = carried.is_some_and(|carried| !carried.by_cookie);
    let by_form = Media::of(&headers) == Media::Form || (navigates(&headers) && !in_header);
    let mut response = if by_form {
        see_other(LOGIN)
    } else {
        carried.ok_or(ApiError::MissingToken)?;
        reply::no_content()
    };
    if by_form || cookies(&headers, &app.cookie.name).next().is_some() {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

/// Ends the session that a token opens, if it opens one.
async fn end(app: &App, carried: Carried<'_>, client: &Client) -> Result<(), ApiError> {
    if let Ok(presented) = carried.read(Intent::Look)
        && let Some(session) = app.sessions.log_out(presented).await?
    {
        tracing::info!(target: "audit", event = "logout", user_id = %session.subject.id,
            session_id = %session.id, ip = client.ip.map(tracing::field::display));
    }
    Ok(())
}

/// Whether a person wants to see a page next, whatever the type of the body.
fn navigates(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") || wants_page(headers)
}
