//! JSON responses that depend on the caller.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

/// What most responses fit in, in bytes.
const CAPACITY: usize = 1024;

/// `body` as JSON that no cache keeps. `None` where it cannot be written as JSON, which is a defect of
/// its type, and in the log.
pub fn private_json<T: Serialize>(status: StatusCode, body: &T) -> Option<Response> {
    let mut written = Ok(());
    let response = private_json_by(status, |text| written = serde_json::to_writer(text, body));
    written
        .inspect_err(|error| tracing::error!(%error, "a response cannot be written as JSON"))
        .ok()?;
    Some(response)
}

/// JSON that `write` writes, and that no cache keeps.
pub fn private_json_by(status: StatusCode, write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut text = Vec::with_capacity(CAPACITY);
    write(&mut text);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    // With room for what every response gets.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.headers_mut() = headers;
    response
}
