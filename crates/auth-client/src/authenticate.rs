//! From a request to its session: find the token, validate it, refuse. The extractor and the layer
//! are both built on it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_api_types::{Client, SessionView};
use auth_http::client_address::{TrustedProxies, X_FORWARDED_FOR, user_agent};
use auth_http::credential::{Carried, other_cookie};
use http::request::Parts;

use crate::{Answer, AuthClient, AuthClientOptions, ClientFields, Question, Refusal};

/// Reads the token and what goes with it from a request.
pub(crate) struct RequestReader {
    cookie_name: String,
    /// Whether a cookie of another name was logged.
    warned_of_cookie: AtomicBool,
    client_fields: ClientFields,
    proxies: TrustedProxies,
    /// Whether it was logged that a peer that is no trusted proxy sends `X-Forwarded-For`.
    warned_of_untrusted: AtomicBool,
    peer: fn(&Parts) -> Option<IpAddr>,
    request_id: fn(&Parts) -> Option<&str>,
    traceparent: fn(&Parts) -> Option<&str>,
}

impl RequestReader {
    pub(crate) fn new(options: AuthClientOptions) -> Self {
        Self {
            cookie_name: options.cookie_name,
            warned_of_cookie: AtomicBool::new(false),
            client_fields: options.client_fields,
            proxies: TrustedProxies { networks: options.trusted_proxies, header: X_FORWARDED_FOR },
            warned_of_untrusted: AtomicBool::new(false),
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
            self.warn_of_other_cookie(parts);
        }
        token.map(Carried::to_text).ok_or(Refusal::NoToken)
    }

    /// Once, since anybody may send such a cookie.
    fn warn_of_other_cookie(&self, parts: &Parts) {
        if let Some(found) = other_cookie(&parts.headers, &self.cookie_name)
            && !self.warned_of_cookie.swap(true, Ordering::Relaxed)
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
        if self.client_fields == ClientFields::default() {
            return None;
        }
        let address = |peer| {
            self.warn_of_untrusted_proxy(peer, parts);
            self.proxies.client(peer, &parts.headers).to_string()
        };
        Some(Client {
            ip: (self.peer)(parts).filter(|_| self.client_fields.ip).map(address),
            user_agent: self
                .client_fields
                .user_agent
                .then(|| user_agent(&parts.headers).into_owned()),
        })
    }
}

impl RequestReader {
    /// Logs once that a client's address came from a peer that is no trusted proxy.
    fn warn_of_untrusted_proxy(&self, peer: IpAddr, parts: &Parts) {
        if !self.warned_of_untrusted.load(Ordering::Relaxed)
            && self.proxies.is_named_by_stranger(peer, &parts.headers)
            && !self.warned_of_untrusted.swap(true, Ordering::Relaxed)
        {
            let peer = peer.to_canonical();
            tracing::warn!(%peer, "X-Forwarded-For came from a peer that is no trusted proxy: it is not \
                believed, and all who come through that peer have its address");
        }
    }
}

impl AuthClient {
    /// The live session of the token that the request carries; this is a use of the token.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with.
    ///
    /// # Cancel safety
    ///
    /// As of [`AuthClient::validate`].
    pub async fn authenticate(&self, parts: &Parts) -> Result<SessionView<'static>, Refusal> {
        let reader = self.reader();
        let token = reader.token(parts)?;
        let question = Question {
            token: &token,
            touch: true,
            client: reader.client(parts),
            request_id: (reader.request_id)(parts),
            traceparent: (reader.traceparent)(parts),
        };
        match self.validate(question).await? {
            Answer::Alive(session) => Ok(session),
            Answer::Dead(reason) => Err(Refusal::Dead(reason)),
        }
    }
}
