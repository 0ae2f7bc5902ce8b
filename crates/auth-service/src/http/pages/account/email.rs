//! `POST /account/email`: another address to log in with.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::profile::at_its_field;
use super::refused;
use crate::http::app::App;
use crate::http::extract::body::Form;
use crate::http::pages::see_other;
use crate::http::pages::visitor::Visitor;
use crate::operations::mail::requests::change_address;

#[derive(Deserialize)]
pub(crate) struct EmailForm {
    email: String,
    current_password: String,
}

pub(crate) async fn change_email(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Form(form): Form<EmailForm>,
) -> Response {
    let id = caller.session.subject.id;
    let current = Some(form.current_password);
    match change_address(&app.domain, &caller, id, &form.email, current).await {
        Ok(_) => see_other("/account?done=email"),
        Err(error) => refused(&app, &caller, at_its_field(error)).await,
    }
}
