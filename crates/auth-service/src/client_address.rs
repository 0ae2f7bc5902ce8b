//! Where a request comes from: the peer's address, or the one that a trusted proxy names.

mod unnamed_proxy;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header::{self, FORWARDED};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use session::{Origin, SeenAt};

use crate::app::App;
use crate::forwarded;
use unnamed_proxy::UnnamedProxy;

/// How much of a user agent is kept and compared.
const USER_AGENT_CHARS: usize = 256;

/// Who may name a client's address, and in which header.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddresses {
    /// The proxies that are believed.
    pub(crate) trusted: Vec<IpNet>,
    /// The one header that they name it in.
    pub(crate) header: HeaderName,
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
    pub(crate) fn new(trusted: Vec<IpNet>, header: HeaderName) -> Self {
        Self { trusted, header, unnamed: Arc::default() }
    }

    /// Notes that a login from this client failed: where no proxy is believed, it may be one.
    pub(crate) fn note_failure(&self, client: &Client) {
        if let (Some(ip), true) = (client.ip, self.trusted.is_empty()) {
            self.unnamed.note_failure(ip);
        }
    }

    /// The client's address, read from right to left past trusted proxies: the first address that
    /// no trusted proxy has. What stands to the left of it anybody may have written.
    pub(crate) fn find(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if headers.contains_key(&self.header) && !self.trusts(client) {
            self.unnamed.note_header(client, &self.header);
        }
        let lines = headers.get_all(&self.header).iter().rev();
        let lines = lines.map(|line| line.to_str().unwrap_or("?"));
        let named: &mut dyn Iterator<Item = Option<IpAddr>> = if self.header == FORWARDED {
            &mut lines.flat_map(forwarded::hops)
        } else {
            &mut lines.flat_map(|line| line.rsplit(',').map(address))
        };
        while self.trusts(client)
            && let Some(Some(next)) = named.next()
        {
            client = next;
        }
        client
    }

    /// Whether this is one of the proxies that are believed.
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&ip))
    }
}

impl Client {
    /// The client of the request with this head.
    pub(crate) fn of(parts: &Parts, addresses: &ClientAddresses) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let ip = peer.map(|peer| addresses.find(peer, &parts.headers));
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self { ip, user_agent: cut(user_agent.as_deref().unwrap_or_default()) }
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
        let trusted = peer.is_some_and(|peer| addresses.trusts(peer.0.ip().to_canonical()));
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

/// The first 256 characters.
pub(crate) fn cut(user_agent: &str) -> Arc<str> {
    let end = user_agent.char_indices().nth(USER_AGENT_CHARS).map_or(user_agent.len(), |at| at.0);
    user_agent[..end].into()
}

/// An address as proxies write it: bare, with a port, or in brackets.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, lines: &[&'static str]) -> String {
        found_in("x-forwarded-for", peer, lines)
    }

    fn found_in(header: &'static str, peer: &str, lines: &[&'static str]) -> String {
        let trusted = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let addresses = ClientAddresses::new(trusted, HeaderName::from_static(header));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header, line.parse().unwrap());
        }
        addresses.find(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_names_the_client() {
        assert_eq!(found("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(found("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(found("::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_wrote_to_the_left_is_not_believed() {
        assert_eq!(found("10.0.0.1", &["127.0.0.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(found("10.0.0.1", &["127.0.0.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(found("10.0.0.1", &["203.0.113.9, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_read_and_mapped_addresses_are_ipv4() {
        assert_eq!(found("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(found("2001:db8::1", &["[2001:db9::7]:443"]), "2001:db9::7");
        assert_eq!(found("10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn the_header_of_rfc_7239_is_read_past_trusted_proxies_too() {
        let found = |lines| found_in("forwarded", "10.0.0.1", lines);
        for (lines, client) in [
            (&["for=203.0.113.9;proto=https"][..], "203.0.113.9"),
            (&["for=6.6.6.6, for=203.0.113.9, for=10.0.0.2"], "203.0.113.9"),
            (&["for=6.6.6.6, for=\"[2001:db9::7]:1\"", "for=10.0.0.2"], "2001:db9::7"),
            (&["for=6.6.6.6, for=unknown"], "10.0.0.1"),
            (&["for=6.6.6.6, for=_gateway, for=10.0.0.2"], "10.0.0.2"),
            (&["for=6.6.6.6", "proto=https"], "10.0.0.1"),
            (&["for=\"6.6.6.6, for=203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(found(lines), client, "{lines:?}");
        }
        assert_eq!(found_in("forwarded", "192.0.2.1", &["for=203.0.113.9"]), "192.0.2.1");
    }

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
    fn a_long_user_agent_is_cut_at_a_character() {
        assert_eq!(cut(&"ü".repeat(300)).chars().count(), 256);
        assert_eq!(cut("curl/8.5").as_ref(), "curl/8.5");
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
