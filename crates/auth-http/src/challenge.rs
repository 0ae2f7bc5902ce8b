//! What a refused caller is told to present, as `WWW-Authenticate` says it.

use std::time::Duration;

use auth_api_types::Reason;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

const BEARER: &str = r#"Bearer realm="reinflate""#;
const WRONG_KEY: &str = "the internal key is wrong";
const BASIC: &str = r#"Basic realm="reinflate", charset="UTF-8""#;

/// A challenge: of [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3),
/// [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617) or
/// [RFC 9470](https://www.rfc-editor.org/rfc/rfc9470). A text in it has neither quotation marks nor
/// backslashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token is wanted, and none came.
    Bearer,
    /// A name and a password are wanted.
    Basic,
    /// More than one token came.
    TwoTokens,
    /// A token came that opens nothing, for this reason.
    InvalidToken(&'static str),
    /// The internal listener's key came, and it is another one.
    WrongKey,
    /// The session is alive, but may not do this, for this reason.
    InsufficientScope(&'static str),
    /// The session is alive, but its login is longer ago than this.
    StaleLogin {
        /// How long ago the login may be.
        max_age: Duration,
    },
}

impl Challenge {
    /// The challenge as it is sent.
    pub fn header(self) -> HeaderValue {
        let with_error = |error, text| {
            let challenge = format!(r#"{BEARER}, error="{error}", error_description="{text}""#);
            HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static(BEARER))
        };
        match self {
            Self::Bearer => HeaderValue::from_static(BEARER),
            Self::Basic => HeaderValue::from_static(BASIC),
            Self::TwoTokens => with_error("invalid_request", "more than one token"),
            Self::InvalidToken(why) => with_error("invalid_token", why),
            Self::WrongKey => with_error("invalid_token", WRONG_KEY),
            Self::InsufficientScope(why) => with_error("insufficient_scope", why),
            Self::StaleLogin { max_age } => {
                let error = "insufficient_user_authentication";
                let age = max_age.as_secs();
                HeaderValue::try_from(format!(r#"{BEARER}, error="{error}", max_age="{age}""#))
                    .unwrap_or(HeaderValue::from_static(BEARER))
            }
        }
    }
}

/// Whether a refusal of a request with a token is about the internal listener's key, which was wrong
/// or did not come, and not about the token.
pub fn asks_for_key(headers: &HeaderMap) -> bool {
    let challenge = headers.get(WWW_AUTHENTICATE);
    challenge.is_some_and(|found| {
        [Challenge::WrongKey, Challenge::Bearer].map(Challenge::header).contains(found)
    })
}

/// Why a token opens nothing, in a sentence for people.
pub const fn describe(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "the token is malformed",
        Reason::Unknown => "the token is unknown or has ended",
        Reason::Expired => "the token has expired",
        Reason::Revoked => "the token was revoked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_the_key_is_told_from_one_for_the_token() {
        let asks = |challenge: Challenge| {
            asks_for_key(&HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge.header())]))
        };
        assert!(asks(Challenge::WrongKey) && asks(Challenge::Bearer));
        for other in [
            Challenge::InvalidToken(describe(Reason::Unknown)),
            Challenge::TwoTokens,
            Challenge::InsufficientScope("no"),
            Challenge::Basic,
        ] {
            assert!(!asks(other), "{other:?}");
        }
        assert!(!asks_for_key(&HeaderMap::new()));
    }

    #[test]
    fn challenges_are_those_of_the_rfcs() {
        for (challenge, rest) in [
            (Challenge::Bearer, ""),
            (
                Challenge::TwoTokens,
                r#", error="invalid_request", error_description="more than one token""#,
            ),
            (
                Challenge::InvalidToken(describe(Reason::Malformed)),
                r#", error="invalid_token", error_description="the token is malformed""#,
            ),
            (
                Challenge::InvalidToken(describe(Reason::Unknown)),
                r#", error="invalid_token", error_description="the token is unknown or has ended""#,
            ),
            (
                Challenge::InvalidToken(describe(Reason::Expired)),
                r#", error="invalid_token", error_description="the token has expired""#,
            ),
            (
                Challenge::InvalidToken(describe(Reason::Revoked)),
                r#", error="invalid_token", error_description="the token was revoked""#,
            ),
            (
                Challenge::InsufficientScope("the session acts in another role"),
                r#", error="insufficient_scope", error_description="the session acts in another role""#,
            ),
            (
                Challenge::StaleLogin { max_age: Duration::from_mins(15) },
                r#", error="insufficient_user_authentication", max_age="900""#,
            ),
        ] {
            assert_eq!(challenge.header(), format!(r#"Bearer realm="reinflate"{rest}"#));
        }
        assert_eq!(Challenge::Basic.header(), r#"Basic realm="reinflate", charset="UTF-8""#);
    }
}
