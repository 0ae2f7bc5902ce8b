//! Errors as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details, and their codes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What went wrong, as a program reads it. Each code has one status and one title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Malformed, missing, ill-typed, named twice.
    InvalidRequest,
    /// A wrong user name, a wrong password or a disabled user.
    InvalidCredentials,
    /// No token came with the request.
    MissingToken,
    /// A token came that opens nothing.
    InvalidToken,
    /// Alive, but the role or the kind does not allow it.
    Forbidden,
    /// Alive, but the login is too long ago.
    ReauthenticationRequired,
    /// A browser sent it from another site.
    CrossSiteRequest,
    /// It names a host that the listener does not answer for.
    MisdirectedRequest,
    /// Nothing there, or nothing that the caller may know of.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// It was there, and is over.
    Gone,
    /// Taken already, or the last of its kind.
    Conflict,
    /// `If-Match` or `If-None-Match` did not hold.
    PreconditionFailed,
    /// The body is too long.
    PayloadTooLarge,
    /// The body is of another media type.
    UnsupportedMediaType,
    /// Well-formed, but against a rule.
    Unprocessable,
    /// Too often.
    TooManyRequests,
    /// A defect of ours.
    Internal,
    /// Something that we depend on does not answer.
    Unavailable,
}

impl ErrorCode {
    /// The HTTP status that always goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::InvalidCredentials
            | Self::MissingToken
            | Self::InvalidToken
            | Self::ReauthenticationRequired => 401,
            Self::Forbidden | Self::CrossSiteRequest => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::MisdirectedRequest => 421,
            Self::Unprocessable => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidCredentials => "invalid_credentials",
            Self::MissingToken => "missing_token",
            Self::InvalidToken => "invalid_token",
            Self::Forbidden => "forbidden",
            Self::ReauthenticationRequired => "reauthentication_required",
            Self::CrossSiteRequest => "cross_site_request",
            Self::MisdirectedRequest => "misdirected_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::PreconditionFailed => "precondition_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Unprocessable => "unprocessable",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// The same few words for every occurrence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::InvalidCredentials => "Invalid credentials",
            Self::MissingToken => "Missing token",
            Self::InvalidToken => "Invalid token",
            Self::Forbidden => "Forbidden",
            Self::ReauthenticationRequired => "Log in again",
            Self::CrossSiteRequest => "Cross-site request refused",
            Self::MisdirectedRequest => "Misdirected request",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::PreconditionFailed => "Precondition failed",
            Self::PayloadTooLarge => "Body too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::Unprocessable => "Unprocessable",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
            Self::Unavailable => "Unavailable",
        }
    }
}

/// The body of every error, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem<'a> {
    /// Always `about:blank`: the status and the code say which problem it is.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "about:blank"))]
    pub problem_type: Cow<'a, str>,
    /// A few words, the same for every occurrence of the code.
    pub title: Cow<'a, str>,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: Cow<'a, str>,
    /// What a program tells errors apart by.
    pub code: ErrorCode,
}

impl<'a> Problem<'a> {
    /// The problem of this code with this explanation.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'a, str>>) -> Self {
        Self {
            problem_type: "about:blank".into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_the_same_in_json_and_as_str() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::ReauthenticationRequired] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_a_code() {
        let json = serde_json::to_value(Problem::new(ErrorCode::NotFound, "no such path")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "about:blank", "title": "Not found", "status": 404,
                "detail": "no such path", "code": "not_found"})
        );
    }
}
