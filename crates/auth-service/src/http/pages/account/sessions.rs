//! `POST /account/sessions/…`: ends one of my sessions, or all others.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::refused;
use crate::http::app::App;
use crate::http::extract::path::Path;
use crate::http::pages::visitor::Visitor;
use crate::http::pages::{LOGIN, see_other};
use crate::http::reply;
use crate::operations::sessions;

pub(crate) async fn end_one(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
) -> Response {
    match sessions::end_own(&app.domain, &caller, &id).await {
        Ok(own) if own => {
            let mut response = see_other(LOGIN);
            reply::set_cookie(&mut response, app.cookie.clear());
            response
        }
        Ok(_) => see_other("/account?done=ended"),
        Err(error) => refused(&app, &caller, error.into()).await,
    }
}

pub(crate) async fn end_others(State(app): State<Arc<App>>, Visitor(caller): Visitor) -> Response {
    match sessions::end_all_own(&app.domain, &caller, Some(caller.session.id)).await {
        Ok(()) => see_other("/account?done=others"),
        Err(error) => refused(&app, &caller, error.into()).await,
    }
}
