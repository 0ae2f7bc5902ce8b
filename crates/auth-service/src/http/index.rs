//! `GET /`: what there is, for people and for programs. It is read from the API's document, and so
//! knows of nothing that is not there.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use askama::Template;
use auth_api_types::paths::OPENAPI;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use server_runtime::page::PageHeaders;
use server_runtime::problem::wants_page;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use super::app::App;
use super::error::ApiError;
use super::pages::Frame;
use super::reply;

/// What there is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Index {
    /// The service's name.
    #[schema(example = "reinflate auth-service")]
    service: &'static str,
    /// Its version.
    version: &'static str,
    /// The page that explains the API, on the public listener.
    #[schema(example = "/docs")]
    documentation: &'static str,
    /// The document that describes the API, on the public listener.
    #[schema(example = "/openapi.json")]
    openapi: &'static str,
    /// The requests that this listener takes.
    operations: Vec<Entry>,
}

/// A request that can be made.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entry {
    /// The method.
    #[schema(example = "GET")]
    pub(crate) method: &'static str,
    /// The path, with its parameters in braces.
    #[schema(example = "/session")]
    pub(crate) path: String,
    /// What it is for.
    pub(crate) summary: String,
    #[serde(skip)]
    tag: String,
}

/// Where an index is read from: the document of its listener, made at the first request for it.
#[derive(Clone, Copy)]
pub(crate) struct Described(pub(crate) fn() -> OpenApi);

static PUBLIC: OnceLock<Index> = OnceLock::new();
static INTERNAL: OnceLock<Index> = OnceLock::new();

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage<'a> {
    frame: Option<Frame>,
    /// Whether it is the listener with the pages.
    people: bool,
    groups: Vec<(&'a str, Vec<&'a Entry>)>,
}

/// The index.
///
/// The requests that this listener takes: a page for people, JSON for programs.
#[utoipa::path(
    get, path = "/", tag = "Documentation", security(()),
    responses((status = 200, description = "What there is", content(
        (Index = "application/json"), (String = "text/html")
    )))
)]
pub(crate) async fn show_index(
    State(app): State<Arc<App>>,
    Extension(described): Extension<Described>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    PUBLIC.get_or_init(|| Index::of(described)).answer(&headers, &app)
}

/// The same of the internal listener.
pub(crate) async fn show_internal_index(
    State(app): State<Arc<App>>,
    Extension(described): Extension<Described>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    INTERNAL.get_or_init(|| Index::of(described)).answer(&headers, &app)
}

impl Index {
    fn of(Described(document): Described) -> Self {
        let paths = document().paths.paths;
        let operations = paths.iter().flat_map(|(path, item)| {
            let there = methods(item).into_iter();
            there.filter_map(move |(method, operation)| Some(Entry::of(method, path, operation?)))
        });
        Self {
            service: "reinflate auth-service",
            version: env!("CARGO_PKG_VERSION"),
            documentation: "/docs",
            openapi: OPENAPI,
            operations: operations.collect(),
        }
    }

    fn answer(&self, headers: &HeaderMap, app: &App) -> Result<Response, ApiError> {
        let mut response =
            if wants_page(headers) { self.page(app)? } else { reply::json(StatusCode::OK, self)? };
        let vary = HeaderValue::from_static("accept");
        response.headers_mut().insert(header::VARY, vary);
        Ok(response)
    }

    fn page(&self, app: &App) -> Result<Response, ApiError> {
        let mut groups: Vec<(&str, Vec<&Entry>)> = Vec::new();
        for entry in &self.operations {
            match groups.iter_mut().find(|(tag, _)| *tag == entry.tag) {
                Some((_, entries)) => entries.push(entry),
                None => groups.push((&entry.tag, vec![entry])),
            }
        }
        IndexPage::show(groups, app)
    }
}

impl<'a> IndexPage<'a> {
    /// The page, with the requests grouped by their kind.
    fn show(groups: Vec<(&'a str, Vec<&'a Entry>)>, app: &App) -> Result<Response, ApiError> {
        let people = groups.iter().any(|group| group.0 == "Pages");
        let site: &[(&str, &dyn Any)] = &[("site", &app.site_name)];
        let template = Self { frame: None, people, groups };
        let html = template.render_with_values(&site).map_err(|error| {
            tracing::error!(%error, "a page cannot be written");
            ApiError::Internal
        })?;
        Ok(PageHeaders::default().answer(StatusCode::OK, html))
    }
}

impl Entry {
    fn of(method: &'static str, path: &str, operation: &Operation) -> Self {
        let tags = operation.tags.as_deref().unwrap_or_default();
        let summary = operation.summary.as_deref().unwrap_or_default();
        Self {
            method,
            path: path.to_owned(),
            summary: summary.trim_end_matches('.').to_owned(),
            tag: tags.first().cloned().unwrap_or_default(),
        }
    }
}

fn methods(item: &PathItem) -> [(&'static str, Option<&Operation>); 4] {
    [
        ("GET", item.get.as_ref()),
        ("POST", item.post.as_ref()),
        ("PUT", item.put.as_ref()),
        ("DELETE", item.delete.as_ref()),
    ]
}
