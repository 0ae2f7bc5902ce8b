//! `POST /account/name` and `POST /account/password`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use users::UserChanges;

use super::refused;
use crate::http::api::{password, users as accounts};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::pages::see_other;
use crate::http::pages::visitor::Visitor;
use crate::http::reply;

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
    match accounts::change(&app, &caller, caller.session.subject.id, changes).await {
        Ok(_) => see_other("/account?done=name"),
        Err(error) => refused(&app, &caller, error).await,
    }
}

/// The session goes on, under another token: who may have read the old one has nothing left.
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Form(form): Form<PasswordForm>,
) -> Response {
    let change = password::Change {
        id: caller.session.subject.id,
        current: Some(form.current_password),
        new: form.new_password,
    };
    match password::change(&app, &caller, change).await {
        Ok(cookie) => {
            let mut response = see_other("/account?done=password");
            reply::set_cookie(&mut response, cookie);
            response
        }
        Err(error) => refused(&app, &caller, in_place(error)).await,
    }
}

/// A wrong password is told beside the form that it was typed into.
fn in_place(error: ApiError) -> ApiError {
    match error {
        ApiError::Unprocessable(detail) if detail.starts_with("`current_password`") => {
            ApiError::Unprocessable("your present password is another one".to_owned())
        }
        other => other,
    }
}
