//! Errors of this service as their caller sees them. Statuses are chosen here and nowhere else.

use auth_client::{AuthUnavailable, Refusal, ValuesError};
use auth_http::{ErrorCode, Problem};
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use server_runtime::problem;

use crate::notes::NOTE_CHARS;

/// Why a request got no answer of its own.
#[derive(Debug)]
pub(crate) enum Error {
    /// It has no live session, or it is not known whether it has one.
    Refused(Refusal),
    /// Its path is not routed.
    NotFound,
    /// A browser sent it from another site.
    CrossSite,
    /// It names a host that this service does not serve.
    Misdirected,
    /// It announces a body over the limit.
    TooLarge,
    /// The form that came with it cannot be read.
    Form(FormRejection),
    /// What was typed is no valid note.
    InvalidNote,
    /// The note was not stored.
    Values(ValuesError),
    /// A defect of ours; logged where it is made.
    Internal,
    /// Its path is routed for other methods only.
    MethodNotAllowed,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    fn problem(self) -> Problem {
        match self {
            Self::Refused(refusal) => refusal_problem(refusal),
            Self::CrossSite => {
                Problem::new(ErrorCode::CrossSiteRequest, "a browser sent this from another site")
            }
            Self::Misdirected => Problem::new(
                ErrorCode::MisdirectedRequest,
                "the request names a host that is none of this service: BUSINESS_ALLOWED_HOSTS and \
                 BUSINESS_PUBLIC_URL name more",
            ),
            Self::TooLarge => Problem::new(ErrorCode::PayloadTooLarge, "the body is too long"),
            Self::Form(rejection) => form_problem(&rejection),
            Self::InvalidNote => Problem::new(
                ErrorCode::Unprocessable,
                format!("a note has 1 to {NOTE_CHARS} characters, all on one line"),
            ),
            Self::Values(error) => values_problem(error),
            Self::Internal => Problem::new(
                ErrorCode::Internal,
                "this is a defect of the service; its log tells more under the request's id",
            ),
            Self::NotFound => Problem::new(ErrorCode::NotFound, "nothing stands at this path"),
            Self::MethodNotAllowed => Problem::new(
                ErrorCode::MethodNotAllowed,
                "this path knows only the methods of `Allow`",
            ),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        problem::answer(self.problem())
    }
}

fn refusal_problem(refusal: Refusal) -> Problem {
    match refusal {
        // The client logged it once, when the breaker opened.
        Refusal::Unavailable(AuthUnavailable::BreakerOpen) => {}
        Refusal::Unavailable(why) => {
            tracing::warn!(why = why.as_str(), "a session could not be checked: {why}");
        }
        _ => {}
    }
    refusal.problem()
}

fn form_problem(rejection: &FormRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(ErrorCode::PayloadTooLarge, "the form is too long")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            ErrorCode::UnsupportedMediaType,
            "send the body as application/x-www-form-urlencoded",
        ),
        _ => Problem::new(
            ErrorCode::InvalidRequest,
            "the field `note` of the form is missing, or given twice",
        ),
    }
}

fn values_problem(error: ValuesError) -> Problem {
    let code = match error {
        ValuesError::Refused(refusal) => return refusal_problem(refusal),
        ValuesError::Unsupported => ErrorCode::Forbidden,
        ValuesError::TooLarge => ErrorCode::PayloadTooLarge,
        ValuesError::Changed => ErrorCode::Conflict,
        ValuesError::WrongType => ErrorCode::Internal,
    };
    let problem = Problem::new(code, error.to_string());
    match error {
        ValuesError::Changed => problem.with_retry_after(1),
        _ => problem,
    }
}
