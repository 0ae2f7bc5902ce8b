//! Sessions for a service's own users: it has authenticated somebody itself, asks the auth service for
//! a session, and ends sessions again. Needs the key of the internal listener.

use std::fmt;

use auth_api_types::{
    Ended, ErrorCode, ExternalUser, IssueSessionRequest, SessionList, SessionView, TokenResponse,
};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::transport::{KeyPlacement, Reply};
use crate::{AuthClient, AuthUnavailable, url_part};

/// A session to be issued. [`SessionRequest::new`] leaves everything but the user to the auth service.
pub type SessionRequest = IssueSessionRequest<Value>;

/// A session that was issued, with what opens it, which is not to be had again.
pub struct IssuedSession {
    /// What opens it.
    pub credential: Credential,
    /// The session.
    pub session: SessionView<'static>,
}

/// What opens a session. It is never shown by `Debug`.
pub enum Credential {
    /// The token, for a program.
    Token(String),
    /// The `Set-Cookie` to answer a browser with.
    Cookie(HeaderValue),
}

/// Why a session was not issued, listed or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The auth service refused: what was sent is against a rule, or no key is set there.
    #[error("the auth service refused: {detail}")]
    Refused {
        /// What it is for a program.
        code: ErrorCode,
        /// Why, in a sentence.
        detail: String,
    },
    /// Nobody knows what became of it. A session that may have been issued opens nothing, since nobody
    /// has its token.
    #[error(transparent)]
    Unavailable(#[from] AuthUnavailable),
}

impl IssuedSession {
    /// The token, where the session is no browser's.
    pub fn token(&self) -> Option<&str> {
        match &self.credential {
            Credential::Token(token) => Some(token),
            Credential::Cookie(_) => None,
        }
    }

    /// The `Set-Cookie` to pass on, where the session is a browser's.
    pub const fn set_cookie(&self) -> Option<&HeaderValue> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Cookie(line) => Some(line),
        }
    }
}

impl fmt::Debug for IssuedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedSession").field("session", &self.session).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Cookie(_) => "Cookie(…)",
        })
    }
}

impl AuthClient {
    /// Opens a session for somebody whom this service has authenticated. It is asked for once, and
    /// again only where the first try cannot have reached an auth service.
    ///
    /// # Errors
    ///
    /// `Refused`, for instance for an id that no external user can have; `Unavailable`.
    pub async fn issue(&self, request: &SessionRequest) -> Result<IssuedSession, GrantError> {
        let body = serde_json::to_vec(request).map_err(|_| AuthUnavailable::Unclear)?;
        let reply = self.grant(Method::POST, "/sessions", Some(body), StatusCode::CREATED).await?;
        issued(reply).ok_or(AuthUnavailable::Unclear.into())
    }

    /// The live sessions of one of this service's own users, newest use first.
    ///
    /// # Errors
    ///
    /// `Refused`, `Unavailable`.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<SessionView<'static>>, GrantError> {
        let path = subject_path(user)?;
        let list: SessionList<'static> =
            self.grant(Method::GET, &path, None, StatusCode::OK).await?;
        Ok(list.sessions)
    }

    /// Ends all sessions of one of this service's own users; how many lived. Once this has answered,
    /// none of them opens anything, on any node.
    ///
    /// # Errors
    ///
    /// `Refused`, `Unavailable`: then some may live.
    pub async fn end_all(&self, user: &str) -> Result<u64, GrantError> {
        self.end(&subject_path(user)?).await
    }

    /// The same but for one session, as after a change of password.
    ///
    /// # Errors
    ///
    /// As [`end_all`](Self::end_all).
    pub async fn end_others(&self, user: &str, keep: Uuid) -> Result<u64, GrantError> {
        self.end(&format!("{}?keep={keep}", subject_path(user)?)).await
    }

    /// Ends one session by its id; whether it lived.
    ///
    /// # Errors
    ///
    /// As [`end_all`](Self::end_all).
    pub async fn end_session(&self, id: Uuid) -> Result<bool, GrantError> {
        Ok(self.end(&format!("/sessions/{id}")).await? > 0)
    }

    async fn end(&self, path: &str) -> Result<u64, GrantError> {
        let Ended { ended } = self.grant(Method::DELETE, path, None, StatusCode::OK).await?;
        Ok(ended)
    }

    async fn grant<T: DeserializeOwned + Send>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        success: StatusCode,
    ) -> Result<T, GrantError> {
        let body = body.map(bytes::Bytes::from);
        let request = |transport: &crate::transport::Transport,
                       upstream: &crate::upstream::Upstream| {
            let request = transport.own(method.clone(), upstream.at(path));
            match &body {
                Some(body) => request.body(body.clone()),
                None => request,
            }
        };
        let reply =
            self.exchange_keyed(KeyPlacement::Authorization, request, GrantReply::read).await?;
        match reply {
            GrantReply::Refused { code, detail } => Err(GrantError::Refused { code, detail }),
            GrantReply::Done { status, body } if status == success => {
                Ok(serde_json::from_slice(&body).map_err(|_| AuthUnavailable::Unclear)?)
            }
            GrantReply::Done { .. } => Err(AuthUnavailable::Unclear.into()),
        }
    }
}

/// A clear reply.
enum GrantReply {
    Done { status: StatusCode, body: Vec<u8> },
    Refused { code: ErrorCode, detail: String },
}

impl GrantReply {
    fn read(reply: &Reply) -> Option<Self> {
        #[derive(Deserialize)]
        struct RefusalBody {
            code: ErrorCode,
            detail: String,
        }
        let status = reply.status;
        if status.is_success() {
            let body = reply.body_of(status, "application/json")?.to_vec();
            return Some(Self::Done { status, body });
        }
        // A key that is missing or wrong is a fault of the setup, and no answer.
        if !status.is_client_error() || status == StatusCode::UNAUTHORIZED {
            return None;
        }
        let problem = reply.body_of(status, "application/problem+json")?;
        let RefusalBody { code, detail } = serde_json::from_slice(problem).ok()?;
        Some(Self::Refused { code, detail })
    }
}

fn issued(reply: TokenResponse<'static>) -> Option<IssuedSession> {
    let credential = match (reply.token, reply.set_cookie) {
        (Some(token), None) => Credential::Token(token.into_owned()),
        (None, Some(line)) => {
            let mut line = HeaderValue::try_from(line.as_ref()).ok()?;
            line.set_sensitive(true);
            Credential::Cookie(line)
        }
        _ => return None,
    };
    Some(IssuedSession { credential, session: reply.session })
}

/// Where a user's sessions are. What no external user can be called is refused here: a URL would lose
/// some of it, and name somebody else.
fn subject_path(user: &str) -> Result<String, GrantError> {
    if !ExternalUser::is_id(user) {
        let detail = "this can be no external user's id".to_owned();
        return Err(GrantError::Refused { code: ErrorCode::Unprocessable, detail });
    }
    Ok(format!("/subjects/{}/sessions", url_part::encoded(user)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_id_stands_whole_in_the_path_or_not_at_all() {
        for (user, path) in [
            ("17", "/subjects/17/sessions"),
            ("a/b c%2e", "/subjects/a%2Fb%20c%252e/sessions"),
            ("...", "/subjects/%2E%2E%2E/sessions"),
            ("?keep=x#", "/subjects/%3Fkeep%3Dx%23/sessions"),
        ] {
            assert_eq!(subject_path(user).unwrap(), path);
        }
        for user in ["", ".", "..", "a\tb", " a", "zoë", &"x".repeat(129)] {
            assert!(subject_path(user).is_err(), "{user:?}");
        }
    }
}
