//! From a request to its session: find the token, ask, refuse. What the extractor and the layer
//! both stand on.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_api_types::{Client, SessionView};
use auth_http::client_address::{TrustedProxies, X_FORWARDED_FOR, user_agent};
use auth_http::credential::{Carried, other_cookie};
use http::request::Parts;

use crate::{Answer, AuthClient, AuthClientOptions, Question, Refusal, Tell};

/// How a request is read.
pub(crate) struct Reading {
    cookie_name: String,
    /// Whether the log has told of a cookie of another name.
    warned: AtomicBool,
    tell: Tell,
    proxies: TrustedProxies,
    /// Whether it was logged that somebody who is not believed names clients.
    unbelieved: AtomicBool,
    peer: fn(&Parts) -> Option<IpAddr>,
    request_id: fn(&Parts) -> Option<&str>,
    traceparent: fn(&Parts) -> Option<&str>,
}

impl Reading {
    pub(crate) fn new(options: AuthClientOptions) -> Self {
        Self {
            cookie_name: options.cookie_name,
            warned: AtomicBool::new(false),
            tell: options.tell,
            proxies: TrustedProxies { networks: options.trusted_proxies, header: X_FORWARDED_FOR },
            unbelieved: AtomicBool::new(false),
            peer: options.peer,
            request_id: options.request_id,
            traceparent: options.traceparent,
        }
    }

    /// The token that the request carries.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoToken`] or [`Refusal::TwoTokens`].
    pub(crate) fn token<'p>(&self, parts: &'p Parts) -> Result<Cow<'p, str>, Refusal> {
        let token = Carried::find(&parts.headers, &self.cookie_name);
        let token = token.map_err(|_| Refusal::TwoTokens)?;
        if token.is_none() {
            self.warn_of_another_name(parts);
        }
        token.map(Carried::to_text).ok_or(Refusal::NoToken)
    }

    /// Once, since anybody may send such a cookie.
    fn warn_of_another_name(&self, parts: &Parts) {
        if let Some(found) = other_cookie(&parts.headers, &self.cookie_name)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let expected = self.cookie_name.as_str();
            tracing::warn!(
                expected,
                found,
                "a session cookie came under another name and was ignored: this service must be \
                 configured with the name that the auth service sets"
            );
        }
    }

    pub(crate) fn request_id<'p>(&self, parts: &'p Parts) -> Option<&'p str> {
        (self.request_id)(parts)
    }

    pub(crate) fn traceparent<'p>(&self, parts: &'p Parts) -> Option<&'p str> {
        (self.traceparent)(parts)
    }

    fn client(&self, parts: &Parts) -> Option<Client> {
        if self.tell == Tell::default() {
            return None;
        }
        let address = |peer| {
            self.warn_unless_believed(peer, parts);
            self.proxies.client(peer, &parts.headers).to_string()
        };
        Some(Client {
            ip: (self.peer)(parts).filter(|_| self.tell.ip).map(address),
            user_agent: self.tell.user_agent.then(|| user_agent(&parts.headers).into_owned()),
        })
    }
}

impl Reading {
    /// Logs once that a client's address came from a peer that is no trusted proxy.
    fn warn_unless_believed(&self, peer: IpAddr, parts: &Parts) {
        if !self.unbelieved.load(Ordering::Relaxed)
            && self.proxies.is_named_by_stranger(peer, &parts.headers)
            && !self.unbelieved.swap(true, Ordering::Relaxed)
        {
            let peer = peer.to_canonical();
            tracing::warn!(%peer, "X-Forwarded-For came from a peer that is no trusted proxy: it is not \
                believed, and all who come through that peer have its address");
        }
    }
}

impl AuthClient {
    /// The live session of the token that the request carries; asking is a use of the token.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with.
    ///
    /// # Cancel safety
    ///
    /// As of [`AuthClient::validate`].
    pub async fn authenticate(&self, parts: &Parts) -> Result<SessionView<'static>, Refusal> {
        let reading = self.reading();
        let token = reading.token(parts)?;
        let question = Question {
            token: &token,
            touch: true,
            client: reading.client(parts),
            request_id: (reading.request_id)(parts),
            traceparent: (reading.traceparent)(parts),
        };
        match self.validate(question).await? {
            Answer::Alive(session) => Ok(session),
            Answer::Dead(reason) => Err(Refusal::Dead(reason)),
        }
    }
}
