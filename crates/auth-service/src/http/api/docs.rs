//! `GET /docs`: the page that shows the document and tries its requests out. All of it is in the
//! binary; no address but our own is asked for anything.

use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::http::error::ApiError;
use crate::http::extract::path::Path;
use crate::http::openapi::DocsProblems;

const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

/// Makes the document at the first request for it.
#[derive(Clone, Copy)]
pub(crate) struct Documented(pub(crate) fn() -> OpenApi);

/// The larger files unpacked, for clients that do not take them packed.
static BUNDLE: OnceLock<Bytes> = OnceLock::new();
static STYLES: OnceLock<Bytes> = OnceLock::new();

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
pub(crate) async fn show_document(Extension(documented): Extension<Documented>) -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let made = || Bytes::from((documented.0)().to_json().unwrap_or_default());
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, DOCUMENT.get_or_init(made).clone()).into_response()
}

/// A part of the documentation's page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Documentation", security(()),
    params(("file" = String, Path, description = "Its name", example = "start.js")),
    responses((status = 200, description = "A script or a style sheet; packed by gzip for whoever takes that", content(
        (String = "text/javascript"), (String = "text/css")
    )), DocsProblems)
)]
pub(crate) async fn show_docs_file(
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let kind = match file.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let mut response = match file.as_str() {
        "start.js" => START.into_response(),
        "swagger-ui.css" => packed(&file, &STYLES, &headers)?,
        "swagger-ui-bundle.js" => packed(&file, &BUNDLE, &headers)?,
        _ => return Err(ApiError::NotFound),
    };
    let cache = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    Ok(response)
}

/// A file that is in the binary packed by gzip: as it is for whoever takes that, else as `unpacked`
/// has it from the first time on.
fn packed(
    file: &str,
    unpacked: &'static OnceLock<Bytes>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let packed = embedded(file)?;
    let vary = (header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_gzip(headers) {
        let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return Ok(([vary, encoding], Body::from(packed)).into_response());
    }
    let plain = unpacked.get_or_init(|| unpack(&packed)).clone();
    if plain.is_empty() {
        tracing::error!(file, "a file of the documentation cannot be unpacked");
        return Err(ApiError::Internal);
    }
    Ok(([vary], plain).into_response())
}

/// What was packed; nothing where it cannot be read.
fn unpack(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    match flate2::read::GzDecoder::new(packed).read_to_end(&mut plain) {
        Ok(_) => plain.into(),
        Err(_) => Bytes::new(),
    }
}

/// Whether a client takes gzip, by [RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3):
/// where it says nothing of it, it does not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    let mut gzip = codings.filter_map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip").then_some(weight.unwrap_or_default())
    });
    gzip.next().is_some_and(|weight| weight > 0.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_whoever_says_that_it_is_taken() {
        let takes = |line: &'static str| {
            let value = HeaderValue::from_static(line);
            takes_gzip(&[(header::ACCEPT_ENCODING, value)].into_iter().collect())
        };
        for line in ["gzip", "br, GZIP", "gzip;q=0.5, br", "deflate,gzip ; q=1.0"] {
            assert!(takes(line), "{line}");
        }
        for line in ["", "br", "gzip;q=0", "gzip; q=0.000", "*", "x-gzipped", "gzip;q=x"] {
            assert!(!takes(line), "{line}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_packed_is_the_file() {
        for (name, part) in
            [("swagger-ui.css", ".swagger-ui"), ("swagger-ui-bundle.js", "function")]
        {
            let packed = embedded(name).unwrap();
            let plain = unpack(&packed);
            assert!(packed.len() * 2 < plain.len(), "{name}");
            assert!(std::str::from_utf8(&plain).unwrap().contains(part), "{name}");
        }
    }
}
