//! The id that a request is known by in every log.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use auth_http::request_id;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{Extension, FromRequestParts};
use bytes::BytesMut;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};
use http_server::RequestInfo;

/// The id of a request, as its caller gave it or as we made it. An extractor of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id as text: 1 to 128 of `A-Za-z0-9._-`.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of a header.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// The id of the request with these extensions, within a [`RequestLayer`](crate::RequestLayer).
    pub fn of(extensions: &Extensions) -> Option<&str> {
        extensions.get::<RequestInfo>()?.id.as_ref()?.to_str().ok()
    }

    /// The id that came with a request, if exactly one came and it is well-formed.
    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        request_id::given(headers).map(|id| Self(id.clone()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Extension(info) = Extension::<RequestInfo>::from_request_parts(parts, state).await?;
        Ok(Self(info.id.unwrap_or(UNKNOWN)))
    }
}

/// Makes ids: version 7 UUIDs, ordered by time. They are unique, not secret.
#[derive(Debug, Default)]
pub(super) struct Ids {
    key: RandomState,
    next: AtomicU64,
}

/// What stands where an id should.
const UNKNOWN: HeaderValue = HeaderValue::from_static("-");
/// The bytes of an id that we make.
const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
/// As many share an allocation, which is used again once none of them is.
const TOGETHER: usize = 32;

thread_local! {
    static ROOM: RefCell<BytesMut> = RefCell::default();
}

impl Ids {
    pub(super) fn make(&self, unix_ms: i64) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.key.hash_one(number).to_be_bytes());
        random[8..].copy_from_slice(&number.to_be_bytes()[6..]);
        let ms = u64::try_from(unix_ms).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        let text = id.as_hyphenated().encode_lower(&mut text);
        let id = ROOM.with_borrow_mut(|room| {
            if room.capacity() < LENGTH {
                room.reserve(TOGETHER * LENGTH);
            }
            room.extend_from_slice(text.as_bytes());
            room.split().freeze()
        });
        let id = HeaderValue::from_maybe_shared(id);
        RequestId(id.unwrap_or(UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_well_formed_and_differ() {
        let ids = Ids::default();
        let made: std::collections::HashSet<String> =
            (0..10_000).map(|_| ids.make(1_795_176_000_000).as_str().to_owned()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| request_id::is_request_id(id.as_bytes()) && id.len() == 36));
    }
}
