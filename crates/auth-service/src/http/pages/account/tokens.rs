//! `POST /account/tokens`: a token for a program, shown on the page that answers, and never again.

use std::sync::Arc;

use askama::Template;
use auth_api_types::Kind;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use server_runtime::page::in_words;
use session::Issued;

use super::refused;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::pages::moment::Moment;
use crate::http::pages::visitor::Visitor;
use crate::http::pages::{ACCOUNT, Frame, page};
use crate::operations::tokens::{self, NewToken};
use crate::view;

/// The form that makes a token.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    name: String,
    kind: Kind,
    ttl: String,
    /// As people write a list: with blanks or commas between two.
    #[serde(default)]
    scopes: String,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage<'a> {
    frame: Option<Frame>,
    token: &'a str,
    name: &'a str,
    single_use: bool,
    /// What it is narrowed to; empty where it is not.
    scopes: &'a str,
    time_left: String,
    ends: Moment,
    /// Where the page leads back to.
    back: &'a str,
}

pub(crate) async fn mint_token(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    Form(form): Form<TokenForm>,
) -> Response {
    match tokens::mint(&app.domain, &caller, wanted(&form)).await {
        Ok(issued) => show_token(&app, Frame::new(&caller.session, ACCOUNT), &issued, ACCOUNT)
            .unwrap_or_else(ApiError::into_response),
        Err(error) => refused(&app, &caller, error.into()).await,
    }
}

/// The scopes that somebody typed; none where nothing was.
fn scopes(typed: &str) -> Option<Vec<String>> {
    let names = typed.split([' ', ',', '\n', '\r', '\t']).filter(|name| !name.is_empty());
    Some(names.map(str::to_owned).collect::<Vec<_>>()).filter(|names| !names.is_empty())
}

/// What the form asks for.
pub(in crate::http::pages) fn wanted(form: &TokenForm) -> NewToken {
    NewToken {
        kind: Some(view::kind_read(form.kind)),
        ttl: Some(form.ttl.trim().to_owned()).filter(|ttl| !ttl.is_empty()),
        name: Some(form.name.trim().to_owned()).filter(|name| !name.is_empty()),
        scopes: scopes(&form.scopes),
    }
}

/// The page that shows a token this once, and leads back.
pub(in crate::http::pages) fn show_token(
    app: &App,
    frame: Frame,
    issued: &Issued,
    back: &str,
) -> Result<Response, ApiError> {
    let session = &issued.session;
    let template = TokenPage {
        frame: Some(frame),
        token: issued.token.expose(),
        name: session.name.as_deref().unwrap_or("The token"),
        single_use: session.kind == session::Kind::SingleUse,
        scopes: session.scopes.as_ref().map_or("", session::Scopes::as_str),
        time_left: in_words(session.expires_in),
        ends: Moment::date(session.expires_at_ms),
        back,
    };
    page(app, StatusCode::CREATED, &template)
}
