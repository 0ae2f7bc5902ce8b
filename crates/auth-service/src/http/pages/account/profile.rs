//! `POST /account/name` and `POST /account/password`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use users::UserChanges;

use super::refused;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::pages::see_other;
use crate::http::pages::visitor::Visitor;
use crate::http::reply;
use crate::operations::{Error, Fault, Field, accounts, passwords};

#[derive(Deserialize)]
pub(crate) struct NameForm {
    first_name: String,
    last_name: String,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    current_password: String,
    new_password: String,
}

pub(crate) async fn change_name(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Form(form): Form<NameForm>,
) -> Response {
    let changes = UserChanges {
        first_name: Some(form.first_name.trim().to_owned()),
        last_name: Some(form.last_name.trim().to_owned()),
        ..UserChanges::default()
    };
    match accounts::change(&app.domain, &caller, caller.session.subject.id, changes).await {
        Ok(_) => see_other("/account?done=name"),
        Err(error) => refused(&app, &caller, error.into()).await,
    }
}

pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Form(form): Form<PasswordForm>,
) -> Response {
    let change = passwords::Change {
        user: caller.session.subject.id,
        current: Some(form.current_password),
        new: form.new_password,
    };
    match passwords::change(&app.domain, &caller, change).await {
        Ok(own) => {
            let mut response = see_other("/account?done=password");
            reply::set_cookie_of(&mut response, &app, &own);
            response
        }
        Err(error) => refused(&app, &caller, at_its_field(error)).await,
    }
}

/// A wrong password is reported beside the form that it was typed into.
pub(super) fn at_its_field(error: Error) -> ApiError {
    if error == Field::new("current_password", Fault::Wrong).into() {
        ApiError::Unprocessable("your present password is another one".to_owned())
    } else {
        error.into()
    }
}
