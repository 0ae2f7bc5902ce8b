//! What a validation comes to, between those who reach one and those who ask for it: how it is
//! written on the wire, and the one way to read it back.

use auth_api_types::{Reason, SessionView, Verdict};

/// A clear answer about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and soon moved out")]
pub enum Answer<'a> {
    /// The token is alive; this is its session after the use.
    Alive(SessionView<'a>),
    /// The token opens nothing.
    Dead(Reason),
}

impl<'a> Answer<'a> {
    /// The verdict on the wire; of `None` that the store did not answer for this token.
    pub fn write(answer: Option<Self>) -> Verdict<'a> {
        let nothing = Verdict::default();
        match answer {
            Some(Self::Alive(session)) => {
                Verdict { authenticated: Some(true), session: Some(session), ..nothing }
            }
            Some(Self::Dead(reason)) => {
                Verdict { authenticated: Some(false), reason: Some(reason), ..nothing }
            }
            None => Verdict { error: Some("unavailable".into()), ..nothing },
        }
    }

    /// The answer that a verdict is; `None` for what is neither a clear yes nor a clear no, which
    /// must not be taken for either.
    pub fn read(verdict: Verdict<'a>) -> Option<Self> {
        match verdict {
            Verdict {
                authenticated: Some(true),
                session: Some(session),
                reason: None,
                error: None,
            } => Some(Self::Alive(session)),
            Verdict { authenticated: Some(false), session: None, reason, error: None } => {
                Some(Self::Dead(reason.unwrap_or(Reason::Unknown)))
            }
            _ => None,
        }
    }

    /// The same, without borrowing.
    pub fn into_owned(self) -> Answer<'static> {
        match self {
            Self::Alive(session) => Answer::Alive(session.into_owned()),
            Self::Dead(reason) => Answer::Dead(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"id":"019ad0e6-4f3a-7000-8000-000000000000","kind":"sliding",
        "transport":"bearer","user":{"id":"019ad0e6-4f3a-7000-8000-000000000001",
        "username":"ann@example.com","roles":["user"]},"role":"user","scopes":null,"name":null,
        "created_at":"2026-11-29T00:00:00.000Z","last_used_at":"2026-11-29T00:00:00.000Z",
        "expires_at":"2026-11-29T00:15:00.000Z","expires_in":900,
        "absolute_expires_at":"2026-11-29T12:00:00.000Z","refresh_count":0,
        "ip":null,"user_agent":null}"#;

    #[test]
    fn a_clear_answer_is_read_as_it_was_written() {
        let session = serde_json::from_str(SESSION).unwrap();
        for (answer, json) in [
            (Answer::Alive(session), format!(r#"{{"authenticated":true,"session":{SESSION}}}"#)),
            (Answer::Dead(Reason::Revoked), r#"{"authenticated":false,"reason":"revoked"}"#.into()),
        ] {
            let written = serde_json::to_string(&Answer::write(Some(answer.clone()))).unwrap();
            let value: serde_json::Value = serde_json::from_str(&written).unwrap();
            assert_eq!(value, serde_json::from_str::<serde_json::Value>(&json).unwrap());
            assert_eq!(Answer::read(serde_json::from_str(&written).unwrap()), Some(answer));
        }
    }

    #[test]
    fn only_a_clear_yes_or_a_clear_no_is_an_answer() {
        let unavailable = serde_json::to_string(&Answer::write(None)).unwrap();
        assert_eq!(unavailable, r#"{"error":"unavailable"}"#);
        let both = format!(r#"{{"authenticated":true,"session":{SESSION},"reason":"revoked"}}"#);
        let dead = format!(r#"{{"authenticated":false,"session":{SESSION}}}"#);
        for (json, expected) in [
            (r#"{"authenticated":false,"reason":"new"}"#, Some(Answer::Dead(Reason::Unknown))),
            (r#"{"authenticated":false}"#, Some(Answer::Dead(Reason::Unknown))),
            ("{}", None),
            (r#"{"authenticated":true}"#, None),
            (&unavailable, None),
            (r#"{"authenticated":false,"error":"unavailable"}"#, None),
            (&both, None),
            (&dead, None),
        ] {
            assert_eq!(Answer::read(serde_json::from_str(json).unwrap()), expected, "{json}");
        }
    }
}
