//! Responses that depend on the caller: JSON, and what is written in its stead.

use std::cell::RefCell;

use axum::body::Body;
use axum::response::Response;
use bytes::BytesMut;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

const JSON: &str = "application/json";

/// What most responses fit in, in bytes.
const CAPACITY: usize = 1024;
/// The bytes that responses share an allocation of, which is used again once none of them is left.
const SHARED: usize = 8 * CAPACITY;

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// Where a thread writes responses, and where it takes the memory that they leave in from.
#[derive(Default)]
struct Room {
    text: Vec<u8>,
    written: BytesMut,
}

/// `body` as JSON that no cache keeps. `None` where it cannot be written as JSON, which is a defect of
/// its type, and in the log.
pub fn private_json<T: Serialize>(status: StatusCode, body: &T) -> Option<Response> {
    let mut text = Vec::with_capacity(CAPACITY);
    serde_json::to_writer(&mut text, body)
        .inspect_err(|error| tracing::error!(%error, "a response cannot be written as JSON"))
        .ok()?;
    Some(private(status, JSON, Body::from(text)))
}

/// JSON that `write` writes, and that no cache keeps.
///
/// It must hold no secret: its memory is used again, and not wiped.
pub fn private_json_by(status: StatusCode, write: impl FnOnce(&mut Vec<u8>)) -> Response {
    private_by(status, JSON, write)
}

/// A body of this type that `write` writes, and that no cache keeps.
///
/// It must hold no secret: its memory is used again, and not wiped.
pub fn private_by(
    status: StatusCode,
    media_type: &'static str,
    write: impl FnOnce(&mut Vec<u8>),
) -> Response {
    let (text, length) = ROOM.with_borrow_mut(|Room { text, written }| {
        text.clear();
        text.reserve(CAPACITY);
        write(text);
        let length = text.len();
        // As a header says it, in the same memory.
        text.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        if written.capacity() < text.len() {
            written.reserve(text.len().max(SHARED));
        }
        written.extend_from_slice(text);
        text.shrink_to(SHARED);
        let mut text = written.split().freeze();
        let digits = text.split_off(length);
        (text, digits)
    });
    let mut response = private(status, media_type, Body::from(text));
    if let Ok(length) = HeaderValue::from_maybe_shared(length) {
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

fn private(status: StatusCode, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    // With room for what every response gets.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_response_stays_what_it_is_while_others_are_written_and_after_longer_ones() {
        let written = |number: usize| {
            let digit = b'0' + u8::try_from(number % 10).unwrap();
            let length = if number == 7 { 3 * SHARED } else { 100 * (number % 30) };
            let response =
                private_json_by(StatusCode::OK, |out| out.resize(out.len() + length, digit));
            (response, char::from(digit).to_string().repeat(length))
        };
        // Some are left at once, so that their memory is used again, and others stay.
        let stay: Vec<_> =
            (0..300).filter_map(|n| Some(written(n)).filter(|_| n % 3 > 0)).collect();
        for (response, expected) in stay {
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[CONTENT_LENGTH], expected.len().to_string());
            assert_eq!(text(response).await, expected);
        }
    }
}
