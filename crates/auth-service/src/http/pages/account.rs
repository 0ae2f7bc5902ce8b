//! `GET /account`: who I am, where I am logged in, my tokens, and the buttons that change them.

pub(crate) mod email;
pub(crate) mod profile;
pub(crate) mod sessions;
pub(crate) mod tokens;

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use server_runtime::page::in_words;
use users::{ADMIN, User};

use super::moment::Moment;
use super::session_row::SessionRow;
use super::visitor::Visitor;
use super::{ACCOUNT, After, Frame, Notice, page};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::openapi::AccountProblems;
use crate::operations::accounts;
use crate::operations::caller::Caller;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    user: User,
    role: String,
    /// Whether the user may act as an admin, and this session does not.
    could_be_admin: bool,
    time_left: String,
    ends: Moment,
    logins: Vec<SessionRow>,
    tokens: Vec<SessionRow>,
    /// The fewest characters of a new password.
    password_min: usize,
    /// Whether the address can be changed.
    mail: bool,
}

/// My account.
#[utoipa::path(
    get, path = "/account", tag = "Pages",
    security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        AccountProblems
    )
)]
pub(crate) async fn show_account(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    uri: Uri,
) -> Result<Response, ApiError> {
    let After { done } = body::query(&uri)?;
    let notice = match done.as_deref() {
        Some("name") => Some("Your name was changed."),
        Some("password") => Some("Your password was changed, and your other sessions have ended."),
        Some("email") => Some(crate::http::reply::ADDRESS_REQUESTED),
        Some("ended") => Some("The session has ended."),
        Some("others") => Some("All your other sessions have ended."),
        _ => None,
    };
    show(&app, &caller, StatusCode::OK, notice.map(Notice::done)).await
}

/// Where password managers look for the page that changes a password
/// ([Well-Known URL for Changing Passwords](https://w3c.github.io/webappsec-change-password-url/)).
pub(crate) async fn go_to_password() -> Response {
    super::see_other("/account#password")
}

/// The page again, with why something was not done; or the plain error where there is no page to
/// show any more.
pub(super) async fn refused(app: &App, caller: &Caller, error: ApiError) -> Response {
    let about_the_caller =
        matches!(error, ApiError::MissingToken | ApiError::InvalidToken(_) | ApiError::Internal);
    if about_the_caller {
        return error.into_response();
    }
    let notice = Notice::refused(&error);
    match show(app, caller, error.status(), Some(notice)).await {
        Ok(mut response) => {
            response.headers_mut().extend(error.problem().headers);
            response
        }
        Err(worse) => worse.into_response(),
    }
}

async fn show(
    app: &App,
    caller: &Caller,
    status: StatusCode,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let session = &caller.session;
    let (user, sessions) = accounts::get_with_sessions(&app.domain, session.subject.id).await?;
    let (logins, tokens) = SessionRow::of_all(&sessions, session.id, app.clock.unix_ms());
    let template = AccountPage {
        frame: Some(Frame::new(session, ACCOUNT)),
        notice,
        role: session.role().to_owned(),
        could_be_admin: session.role() != ADMIN && user.roles.iter().any(|role| role == ADMIN),
        time_left: in_words(session.expires_in),
        ends: Moment::date(session.absolute_expires_at_ms),
        user,
        logins,
        tokens,
        password_min: app.password_min,
        mail: app.domain.mail.is_some(),
    };
    page(app, status, &template)
}
