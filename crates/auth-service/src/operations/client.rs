//! The client of a request: what is known of it, and what its attempts are counted by.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use session::{Origin, SeenAt};

/// The client of a request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address; an IPv4 one written as IPv6 is IPv4.
    pub(crate) ip: Option<IpAddr>,
    /// Its user agent, cut to 256 characters; empty where it sent none.
    pub(crate) user_agent: Arc<str>,
    /// The id of the request.
    pub(crate) request_id: Option<Arc<str>>,
}

impl Client {
    /// A client that nothing is known of.
    pub(crate) fn unknown() -> Self {
        Self { ip: None, user_agent: "".into(), request_id: None }
    }

    /// The client as a session's origin.
    pub(crate) fn origin(&self) -> Origin {
        let user_agent = (!self.user_agent.is_empty()).then(|| Arc::clone(&self.user_agent));
        Origin { ip: self.ip, user_agent }
    }

    /// The client as the endpoint saw it.
    pub(crate) fn seen_at(&self) -> SeenAt {
        SeenAt {
            ip: self.ip,
            user_agent: Some(Arc::clone(&self.user_agent)),
            request_id: self.request_id.clone(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_in_a_site_and_another_is_in_none() {
        let site = |ip: &str| {
            let client =
                Client { ip: Some(ip.parse().unwrap()), user_agent: "".into(), request_id: None };
            client.site().map(|site| site.to_string())
        };
        assert_eq!(site("2001:db9:1:2:3:4:5:6").as_deref(), Some("2001:db9:1::"));
        assert_eq!(site("192.0.2.7"), None);
        assert_eq!(site("::ffff:192.0.2.7"), None);
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        let network = |ip: &str| {
            Client { ip: Some(ip.parse().unwrap()), user_agent: "".into(), request_id: None }
                .network()
                .to_string()
        };
        assert_eq!(network("2001:db9:1:2:3:4:5:6"), "2001:db9:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn the_networks_of_one_site_share_what_waits_to_be_hashed() {
        let client = |ip: &str| Client {
            ip: Some(ip.parse().unwrap()),
            user_agent: "".into(),
            request_id: None,
        };
        let share = |ip: &str| client(ip).hashing_share();
        assert_eq!(share("2001:db9:7:1::1"), share("2001:db9:7:ffff::2"));
        assert_ne!(share("2001:db9:7:1::1"), share("2001:db9:8:1::1"));
        assert_eq!(share("::ffff:192.0.2.7"), share("192.0.2.7"));
        assert_ne!(share("192.0.2.7"), share("192.0.2.8"));
    }
}
