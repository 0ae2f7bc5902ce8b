//! The page of `GET /`: where to go, and what can be asked.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use server_runtime::page::PageHeaders;

use super::Frame;
use crate::http::api::index::Entry;
use crate::http::error::ApiError;

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage<'a> {
    frame: Option<Frame>,
    /// Whether it is the listener with the pages.
    people: bool,
    groups: Vec<(&'a str, Vec<&'a Entry>)>,
}

/// The page, with what can be asked by its kind.
pub(crate) fn page(groups: Vec<(&str, Vec<&Entry>)>) -> Result<Response, ApiError> {
    let page =
        IndexPage { frame: None, people: groups.iter().any(|group| group.0 == "Pages"), groups };
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be written");
        ApiError::Internal
    })?;
    Ok(PageHeaders::default().answer(StatusCode::OK, html))
}
