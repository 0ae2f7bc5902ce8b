//! Errors of this service as their caller sees them. Statuses are chosen here and nowhere else.

use auth_api_types::ErrorCode;
use auth_client::{AuthUnavailable, Refusal};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use server_runtime::Problem;

/// Why a request got no answer of its own.
#[derive(Debug)]
pub(crate) enum Error {
    /// It is not let in.
    Refused(Refusal),
    /// Nothing stands at its path.
    NotFound,
    /// Its path knows other methods.
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
            Self::Refused(refusal) => refused(refusal),
            Self::NotFound => problem(ErrorCode::NotFound, "nothing stands at this path"),
            Self::MethodNotAllowed => problem(
                ErrorCode::MethodNotAllowed,
                "this path knows only the methods of `Allow`",
            ),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        // Said once, by the client, when it began to leave them out.
        Refusal::Unavailable(AuthUnavailable::LeftOut) => {}
        Refusal::Unavailable(why) => {
            tracing::warn!(why = why.as_str(), "a session could not be checked: {why}");
        }
        _ => {}
    }
    let mut problem = problem(refusal.code(), refusal.to_string());
    if let Some(challenge) = refusal.challenge() {
        problem = problem.with_header(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        problem = problem.with_header(RETRY_AFTER, seconds.into());
    }
    problem
}

fn problem(code: ErrorCode, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Problem::new(status, code.as_str(), code.title(), detail)
}
