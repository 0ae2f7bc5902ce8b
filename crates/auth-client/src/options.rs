//! What a client is made of.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use auth_http::credential::HOST_COOKIE;
use auth_http::request_id;
use http::HeaderValue;
use http::request::Parts;
use ipnet::IpNet;
use reqwest::Url;

use crate::{SetupError, Validator};

/// What an [`AuthClient`](crate::AuthClient) is made of. [`AuthClientOptions::new`] has a default
/// for all but the URLs.
#[derive(Clone, Debug)]
pub struct AuthClientOptions {
    /// The base URLs of the auth service's internal listeners; several are one service.
    pub urls: Vec<Url>,
    /// What answers the questions, where that is in this process: they are then sent to no URL, each
    /// is validated alone, and all else that is requested of the auth service goes to the URLs.
    pub validator: Option<Arc<dyn Validator>>,
    /// The keys of those listeners, where they want one: the first is shown, and after a refusal the
    /// next. [`AuthClient::replace_keys`](crate::AuthClient::replace_keys) exchanges them.
    pub keys: Vec<InternalKey>,
    /// The whole budget of one validation, waiting and second tries included.
    pub timeout: Duration,
    /// How many questions may be in flight at once.
    pub max_in_flight: usize,
    /// How many more may wait for one of those to end.
    pub max_waiting: usize,
    /// Whether questions that arrive while a request is in flight share the next one; otherwise each
    /// has a request of its own.
    pub batching: bool,
    /// How many such batches may be in flight at once to each URL, at least one. While a round trip
    /// takes less than about a quarter of a millisecond there is one at a time. One that takes longer
    /// than a tenth of the budget no longer counts.
    pub batches_in_flight: usize,
    /// How many threads with a runtime each use the client. There are as many shards, each with a
    /// queue, batches and connections of its own, and a thread always uses the same one. 1 where
    /// all threads share one runtime.
    pub shards: usize,
    /// The one cookie that may hold a token: the name that the auth service sets
    /// (`AUTH_COOKIE_NAME`). A cookie of a weaker name is ignored, since without a prefix any
    /// sub-domain may set one.
    pub cookie_name: String,
    /// What the auth service learns about the client.
    pub client_fields: ClientFields,
    /// The proxies that may name the client's address in `X-Forwarded-For`.
    pub trusted_proxies: Vec<IpNet>,
    /// The most likely cause of a status that is no answer, for the log.
    pub hint: fn(u16) -> Option<&'static str>,
    /// Where a request keeps the address of its connection's other end.
    pub peer: fn(&Parts) -> Option<IpAddr>,
    /// Where a request keeps its id: by default in the header `x-request-id`, if that stands there
    /// once and is well-formed.
    pub request_id: fn(&Parts) -> Option<&str>,
    /// Where a request keeps its W3C trace: by default in the header `traceparent`.
    pub traceparent: fn(&Parts) -> Option<&str>,
}

impl AuthClientOptions {
    /// The defaults: a budget of one second, 1,024 questions in flight and as many waiting, the
    /// strictest of the auth service's cookie names, and nothing about the client.
    pub fn new(urls: Vec<Url>) -> Self {
        Self {
            urls,
            validator: None,
            keys: Vec::new(),
            timeout: Duration::from_secs(1),
            max_in_flight: 1024,
            max_waiting: 1024,
            batching: true,
            batches_in_flight: 2,
            shards: 1,
            cookie_name: HOST_COOKIE.to_owned(),
            client_fields: ClientFields::default(),
            trusted_proxies: Vec::new(),
            hint,
            peer: |_| None,
            request_id: |parts| request_id::given(&parts.headers)?.to_str().ok(),
            traceparent: |parts| header(parts, "traceparent"),
        }
    }
}

fn hint(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("is the key that of its internal listener?"),
        404 | 405 => Some("is the URL that of its internal listener?"),
        _ => None,
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Reads a base URL: `http(s)://host[:port][/path]`, and nothing else in it.
pub fn parse_base_url(text: &str) -> Option<Url> {
    text.parse().ok().filter(is_base_url)
}

pub(crate) fn is_base_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// The key of the auth service's internal listener. It is never shown.
#[derive(Clone, Debug)]
pub struct InternalKey {
    authorization: HeaderValue,
    plain: HeaderValue,
}

impl InternalKey {
    /// The key as it is configured.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadKey`] unless it can stand in a header.
    pub fn new(key: &str) -> Result<Self, SetupError> {
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| SetupError::BadKey)?;
        // Its `Debug` says no more than that it is sensitive.
        authorization.set_sensitive(true);
        let mut plain = HeaderValue::try_from(key).map_err(|_| SetupError::BadKey)?;
        plain.set_sensitive(true);
        Ok(Self { authorization, plain })
    }

    /// Whether it is too short to withstand guessing.
    pub fn is_short(&self) -> bool {
        self.plain.len() < 16
    }

    pub(crate) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// As it is sent where a user's token stands in `Authorization`.
    pub(crate) fn plain(&self) -> HeaderValue {
        self.plain.clone()
    }
}

/// What the auth service learns about the client that a token came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientFields {
    /// Its address.
    pub ip: bool,
    /// Its user agent.
    pub user_agent: bool,
}

impl FromStr for ClientFields {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut client_fields = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "ip" => client_fields.ip = true,
                "user-agent" => client_fields.user_agent = true,
                _ => return Err("any of `ip`, `user-agent`, separated by commas"),
            }
        }
        Ok(client_fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_by_debug() {
        let mut options = AuthClientOptions::new(Vec::new());
        options.keys.push(InternalKey::new("hunter2").unwrap());
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_told_is_named_by_words() {
        assert_eq!("ip".parse(), Ok(ClientFields { ip: true, user_agent: false }));
        assert_eq!("user-agent, ip".parse(), Ok(ClientFields { ip: true, user_agent: true }));
        assert!("ip,mac".parse::<ClientFields>().is_err());
        assert!("".parse::<ClientFields>().is_err());
    }
}
