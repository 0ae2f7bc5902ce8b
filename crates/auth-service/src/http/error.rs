//! Errors as replies: the only file that chooses statuses, codes and details.

use std::time::Duration;

use auth_api_types::ErrorCode;
use auth_http::credential::{Ambiguous, Repeated};
use auth_http::{Challenge, Problem, describe};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use server_runtime::problem;
use session::Dead;

use crate::operations::{Error, Fault, Field};
use crate::view;

/// The `Retry-After` of a 503: what is out of reach is usually back in a moment.
const RETRY_UNAVAILABLE_SECONDS: u64 = 1;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Malformed; the text names what.
    Invalid(String),
    /// Something is wrong with one field of the body.
    Field(Field),
    /// Something is wrong with one parameter of the query.
    Parameter(Field),
    /// More than one token came.
    TwoTokens(Ambiguous),
    /// No login with these credentials; the flag says whether they came by Basic.
    InvalidCredentials { basic: bool },
    /// No token came.
    MissingToken,
    /// The internal listener's key did not come; the text is how it is sent.
    MissingKey(&'static str),
    /// Another key came; the flag says whether by Basic.
    WrongKey { basic: bool },
    /// A token came that opens nothing; the text is the challenge's description.
    InvalidToken(&'static str),
    /// Alive, but not allowed; the text says what would be.
    Forbidden(&'static str),
    /// Alive, but the login is longer ago than this.
    Stale { max_age: Duration },
    /// A browser sent it from another site.
    CrossSite,
    /// It names a host that is none of ours.
    Misdirected,
    /// Nothing there that the caller may know of.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// It was there, and is over.
    Gone,
    /// Taken, or the last of its kind.
    Conflict(&'static str),
    /// A position of the event stream that cannot be gone on from; the oldest that can.
    PositionGone { oldest: Box<str> },
    /// `If-Match` or `If-None-Match` did not hold.
    PreconditionFailed,
    /// The body, or what it would make, is longer than this many bytes.
    TooLarge { limit: usize },
    /// Another media type is wanted.
    MediaType { wanted: &'static str },
    /// Against a rule; the text says which.
    Unprocessable(String),
    /// Too often; again after this time.
    TooMany { retry_after: Duration },
    /// A defect of ours; logged where it is made.
    Internal,
    /// This does not answer; again in a moment.
    Unavailable(&'static str),
}

impl ApiError {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::Field(Field { problem: Fault::Wrong | Fault::Rule(_), .. })
            | Self::Unprocessable(_) => ErrorCode::Unprocessable,
            Self::Invalid(_) | Self::Field(_) | Self::Parameter(_) | Self::TwoTokens(_) => {
                ErrorCode::InvalidRequest
            }
            Self::InvalidCredentials { .. } => ErrorCode::InvalidCredentials,
            Self::MissingToken | Self::MissingKey(_) => ErrorCode::MissingToken,
            Self::InvalidToken(_) | Self::WrongKey { .. } => ErrorCode::InvalidToken,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::Stale { .. } => ErrorCode::ReauthenticationRequired,
            Self::CrossSite => ErrorCode::CrossSiteRequest,
            Self::Misdirected => ErrorCode::MisdirectedRequest,
            Self::NotFound => ErrorCode::NotFound,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Gone | Self::PositionGone { .. } => ErrorCode::Gone,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::MediaType { .. } => ErrorCode::UnsupportedMediaType,
            Self::TooMany { .. } => ErrorCode::TooManyRequests,
            Self::Internal => ErrorCode::Internal,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// What happened this time, in a sentence.
    pub(crate) fn detail(&self) -> String {
        let quoted = |field: &Field| format!("`{}`", field.name);
        match self {
            Self::Field(field) => describe_field(&field.problem, "field", &quoted(field)),
            Self::Parameter(field) => {
                describe_field(&field.problem, "query parameter", &quoted(field))
            }
            Self::Invalid(detail) | Self::Unprocessable(detail) => detail.clone(),
            Self::TwoTokens(ambiguous) => ambiguous.to_string(),
            Self::InvalidCredentials { .. } => {
                "the user name or the password is wrong, or the account is disabled".to_owned()
            }
            Self::MissingToken => "send the token that POST /login returned, as \
                `Authorization: Bearer TOKEN` or as `token: TOKEN`"
                .to_owned(),
            Self::MissingKey(how) => format!(
                "this listener wants its key, which AUTH_INTERNAL_KEY sets: send it as `{how}`"
            ),
            Self::WrongKey { .. } => {
                "this is not the listener's key, which AUTH_INTERNAL_KEY sets".to_owned()
            }
            Self::InvalidToken(why) => format!("{why}: log in again"),
            Self::Forbidden(why) | Self::Conflict(why) => (*why).to_owned(),
            Self::Stale { max_age } => {
                format!("this needs a login of the last {} s: log in again", max_age.as_secs())
            }
            Self::CrossSite => "a browser sent this from another site".to_owned(),
            Self::Misdirected => "the request names a host that is none of this service: \
                AUTH_ALLOWED_HOSTS and AUTH_PUBLIC_URL name more"
                .to_owned(),
            Self::NotFound => "there is nothing here, or nothing that you may see".to_owned(),
            Self::Gone => {
                "this was used, is over, or was replaced by a newer one: ask for another".to_owned()
            }
            Self::MethodNotAllowed => {
                "see the Allow header for the methods of this path".to_owned()
            }
            Self::PositionGone { oldest } => format!(
                "events behind this position are no longer stored, or it is of another history; \
                 the oldest that is stored comes after {oldest}"
            ),
            Self::PreconditionFailed => {
                "the value was changed meanwhile, or is not as required: read it again".to_owned()
            }
            Self::TooLarge { limit } => format!("at most {limit} bytes are taken"),
            Self::MediaType { wanted } => format!("send the body as {wanted}"),
            Self::TooMany { retry_after } => {
                format!("too many attempts: again in {} s", view::seconds_up(*retry_after))
            }
            Self::Internal => "this is a defect of the service; the x-request-id header names the \
                request in its logs"
                .to_owned(),
            Self::Unavailable(what) => format!("{what}: try again in a moment"),
        }
    }

    const fn challenge(&self) -> Option<Challenge> {
        Some(match self {
            Self::InvalidCredentials { basic: true } | Self::WrongKey { basic: true } => {
                Challenge::Basic
            }
            Self::InvalidCredentials { basic: false }
            | Self::MissingToken
            | Self::MissingKey(_) => Challenge::Bearer,
            Self::TwoTokens(_) => Challenge::TwoTokens,
            Self::InvalidToken(why) => Challenge::InvalidToken(why),
            Self::WrongKey { basic: false } => Challenge::WrongKey,
            Self::Forbidden(why) => Challenge::InsufficientScope(why),
            Self::Stale { max_age } => Challenge::StaleLogin { max_age: *max_age },
            _ => return None,
        })
    }

    /// The answer: the code, what happened, and a challenge or when to try again.
    pub(crate) fn problem(&self) -> Problem {
        let problem = Problem::new(self.code(), self.detail());
        let problem = match self.challenge() {
            Some(challenge) => problem.with_challenge(challenge),
            None => problem,
        };
        match self {
            Self::TooMany { retry_after } => {
                problem.with_retry_after(view::seconds_up(*retry_after).max(1))
            }
            Self::Unavailable(_) => problem.with_retry_after(RETRY_UNAVAILABLE_SECONDS),
            _ => problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        problem::answer(self.problem())
    }
}

impl From<Repeated> for ApiError {
    fn from(repeated: Repeated) -> Self {
        Self::Invalid(repeated.to_string())
    }
}

impl From<Ambiguous> for ApiError {
    fn from(ambiguous: Ambiguous) -> Self {
        Self::TwoTokens(ambiguous)
    }
}

impl From<Dead> for ApiError {
    fn from(dead: Dead) -> Self {
        Self::InvalidToken(describe(view::reason(dead)))
    }
}

impl From<Field> for ApiError {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Field(field) => Self::Field(field),
            Error::InvalidCredentials => Self::InvalidCredentials { basic: false },
            Error::Dead(dead) => dead.into(),
            Error::Forbidden(why) => Self::Forbidden(why),
            Error::Stale { max_age } => Self::Stale { max_age },
            Error::ForeignOrigin => Self::CrossSite,
            Error::NotFound => Self::NotFound,
            Error::Gone => Self::Gone,
            Error::Conflict(why) => Self::Conflict(why),
            Error::Rule(rule) => Self::Unprocessable(rule),
            Error::ConditionFailed => Self::PreconditionFailed,
            Error::TooLarge { limit } => Self::TooLarge { limit },
            Error::TooMany { retry_after } => Self::TooMany { retry_after },
            Error::Internal => Self::Internal,
            Error::Unavailable(what) => Self::Unavailable(what),
        }
    }
}

/// What is wrong with a field of a `part`, which is shown as `name`.
pub(crate) fn describe_field(problem: &Fault, part: &str, name: &str) -> String {
    match problem {
        Fault::Missing => format!("the {part} {name} is missing"),
        Fault::Repeated => format!("the {part} {name} is given twice"),
        Fault::WrongType => format!("the {part} {name} has a wrong type or value"),
        Fault::Unreadable(rule) => format!("{name} {rule}"),
        Fault::Wrong => format!("{name} is wrong"),
        Fault::Rule(rule) => format!("{name} {rule}"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, header};

    use super::*;

    fn header_of(error: ApiError, name: HeaderName) -> Option<String> {
        let response = error.into_response();
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn who_is_refused_is_challenged_as_the_credential_came() {
        let challenge = |error| header_of(error, header::WWW_AUTHENTICATE);
        for error in [ApiError::MissingToken, ApiError::InvalidCredentials { basic: false }] {
            assert_eq!(challenge(error).unwrap(), r#"Bearer realm="reinflate""#);
        }
        for error in
            [ApiError::WrongKey { basic: true }, ApiError::InvalidCredentials { basic: true }]
        {
            assert_eq!(challenge(error).unwrap(), r#"Basic realm="reinflate", charset="UTF-8""#);
        }
        let stale = ApiError::Stale { max_age: Duration::ZERO };
        assert_eq!(stale.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(ApiError::NotFound), None);
    }

    #[test]
    fn a_failure_of_a_store_is_503_with_retry_after_and_never_a_401() {
        let error = ApiError::from(Error::from(session::StoreError("gone".to_owned())));
        assert_eq!(header_of(error.clone(), header::RETRY_AFTER).unwrap(), "1");
        assert_eq!(error.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_wait_is_reported_in_whole_seconds_rounded_up() {
        let error = ApiError::TooMany { retry_after: Duration::from_millis(29_001) };
        assert_eq!(header_of(error, header::RETRY_AFTER).unwrap(), "30");
    }
}
