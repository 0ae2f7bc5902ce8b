//! Where a request comes from: the peer's address, or the one that a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use auth_http::client_address::{TrustedProxies, user_agent};
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use session::{Origin, SeenAt};

use crate::http::app::App;
use crate::unnamed_proxy::UnnamedProxy;

/// Who may name a client's address, and in which header.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddresses {
    pub(crate) proxies: TrustedProxies,
    unnamed: Arc<UnnamedProxy>,
}

/// The client of a request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address; an IPv4 one written as IPv6 is IPv4.
    pub(crate) ip: Option<IpAddr>,
    /// Its user agent, cut to 256 characters; empty where it sent none.
    pub(crate) user_agent: Arc<str>,
}

impl ClientAddresses {
    /// These proxies, and the header that they name a client in.
    pub(crate) fn new(networks: Vec<IpNet>, header: HeaderName) -> Self {
        Self { proxies: TrustedProxies { networks, header }, unnamed: Arc::default() }
    }

    /// Notes that a login from this client failed: where no proxy is believed, it may be one.
    pub(crate) fn note_failure(&self, client: &Client) {
        if let (Some(ip), true) = (client.ip, self.proxies.networks.is_empty()) {
            self.unnamed.note_failure(ip);
        }
    }

    /// The client's address; that a stranger names one is noted.
    pub(crate) fn find(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.proxies.is_named_by_stranger(peer, headers) {
            self.unnamed.note_header(peer.to_canonical(), &self.proxies.header);
        }
        self.proxies.client(peer, headers)
    }
}

impl Client {
    /// The client of the request with this head.
    pub(crate) fn of(parts: &Parts, addresses: &ClientAddresses) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let ip = peer.map(|peer| addresses.find(peer, &parts.headers));
        Self { ip, user_agent: user_agent(&parts.headers).as_ref().into() }
    }

    /// A client that nothing is known of.
    pub(crate) fn unknown() -> Self {
        Self { ip: None, user_agent: "".into() }
    }

    /// The client as a session's origin.
    pub(crate) fn origin(&self) -> Origin {
        let user_agent = (!self.user_agent.is_empty()).then(|| Arc::clone(&self.user_agent));
        Origin { ip: self.ip, user_agent }
    }

    /// The client as a door saw it.
    pub(crate) fn seen_at(&self) -> SeenAt {
        SeenAt { ip: self.ip, user_agent: Some(Arc::clone(&self.user_agent)) }
    }

    /// The client on whose behalf a proxy asks: its address is known only where the proxy is
    /// trusted to name it. The user agent is the client's, since proxies pass it on.
    pub(crate) fn behind_proxy(parts: &Parts, addresses: &ClientAddresses) -> SeenAt {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let trusted = peer.is_some_and(|peer| addresses.proxies.trusts(peer.0.ip()));
        let seen = Self::of(parts, addresses).seen_at();
        SeenAt { ip: seen.ip.filter(|_| trusted), ..seen }
    }

    /// What attempts are counted by.
    pub(crate) fn network(&self) -> IpAddr {
        self.ip.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), session::network)
    }

    /// What waiting for a password's hash is shared by: a site's networks are one share, or each of
    /// its 65,536 could have one.
    pub(crate) fn hashing_share(&self) -> IpAddr {
        self.site().map_or_else(|| self.network(), IpAddr::V6)
    }

    /// The /48 that an IPv6 client is in: a site has 65,536 networks, and anybody can rent a site.
    pub(crate) fn site(&self) -> Option<Ipv6Addr> {
        match self.ip?.to_canonical() {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
        }
    }
}

impl<S> FromRequestParts<S> for Client
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts, &Arc::<App>::from_ref(state).client_addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_in_a_site_and_another_is_in_none() {
        let site = |ip: &str| {
            let client = Client { ip: Some(ip.parse().unwrap()), user_agent: "".into() };
            client.site().map(|site| site.to_string())
        };
        assert_eq!(site("2001:db9:1:2:3:4:5:6").as_deref(), Some("2001:db9:1::"));
        assert_eq!(site("192.0.2.7"), None);
        assert_eq!(site("::ffff:192.0.2.7"), None);
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        let network = |ip: &str| {
            Client { ip: Some(ip.parse().unwrap()), user_agent: "".into() }.network().to_string()
        };
        assert_eq!(network("2001:db9:1:2:3:4:5:6"), "2001:db9:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn the_networks_of_one_site_share_what_waits_to_be_hashed() {
        let client = |ip: &str| Client { ip: Some(ip.parse().unwrap()), user_agent: "".into() };
        let share = |ip: &str| client(ip).hashing_share();
        assert_eq!(share("2001:db9:7:1::1"), share("2001:db9:7:ffff::2"));
        assert_ne!(share("2001:db9:7:1::1"), share("2001:db9:8:1::1"));
        assert_eq!(share("::ffff:192.0.2.7"), share("192.0.2.7"));
        assert_ne!(share("192.0.2.7"), share("192.0.2.8"));
    }
}
