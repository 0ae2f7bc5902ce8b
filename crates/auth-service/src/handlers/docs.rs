//! `GET /docs`: the page that shows the document and tries its requests out. All of it is in the
//! binary; no address but our own is asked for anything.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use utoipa_swagger_ui::Config;

use crate::error::ApiError;
use crate::openapi::DocsProblems;
use crate::path::Path;
use crate::router;

const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

/// What this one page may load and do: it alone has a script, which sets styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; \
    base-uri 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The documentation.
///
/// A page that shows this document and sends its requests, without any address but our own.
#[utoipa::path(
    get, path = "/docs", tag = "Documentation", security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String))
)]
pub(crate) async fn show_docs() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE).into_response()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Documentation", security(()),
    responses((status = 200, description = "OpenAPI 3.1, of both listeners", body = serde_json::Value))
)]
pub(crate) async fn show_document() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        let json = router::document().to_json();
        Bytes::from(json.unwrap_or_default())
    });
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, DOCUMENT.clone()).into_response()
}

/// A part of the documentation's page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Documentation", security(()),
    params(("file" = String, Path, description = "Its name", example = "start.js")),
    responses((status = 200, description = "A script or a style sheet", content(
        (String = "text/javascript"), (String = "text/css")
    )), DocsProblems)
)]
pub(crate) async fn show_docs_file(Path(file): Path<String>) -> Result<Response, ApiError> {
    let body = match file.as_str() {
        "start.js" => START.as_bytes().into(),
        "swagger-ui.css" | "swagger-ui-bundle.js" => embedded(&file)?,
        _ => return Err(ApiError::NotFound),
    };
    let kind = match file.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    Ok((headers, axum::body::Body::from(body)).into_response())
}

fn embedded(file: &str) -> Result<std::borrow::Cow<'static, [u8]>, ApiError> {
    match utoipa_swagger_ui::serve(file, Arc::new(Config::default())) {
        Ok(Some(file)) => Ok(file.bytes),
        Ok(None) => Err(ApiError::NotFound),
        Err(error) => {
            tracing::error!(%error, "a file of the documentation cannot be read");
            Err(ApiError::Internal)
        }
    }
}
