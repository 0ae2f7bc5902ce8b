//! Errors as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details: what one is made
//! of, and its one form on the wire. It chooses no code; each service does.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::Challenge;

pub use auth_api_types::ErrorCode;

/// An error on its way to a caller.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What a program tells errors apart by; the status and the title go with it.
    pub code: ErrorCode,
    /// What happened this time.
    pub detail: Cow<'static, str>,
    /// Headers that go with it: `WWW-Authenticate`, `Retry-After`, `Allow`.
    pub headers: HeaderMap,
}

impl Problem {
    /// A problem without headers of its own.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), headers: HeaderMap::new() }
    }

    /// The same with a challenge.
    #[must_use]
    pub fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.headers.insert(WWW_AUTHENTICATE, challenge.header());
        self
    }

    /// The same, saying in how many seconds to try again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.headers.insert(RETRY_AFTER, seconds.into());
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer as `application/problem+json`. The problem itself is an extension of it, for
    /// whoever renders it otherwise.
    pub fn into_response(self) -> Response<Bytes> {
        let body = auth_api_types::Problem::new(self.code, &*self.detail);
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let fixed = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, fixed("application/problem+json"));
        headers.insert(CACHE_CONTROL, fixed("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.extend(self.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_answered_with_its_status_its_members_and_its_headers() {
        let problem = Problem::new(ErrorCode::InvalidToken, "no <b>such</b> \"thing\"")
            .with_challenge(Challenge::Bearer)
            .with_retry_after(1);
        let response = problem.into_response();
        assert_eq!(response.status(), 401);
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("www-authenticate", r#"Bearer realm="reinflate""#),
            ("retry-after", "1"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Invalid token", "status": 401,
            "detail": "no <b>such</b> \"thing\"", "code": "invalid_token",
        });
        assert_eq!(body, expected);
        assert!(response.extensions().get::<Problem>().is_some());
    }
}
