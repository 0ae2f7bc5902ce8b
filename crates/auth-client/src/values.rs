//! Values that a service stores in a user's session, read and written with the user's own token.
//! Each value has a version, so that no writer overwrites another's change unseen.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use auth_api_types::Reason;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::transport::{KeyPlacement, Reply, RequestContext};
use crate::{AuthClient, AuthUnavailable, Refusal};

/// How often an update is tried while others change the value in between.
const TRIES: u32 = 4;
/// The longest pause before the second try; before each further one it is twice that.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The values of the session that one request belongs to. Every request for them is a use of its
/// token.
pub struct SessionValues<'a> {
    client: &'a AuthClient,
    context: RequestContext<'a>,
}

/// A value as it stood, and the version that it then had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Its entity tag.
    pub version: HeaderValue,
}

/// Why a value was not read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// The token opens no session, or the auth service could not say.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This kind of session stores no values: it ended with this very use.
    #[error("a session of this kind stores no values")]
    Unsupported,
    /// The session's values would exceed their size limit.
    #[error("the session has no room for more values")]
    TooLarge,
    /// It was changed meanwhile, or is there already.
    #[error("the value was changed meanwhile")]
    Changed,
    /// The stored value does not have the requested type.
    #[error("the value is of another type")]
    WrongType,
}

/// A clear reply.
enum ValueReply {
    Found(Versioned<Vec<u8>>),
    Absent,
    Written,
    Changed,
    TooLarge,
    Unsupported,
    Dead,
}

impl AuthClient {
    /// The values of the session whose token the request carries.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoToken`], [`Refusal::TwoTokens`], or [`Refusal::Dead`] for what can be none.
    pub fn values<'a>(&'a self, parts: &'a Parts) -> Result<SessionValues<'a>, Refusal> {
        let reader = self.reader();
        let token = reader.token(parts)?;
        let mut token = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Refusal::Dead(Reason::Malformed))?;
        token.set_sensitive(true);
        let context = RequestContext {
            token,
            request_id: reader.request_id(parts),
            traceparent: reader.traceparent(parts),
        };
        Ok(SessionValues { client: self, context })
    }
}

impl SessionValues<'_> {
    /// The value under `key`, of 1 to 64 of `A-Za-z0-9._-`, if there is one.
    ///
    /// # Errors
    ///
    /// Any but `Changed` and `TooLarge`.
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Versioned<T>>, ValuesError> {
        match self.send(Method::GET, key, None, None).await? {
            ValueReply::Found(found) => {
                let value = serde_json::from_slice(&found.value);
                let value = value.map_err(|_| ValuesError::WrongType)?;
                Ok(Some(Versioned { value, version: found.version }))
            }
            ValueReply::Absent => Ok(None),
            other => Err(other.into_error()),
        }
    }

    /// Writes the value under `key`, if it still has the version that it was read with, or if
    /// there was none and still is none.
    ///
    /// # Errors
    ///
    /// `Changed` if that is not so any more. After `Refused` with [`Refusal::Unavailable`] it may or
    /// may not have been written.
    pub async fn put<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        read: Option<&HeaderValue>,
    ) -> Result<(), ValuesError> {
        let body = serde_json::to_vec(value).map_err(|_| ValuesError::WrongType)?;
        match self.send(Method::PUT, key, Some(body), read).await? {
            ValueReply::Written => Ok(()),
            other => Err(other.into_error()),
        }
    }

    /// Reads the value under `key`, changes it, and writes it; again from the start, after a pause,
    /// where another process wrote in between. What was written comes back. All of it takes no
    /// longer than one validation may. Changes of one session are serialised.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put); `Changed` only where others were faster several times in a row, and
    /// [`AuthUnavailable::Overloaded`] where too many changes of this session wait.
    pub async fn update<T>(
        &self,
        key: &str,
        change: impl Fn(Option<T>) -> T + Sync,
    ) -> Result<T, ValuesError>
    where
        T: DeserializeOwned + Serialize + Send + Sync,
    {
        let change = async {
            let session_locks = self.client.session_locks();
            let guard = session_locks.lock(self.context.token.as_bytes()).await;
            let _guard = guard.ok_or(Refusal::Unavailable(AuthUnavailable::Overloaded))?;
            self.read_and_write(key, change).await
        };
        let done = tokio::time::timeout(self.client.budget(), change).await;
        done.unwrap_or(Err(Refusal::Unavailable(AuthUnavailable::TimedOut).into()))
    }

    async fn read_and_write<T>(
        &self,
        key: &str,
        change: impl Fn(Option<T>) -> T + Sync,
    ) -> Result<T, ValuesError>
    where
        T: DeserializeOwned + Serialize + Send + Sync,
    {
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(pause_before(attempt)).await;
            }
            let (before, version) = match self.get(key).await? {
                Some(found) => (Some(found.value), Some(found.version)),
                None => (None, None),
            };
            let after = change(before);
            match self.put(key, &after, version.as_ref()).await {
                Ok(()) => return Ok(after),
                Err(ValuesError::Changed) => {}
                Err(other) => return Err(other),
            }
        }
        Err(ValuesError::Changed)
    }

    async fn send(
        &self,
        method: Method,
        key: &str,
        body: Option<Vec<u8>>,
        read: Option<&HeaderValue>,
    ) -> Result<ValueReply, ValuesError> {
        let body = body.map(bytes::Bytes::from);
        let reply = self
            .client
            .exchange_keyed(
                KeyPlacement::OwnHeader,
                |transport, upstream| {
                    let request =
                        transport.value(method.clone(), upstream.value(key), &self.context);
                    let Some(body) = body.clone() else {
                        return request;
                    };
                    let request = match read {
                        Some(version) => request.header(IF_MATCH, version),
                        None => request.header(IF_NONE_MATCH, "*"),
                    };
                    request.header(CONTENT_TYPE, "application/json").body(body)
                },
                ValueReply::read,
            )
            .await;
        reply.map_err(|unavailable| ValuesError::Refused(unavailable.into()))
    }
}

/// Random, so that writers that conflicted do not conflict again.
fn pause_before(attempt: u32) -> Duration {
    let max_bytes = FIRST_PAUSE.saturating_mul(1 << (attempt - 1));
    let chance = RandomState::new().hash_one(attempt);
    let micros = u64::try_from(max_bytes.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(chance % micros)
}

impl ValueReply {
    fn read(reply: &Reply) -> Option<Self> {
        Some(match reply.status {
            StatusCode::OK => Self::Found(Versioned {
                value: reply.json()?.to_vec(),
                version: reply.headers.get(ETAG)?.clone(),
            }),
            StatusCode::NO_CONTENT => Self::Written,
            StatusCode::NOT_FOUND => Self::Absent,
            StatusCode::PRECONDITION_FAILED => Self::Changed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::FORBIDDEN => Self::Unsupported,
            StatusCode::UNAUTHORIZED => Self::Dead,
            _ => return None,
        })
    }

    /// What it means where it does not answer the request.
    fn into_error(self) -> ValuesError {
        match self {
            Self::Dead => ValuesError::Refused(Refusal::Dead(Reason::Unknown)),
            Self::Changed => ValuesError::Changed,
            Self::TooLarge => ValuesError::TooLarge,
            Self::Unsupported => ValuesError::Unsupported,
            Self::Found(_) | Self::Absent | Self::Written => {
                ValuesError::Refused(crate::AuthUnavailable::Unclear.into())
            }
        }
    }
}
