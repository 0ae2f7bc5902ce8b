//! `GET` and `POST /signup`: the page on which somebody asks for an account, where sign-up is open and
//! mail is set up.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use users::{NewUser, Password, USER};

use super::{Frame, Notice, page, recovery};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::openapi::{PageProblems, SignUpProblems};
use crate::http::reply;
use crate::operations::Error;
use crate::operations::client::Client;
use crate::operations::mail::requests;

/// The form of the page.
#[derive(Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct SignUpForm {
    /// The address to log in with.
    #[schema(format = Email)]
    email: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
    /// First name; may be empty.
    #[serde(default)]
    first_name: String,
    /// Last name; may be empty.
    #[serde(default)]
    last_name: String,
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    form: &'a SignUpForm,
    password_min: usize,
}

/// The sign-up page.
#[utoipa::path(
    get, path = "/signup", tag = "Pages", security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String), PageProblems)
)]
pub(crate) async fn show_sign_up(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    show(&app, StatusCode::OK, &SignUpForm::default(), None)
}

/// Sign up by the form of the page.
///
/// The answer is the same, after the same time, whether or not the address is taken.
#[utoipa::path(
    post, path = "/signup", tag = "Pages", operation_id = "sign_up_by_form", security(()),
    request_body(content = SignUpForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 202, description = "The page that says where to look now", content_type = "text/html", body = String), SignUpProblems)
)]
pub(crate) async fn sign_up(
    State(app): State<Arc<App>>,
    client: Client,
    Form(form): Form<SignUpForm>,
) -> Result<Response, ApiError> {
    let names = (form.first_name.as_str(), form.last_name.as_str());
    let new = new_user(&form.email, &form.password, names);
    match requests::sign_up(&app.domain, new, &client).await {
        Ok(()) => recovery::mail_requested(&app, reply::SIGNED_UP),
        Err(Error::Rule(rule)) => {
            let error = ApiError::Unprocessable(rule);
            show(&app, error.status(), &form, Some(Notice::refused(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The account that a form describes, with a user's rights. A name that is blank is none.
pub(super) fn new_user(email: &str, password: &str, (first, last): (&str, &str)) -> NewUser {
    let name = |name: &str| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    NewUser {
        email: email.trim().to_owned(),
        password: Password::from(password),
        first_name: name(first),
        last_name: name(last),
        roles: vec![USER.to_owned()],
        email_verified: true,
    }
}

fn show(
    app: &App,
    status: StatusCode,
    form: &SignUpForm,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let password_min = app.password_min;
    page(app, status, &SignUpPage { frame: None, notice, form, password_min })
}
