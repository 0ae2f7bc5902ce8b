//! The pages that mails lead to and that mails are asked for on. A `GET` never uses a ticket: programs
//! that look at mails open what is in them.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use users::TicketPurpose;

use super::{Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::openapi::{PageProblems, TicketPageProblems};
use crate::http::reply;
use crate::operations::mail::tickets;
use crate::operations::{Error, Fault, Field};

/// The query of a page that a mail leads to.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TicketQuery {
    /// The ticket of the mail.
    ticket: String,
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    email: &'a str,
}

#[derive(Template)]
#[template(path = "mail_requested.html")]
struct RequestedPage<'a> {
    frame: Option<Frame>,
    message: &'a str,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    ticket: &'a str,
    password_min: usize,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    ticket: &'a str,
    /// Whether it is that of a sign-up, which wants its password.
    sign_up: bool,
}

#[derive(Template)]
#[template(path = "ticket_over.html")]
struct OverPage {
    frame: Option<Frame>,
    /// Whether there once was such a ticket.
    gone: bool,
}

/// The page for a forgotten password.
#[utoipa::path(
    get, path = "/password/forgot", tag = "Pages", security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String), PageProblems)
)]
pub(crate) async fn show_forgot(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    page(&app, StatusCode::OK, &ForgotPage { frame: None, notice: None, email: "" })
}

/// The page for a new password, with the ticket of a mail. It does not use the ticket.
#[utoipa::path(
    get, path = "/password/reset", tag = "Pages", params(TicketQuery), security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String), TicketPageProblems)
)]
pub(crate) async fn show_reset(
    State(app): State<Arc<App>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Ok(TicketQuery { ticket }) = body::query(&uri) else { return cut_link(&app) };
    match tickets::purpose(&app.domain, &ticket).await {
        Ok(TicketPurpose::Reset) => reset_page(&app, StatusCode::OK, &ticket, None),
        Ok(_) => over(&app, &ApiError::NotFound),
        Err(error) => over(&app, &error.into()),
    }
}

/// The page that confirms an address, with the ticket of a mail. It does not use the ticket.
#[utoipa::path(
    get, path = "/email/verify", tag = "Pages", params(TicketQuery), security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String), TicketPageProblems)
)]
pub(crate) async fn show_verify(
    State(app): State<Arc<App>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Ok(TicketQuery { ticket }) = body::query(&uri) else { return cut_link(&app) };
    verify_page(&app, StatusCode::OK, &ticket, None).await
}

/// The page after a mail was asked for: the same words for everybody.
pub(crate) fn after_forgot(
    app: &App,
    email: &str,
    requested: Result<(), Error>,
) -> Result<Response, ApiError> {
    match requested {
        Ok(()) => mail_requested(app, reply::FORGOT),
        Err(Error::Rule(rule)) => {
            let error = ApiError::Unprocessable(rule);
            let notice = Some(Notice::refused(&error));
            page(app, error.status(), &ForgotPage { frame: None, notice, email })
        }
        Err(error) => Err(error.into()),
    }
}

/// The page that says where to look now.
pub(crate) fn mail_requested(app: &App, message: &str) -> Result<Response, ApiError> {
    page(app, StatusCode::ACCEPTED, &RequestedPage { frame: None, message })
}

/// The login, or the page again where the password breaks a rule.
pub(crate) fn after_reset(
    app: &App,
    ticket: &str,
    done: Result<(), Error>,
) -> Result<Response, ApiError> {
    match done {
        Ok(()) => Ok(see_other("/login?done=password")),
        Err(error @ Error::Rule(_)) => {
            let error = ApiError::from(error);
            reset_page(app, error.status(), ticket, Some(Notice::refused(&error)))
        }
        Err(error) => over(app, &error.into()),
    }
}

/// The login, or the page again where the password is another one than that of the sign-up.
pub(crate) async fn after_verify(
    app: &App,
    ticket: &str,
    done: Result<(), Error>,
) -> Result<Response, ApiError> {
    match done {
        Ok(()) => Ok(see_other("/login?done=verified")),
        Err(Error::Field(field)) => {
            let error = ApiError::from(at_its_field(field));
            verify_page(app, error.status(), ticket, Some(Notice::refused(&error))).await
        }
        Err(error) => over(app, &error.into()),
    }
}

/// A wrong password as it is told beside the form that it was typed into.
fn at_its_field(field: Field) -> Error {
    match field.problem {
        Fault::Wrong => {
            Error::Rule("this is not the password that was chosen with this sign-up".to_owned())
        }
        _ => field.into(),
    }
}

fn reset_page(
    app: &App,
    status: StatusCode,
    ticket: &str,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let password_min = app.password_min;
    page(app, status, &ResetPage { frame: None, notice, ticket, password_min })
}

async fn verify_page(
    app: &App,
    status: StatusCode,
    ticket: &str,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let sign_up = match tickets::purpose(&app.domain, ticket).await {
        Ok(TicketPurpose::SignUp) => true,
        Ok(TicketPurpose::ChangeAddress) => false,
        Ok(TicketPurpose::Reset) => return over(app, &ApiError::NotFound),
        Err(error) => return over(app, &error.into()),
    };
    page(app, status, &VerifyPage { frame: None, notice, ticket, sign_up })
}

/// The same of a link that lost its ticket on the way.
fn cut_link(app: &App) -> Result<Response, ApiError> {
    page(app, StatusCode::BAD_REQUEST, &OverPage { frame: None, gone: false })
}

/// What is said of a ticket that does nothing, and where another one is to be had.
fn over(app: &App, error: &ApiError) -> Result<Response, ApiError> {
    match error {
        ApiError::Gone | ApiError::NotFound => {
            let gone = *error == ApiError::Gone;
            page(app, error.status(), &OverPage { frame: None, gone })
        }
        other => Ok(other.clone().into_response()),
    }
}
