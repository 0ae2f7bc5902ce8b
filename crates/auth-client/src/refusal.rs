//! Why a request is refused, and the response to it.

use auth_api_types::{ErrorCode, Reason};
use auth_http::{Challenge, Problem, describe};
use bytes::Bytes;
use http::Response;

use crate::AuthUnavailable;

/// Why a request is refused. Each has one [`ErrorCode`], which has one status.
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
    /// A session whose token is narrowed to other scopes.
    #[error("the token does not have the scope that this needs")]
    MissingScope,
    /// The session of a user whom only a backend knows.
    #[error("this is only for users of the auth service's own accounts")]
    ExternalUser,
    /// It could not be found out whether the token is alive.
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
            Self::WrongRole | Self::MissingScope | Self::ExternalUser => ErrorCode::Forbidden,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// What is answered: its code, this refusal in words, and what to present or when to try again.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.code(), self.to_string());
        match self {
            Self::TwoTokens => problem.with_challenge(Challenge::TwoTokens),
            Self::NoToken => problem.with_challenge(Challenge::Bearer),
            Self::Dead(why) => problem.with_challenge(Challenge::InvalidToken(describe(*why))),
            Self::WrongRole => problem
                .with_challenge(Challenge::InsufficientScope("the session acts in another role")),
            Self::MissingScope => {
                problem.with_challenge(Challenge::InsufficientScope("the token lacks a scope"))
            }
            Self::ExternalUser => {
                problem.with_challenge(Challenge::InsufficientScope("the user has no account here"))
            }
            Self::Unavailable(_) => problem.with_retry_after(1),
        }
    }

    /// The whole answer, as `application/problem+json`.
    pub fn response(&self) -> Response<Bytes> {
        self.problem().into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_status_challenge_and_code() {
        let two = r#"Bearer realm="reinflate", error="invalid_request", error_description="more than one token""#;
        let expired = r#"Bearer realm="reinflate", error="invalid_token", error_description="the token has expired""#;
        let scope = r#"Bearer realm="reinflate", error="insufficient_scope", error_description="the session acts in another role""#;
        let lacking = r#"Bearer realm="reinflate", error="insufficient_scope", error_description="the token lacks a scope""#;
        let external = r#"Bearer realm="reinflate", error="insufficient_scope", error_description="the user has no account here""#;
        for (refusal, status, code, challenge) in [
            (Refusal::TwoTokens, 400, "invalid_request", Some(two)),
            (Refusal::NoToken, 401, "missing_token", Some(r#"Bearer realm="reinflate""#)),
            (Refusal::Dead(Reason::Expired), 401, "invalid_token", Some(expired)),
            (Refusal::WrongRole, 403, "forbidden", Some(scope)),
            (Refusal::MissingScope, 403, "forbidden", Some(lacking)),
            (Refusal::ExternalUser, 403, "forbidden", Some(external)),
            (Refusal::Unavailable(AuthUnavailable::TimedOut), 503, "unavailable", None),
        ] {
            let response = refusal.response();
            let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(response.status(), status);
            assert_eq!(header("www-authenticate"), challenge);
            assert_eq!(header("retry-after"), (status == 503).then_some("1"));
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()));
        }
    }
}
