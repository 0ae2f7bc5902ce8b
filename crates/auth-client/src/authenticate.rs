//! From a request to its session: find the token, ask, refuse. What the extractor and the layer
//! both stand on.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_api_types::{Client, SessionView};
use http::header::USER_AGENT;
use http::request::Parts;
use ipnet::IpNet;

use crate::credential::find_token;
use crate::{Answer, AuthClient, AuthClientOptions, Question, Refusal, Tell, client_address};

/// A session keeps no more of a user agent than so many characters.
const USER_AGENT_CHARS: usize = 256;

/// How a request is read.
pub(crate) struct Reading {
    cookie_names: Vec<String>,
    tell: Tell,
    trusted_proxies: Vec<IpNet>,
    /// Whether it was logged that somebody who is not believed names clients.
    unbelieved: AtomicBool,
    peer: fn(&Parts) -> Option<IpAddr>,
    request_id: fn(&Parts) -> Option<&str>,
    traceparent: fn(&Parts) -> Option<&str>,
}

impl Reading {
    pub(crate) fn new(options: AuthClientOptions) -> Self {
        Self {
            cookie_names: options.cookie_names,
            tell: options.tell,
            trusted_proxies: options.trusted_proxies,
            unbelieved: AtomicBool::new(false),
            peer: options.peer,
            request_id: options.request_id,
            traceparent: options.traceparent,
        }
    }

    pub(crate) fn cookie_names(&self) -> &[String] {
        &self.cookie_names
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
            client_address(peer, &parts.headers, &self.trusted_proxies).to_string()
        };
        Some(Client {
            ip: (self.peer)(parts).filter(|_| self.tell.ip).map(address),
            user_agent: self.tell.user_agent.then(|| user_agent(parts)),
        })
    }
}

impl Reading {
    /// Logs once that a client's address came from a peer that is no trusted proxy.
    fn warn_unless_believed(&self, peer: IpAddr, parts: &Parts) {
        let peer = peer.to_canonical();
        if parts.headers.contains_key("x-forwarded-for")
            && !self.unbelieved.load(Ordering::Relaxed)
            && !self.trusted_proxies.iter().any(|network| network.contains(&peer))
            && !self.unbelieved.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%peer, "X-Forwarded-For came from a peer that is no trusted proxy: it is not \
                believed, and all who come through that peer have its address");
        }
    }
}

/// What the client calls itself; nothing at all is told as an empty name.
fn user_agent(parts: &Parts) -> String {
    let agent = parts.headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    String::from_utf8_lossy(agent).chars().take(USER_AGENT_CHARS).collect()
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
        let token = find_token(&parts.headers, &reading.cookie_names)
            .map_err(|_| Refusal::TwoTokens)?
            .ok_or(Refusal::NoToken)?;
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
