//! Why a request is not let through, and how that is answered.

use auth_api_types::{ErrorCode, Problem, Reason};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::AuthUnavailable;

/// Why a request is not let through. Each has one [`ErrorCode`], which has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Two different tokens, or one header given twice.
    #[error("the request carries more than one token: send one, in one header")]
    TwoTokens,
    /// No token at all.
    #[error(
        "the request carries no token: send `Authorization: Bearer TOKEN`, `token: TOKEN` or the session cookie"
    )]
    NoToken,
    /// A token that opens nothing.
    #[error("{}: log in again", describe(*.0))]
    Dead(Reason),
    /// A session that acts in another role.
    #[error("the session does not act in the role that this needs")]
    WrongRole,
    /// Nobody knows whether the token is alive.
    #[error("the session cannot be checked at the moment: try again")]
    Unavailable(#[from] AuthUnavailable),
}

impl Refusal {
    /// What it is for a program; its status goes with it.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TwoTokens => ErrorCode::InvalidRequest,
            Self::NoToken => ErrorCode::MissingToken,
            Self::Dead(_) => ErrorCode::InvalidToken,
            Self::WrongRole => ErrorCode::Forbidden,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// The value of `WWW-Authenticate`, where there is one ([RFC 6750 §3]).
    ///
    /// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
    pub fn challenge(&self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::Unavailable(_) => return None,
            Self::TwoTokens => with_error("invalid_request", "more than one token"),
            Self::NoToken => r#"Bearer realm="reinflate""#.to_owned(),
            Self::Dead(reason) => with_error("invalid_token", describe(*reason)),
            Self::WrongRole => with_error("insufficient_scope", "the session acts in another role"),
        };
        HeaderValue::try_from(challenge).ok()
    }

    /// The seconds of `Retry-After`, where there is one.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Unavailable(_) => Some(1),
            _ => None,
        }
    }

    /// The whole answer, as `application/problem+json`.
    pub fn response(&self) -> Response<Bytes> {
        let problem = Problem::new(self.code(), self.to_string());
        let mut response = Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
        *response.status_mut() =
            StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

const fn describe(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "the token is malformed",
        Reason::Unknown => "the token is unknown",
        Reason::Expired => "the token has expired",
        Reason::Revoked => "the token was revoked",
    }
}

fn with_error(error: &str, description: &str) -> String {
    format!(r#"Bearer realm="reinflate", error="{error}", error_description="{description}""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_status_challenge_and_code() {
        let two = r#"Bearer realm="reinflate", error="invalid_request", error_description="more than one token""#;
        let expired = r#"Bearer realm="reinflate", error="invalid_token", error_description="the token has expired""#;
        let scope = r#"Bearer realm="reinflate", error="insufficient_scope", error_description="the session acts in another role""#;
        for (refusal, status, code, challenge) in [
            (Refusal::TwoTokens, 400, "invalid_request", Some(two)),
            (Refusal::NoToken, 401, "missing_token", Some(r#"Bearer realm="reinflate""#)),
            (Refusal::Dead(Reason::Expired), 401, "invalid_token", Some(expired)),
            (Refusal::WrongRole, 403, "forbidden", Some(scope)),
            (Refusal::Unavailable(AuthUnavailable::TimedOut), 503, "unavailable", None),
        ] {
            let response = refusal.response();
            let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(response.status(), status);
            assert_eq!(header("www-authenticate"), challenge);
            assert_eq!(header("retry-after"), (status == 503).then_some("1"));
            assert_eq!(header("cache-control"), Some("no-store"));
            assert_eq!(header("content-type"), Some("application/problem+json"));
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()));
        }
    }
}
