//! `/notes`: what the visitor wrote, stored in the session.

use auth_api_types::Problem;
use auth_client::{Authenticated, Refusal, ValuesError};
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use serde::Deserialize;
use utoipa::ToSchema;

use super::pages::respond_to_refusal;
use crate::app::AppState;
use crate::error::Error;
use crate::notes::{self, Note};
use crate::page::Page;

/// The form of the page.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NoteForm {
    /// 1 to 200 characters on one line.
    note: String,
}

/// My notes as a page.
#[utoipa::path(
    get, path = "/notes", tag = "pages", security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        (status = 400, description = "Two tokens", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Another client without a live session", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A single-use session stores nothing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the session is alive", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_notes(
    State(app): State<AppState>,
    caller: Result<Authenticated, Refusal>,
    parts: Parts,
) -> Result<Page, Response> {
    let Authenticated(session) = caller.map_err(|refusal| away(&app, refusal, &parts))?;
    let values = app.client.values(&parts);
    let values = values.map_err(|refusal| away(&app, refusal, &parts))?;
    let notes = notes::list(&values).await;
    let notes = notes.map_err(|error| refused(&app, error, &parts))?;
    app.pages.notes(&session, &notes).map_err(IntoResponse::into_response)
}

/// Add a note.
#[utoipa::path(
    post, path = "/notes", tag = "pages", security(("cookie" = []), ("bearer" = []), ("token" = [])),
    request_body(content = NoteForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "It is stored: on to the page; or, for a browser without a live session, to the login"),
        (status = 400, description = "Two tokens, or another form", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Another client without a live session", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A single-use session stores nothing, or another site sent it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Others keep writing at once; with `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The form is too long, or the session has no room for it", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no form", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is no note", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the session is alive, or too many notes of it wait", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn add_note(
    State(app): State<AppState>,
    caller: Result<Authenticated, Refusal>,
    parts: Parts,
    form: Result<Form<NoteForm>, FormRejection>,
) -> Result<Redirect, Response> {
    caller.map_err(|refusal| away(&app, refusal, &parts))?;
    let Form(form) = form.map_err(|rejection| Error::Form(rejection).into_response())?;
    let note = Note::read(&form.note).ok_or_else(|| Error::InvalidNote.into_response())?;
    let values = app.client.values(&parts);
    let values = values.map_err(|refusal| away(&app, refusal, &parts))?;
    let added = notes::add(&values, &note).await;
    added.map_err(|error| refused(&app, error, &parts))?;
    Ok(Redirect::to("/notes"))
}

fn refused(app: &AppState, error: ValuesError, parts: &Parts) -> Response {
    match error {
        ValuesError::Refused(refusal) => away(app, refusal, parts),
        other => Error::Values(other).into_response(),
    }
}

fn away(app: &AppState, refusal: Refusal, parts: &Parts) -> Response {
    respond_to_refusal(app, refusal, &parts.headers, &parts.uri)
}
