//! `GET /login`, and what becomes of its form.

use std::sync::Arc;

use askama::Template;
use auth_http::credential::Carried;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use server_runtime::page::in_words;
use session::{Presented, Transport};
use users::{DEMO_EMAIL, DEMO_PASSWORD, Password};

use super::{ACCOUNT, Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::caller::readable;
use crate::http::openapi::PageProblems;
use crate::http::reply;
use crate::operations::client::Client;
use crate::operations::login::{Credentials, log_in};
use crate::view;

/// Where to go after the login, and in which role to act.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoginQuery {
    /// A path of this site, or a URL of an origin of `AUTH_REDIRECT_ORIGINS`; others are ignored.
    #[serde(default)]
    next: String,
    /// The role to act in; the user's first where none is asked for.
    #[serde(default)]
    role: String,
    /// What was done before, of which the page tells.
    #[serde(default)]
    #[param(ignore)]
    done: String,
}

/// The form of the page.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct LoginForm {
    /// The user's e-mail address.
    #[serde(alias = "email")]
    username: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
    /// Where to go: as in the query of the page.
    #[serde(default)]
    next: String,
    /// The role to act in; the user's first where none is asked for.
    #[serde(default)]
    role: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    username: &'a str,
    query: &'a LoginQuery,
    going_to: Option<String>,
    demo: Option<(&'static str, &'static str)>,
    /// Whether a forgotten password can be replaced.
    mail: bool,
    /// Whether there is a page to sign up on.
    signup: bool,
}

/// The login page.
#[utoipa::path(
    get, path = "/login", tag = "Pages", params(LoginQuery), security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String), PageProblems)
)]
pub(crate) async fn show_login(
    State(app): State<Arc<App>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query: LoginQuery = body::query(&uri)?;
    let done = match query.done.as_str() {
        "password" => Some("Your password was set. Log in with it."),
        "verified" => Some("The address is confirmed. Log in with it."),
        _ => None,
    };
    show(&app, StatusCode::OK, "", &query, done.map(Notice::done))
}

/// A form login: a session in a cookie, which replaces the session that the form came with.
pub(crate) async fn log_in_by_form(
    app: &App,
    parts: &Parts,
    body: &[u8],
    client: &Client,
) -> Result<Response, ApiError> {
    let LoginForm { username, password, next, role } = body::form(body)?;
    let credentials = Credentials {
        username: username.clone(),
        password: Password::from(password),
        role: (!role.is_empty()).then(|| role.clone()),
        transport: Transport::Cookie,
        replaces: replaced_by(app, parts)?,
    };
    match log_in(&app.domain, credentials, client).await {
        Ok(issued) => {
            let target = app.redirects.target(&next);
            let location = target.as_ref().map_or(ACCOUNT, |target| &target.location);
            let mut response = see_other(location);
            let age = view::cookie_age(&issued.session);
            reply::set_cookie(&mut response, app.cookie.set(&issued.token, age));
            Ok(response)
        }
        Err(error) => {
            again(app, &username, &LoginQuery { next, role, done: String::new() }, &error.into())
        }
    }
}

/// The sessions whose cookies a browser sent along: which of several is meant, nobody can tell.
fn replaced_by(app: &App, parts: &Parts) -> Result<Vec<Presented>, ApiError> {
    Carried::find(&parts.headers, &app.cookie.name)?;
    Ok(readable(Carried::in_cookies(&parts.headers, &app.cookie.name)))
}

/// The page once more, with what went wrong and the name that was typed.
fn again(
    app: &App,
    username: &str,
    query: &LoginQuery,
    error: &ApiError,
) -> Result<Response, ApiError> {
    let mut notice = Notice::refused(error);
    match error {
        ApiError::TooMany { retry_after } => {
            notice.text = format!("Too many attempts. Try again in {}.", in_words(*retry_after));
        }
        ApiError::InvalidCredentials { .. } | ApiError::Forbidden(_) | ApiError::Unavailable(_) => {
        }
        other => return Err(other.clone()),
    }
    let mut response = show(app, error.status(), username, query, Some(notice))?;
    response.headers_mut().extend(error.problem().headers);
    Ok(response)
}

fn show(
    app: &App,
    status: StatusCode,
    username: &str,
    query: &LoginQuery,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let target = app.redirects.target(&query.next);
    let template = LoginPage {
        frame: None,
        notice,
        username,
        query,
        going_to: target.map(|target| target.shown),
        demo: app.demo.then_some((DEMO_EMAIL, DEMO_PASSWORD)),
        mail: app.domain.mail.is_some(),
        signup: app.domain.open_signup,
    };
    page(app, status, &template)
}
