//! `POST /password/forgot`, `/password/reset` and `/email/verify`: the same for programs and for the
//! forms of pages.

use std::sync::Arc;

use auth_api_types::{
    ForgotPasswordRequest, MailRequested, ResetPasswordRequest, VerifyEmailRequest,
};
use axum::extract::State;
use axum::response::Response;
use users::Password;

use super::app::App;
use super::error::ApiError;
use super::extract::submitted::Submitted;
use super::openapi::{ForgotProblems, TicketProblems};
use super::pages::recovery as pages;
use super::reply;
use crate::operations::client::Client;
use crate::operations::mail::{requests, tickets};

/// Ask for a mail with which to choose a new password.
///
/// The answer is the same, after the same time, whether or not there is such an account.
#[utoipa::path(
    post, path = "/password/forgot", tag = "Mail",
    request_body(content((ForgotPasswordRequest = "application/json"), (ForgotPasswordRequest = "application/x-www-form-urlencoded"))),
    security(()),
    responses(
        (status = 202, description = "To a form: the page", content(
            (MailRequested = "application/json"), (String = "text/html")
        )),
        ForgotProblems
    )
)]
pub(crate) async fn forgot_password(
    State(app): State<Arc<App>>,
    client: Client,
    body: Submitted<ForgotPasswordRequest>,
) -> Result<Response, ApiError> {
    match body {
        Submitted::Json(ForgotPasswordRequest { email }) => {
            requests::forgot(&app.domain, &email, &client).await?;
            reply::mail_requested(reply::FORGOT)
        }
        Submitted::Form(ForgotPasswordRequest { email }) => {
            let requested = requests::forgot(&app.domain, &email, &client).await;
            pages::after_forgot(&app, &email, requested)
        }
    }
}

/// Choose a new password with the ticket of a mail.
///
/// All sessions of the user end, and none is opened. A password that breaks a rule leaves the ticket
/// good.
#[utoipa::path(
    post, path = "/password/reset", tag = "Mail",
    request_body(content((ResetPasswordRequest = "application/json"), (ResetPasswordRequest = "application/x-www-form-urlencoded"))),
    security(()),
    responses(
        (status = 204, description = "The password is another one"),
        (status = 303, description = "To a form: to the login"),
        TicketProblems
    )
)]
pub(crate) async fn reset_password(
    State(app): State<Arc<App>>,
    client: Client,
    body: Submitted<ResetPasswordRequest>,
) -> Result<Response, ApiError> {
    match body {
        Submitted::Json(ResetPasswordRequest { ticket, new_password }) => {
            tickets::reset(&app.domain, &ticket, Password::from(new_password), &client).await?;
            Ok(reply::no_content())
        }
        Submitted::Form(ResetPasswordRequest { ticket, new_password }) => {
            let new = Password::from(new_password);
            let done = tickets::reset(&app.domain, &ticket, new, &client).await;
            pages::after_reset(&app, &ticket, done)
        }
    }
}

/// Confirm an address with the ticket of a mail.
///
/// After a sign-up also with the password that was chosen with it: a wrong one leaves the ticket good,
/// ten of them end it.
#[utoipa::path(
    post, path = "/email/verify", tag = "Mail",
    request_body(content((VerifyEmailRequest = "application/json"), (VerifyEmailRequest = "application/x-www-form-urlencoded"))),
    security(()),
    responses(
        (status = 204, description = "The account is there, or the address is the user's"),
        (status = 303, description = "To a form: to the login"),
        TicketProblems
    )
)]
pub(crate) async fn verify_email(
    State(app): State<Arc<App>>,
    client: Client,
    body: Submitted<VerifyEmailRequest>,
) -> Result<Response, ApiError> {
    let chosen = |password: Option<String>| {
        password.filter(|password| !password.is_empty()).map(Password::from)
    };
    match body {
        Submitted::Json(VerifyEmailRequest { ticket, password }) => {
            tickets::verify(&app.domain, &ticket, chosen(password), &client).await?;
            Ok(reply::no_content())
        }
        Submitted::Form(VerifyEmailRequest { ticket, password }) => {
            let done = tickets::verify(&app.domain, &ticket, chosen(password), &client).await;
            pages::after_verify(&app, &ticket, done).await
        }
    }
}
