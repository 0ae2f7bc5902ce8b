//! Sessions bound to where they were opened: which differences count, decided in one place.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::Origin;

/// What a session is bound to: used from elsewhere, it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binding {
    /// The client's address, of which an IPv6 one counts by its [`network`].
    pub ip: bool,
    /// The client's user agent.
    pub user_agent: bool,
}

/// Where a token was presented from, as far as the endpoint knows it. What is `None` is not compared;
/// a client known to have sent no user agent has an empty one.
#[derive(Clone, Debug, Default)]
pub struct SeenAt {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<Arc<str>>,
    /// The id of the request, for events.
    pub request_id: Option<Arc<str>>,
}

impl SeenAt {
    /// Where a login came from, and by which request.
    pub(crate) fn of(origin: &Origin, request_id: Option<Arc<str>>) -> Self {
        Self { ip: origin.ip, user_agent: origin.user_agent.clone(), request_id }
    }
}

/// The network and the user agent of a client, as digests of which each tells no more than whether
/// it is another one. What is not known is 0, and equal to everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientDigest {
    pub(crate) network: u32,
    pub(crate) user_agent: u32,
}

impl ClientDigest {
    /// The digests of what is known of a client. It costs two hashes: for what is rare.
    pub fn of(seen: &SeenAt) -> Self {
        let network = seen.ip.map(|ip| match network(ip) {
            IpAddr::V4(ip) => digest(b'n', &ip.octets()),
            IpAddr::V6(ip) => digest(b'n', &ip.octets()),
        });
        // A client that sends none is not known by it.
        let user_agent = seen.user_agent.as_deref().filter(|agent| !agent.is_empty());
        let user_agent = user_agent.map(|agent| digest(b'a', agent.as_bytes()));
        Self { network: network.unwrap_or_default(), user_agent: user_agent.unwrap_or_default() }
    }

    /// Whether both are known to differ in one of the two.
    pub(crate) const fn differs(self, other: Self) -> bool {
        const fn differ(one: u32, other: u32) -> bool {
            one != 0 && other != 0 && one != other
        }
        differ(self.network, other.network) || differ(self.user_agent, other.user_agent)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        let [n0, n1, n2, n3, a0, a1, a2, a3] = bytes;
        let network = u32::from_be_bytes([n0, n1, n2, n3]);
        Self { network, user_agent: u32::from_be_bytes([a0, a1, a2, a3]) }
    }

    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        ((self.network as u64) << 32 | self.user_agent as u64).to_be_bytes()
    }
}

/// A digest that is never 0. Who wants to pass for another client copies its user agent, so that
/// there is nothing to gain by finding a collision.
fn digest(kind: u8, bytes: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update([kind]).chain_update(bytes).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
}

impl Binding {
    /// Whether a session opened at `origin` may be used from where it was seen.
    pub(crate) fn holds(self, origin: &Origin, seen: &SeenAt) -> bool {
        let same_ip = match (origin.ip, seen.ip) {
            (Some(origin), Some(seen)) => network(origin) == network(seen),
            _ => true,
        };
        let same_agent = seen
            .user_agent
            .as_deref()
            .is_none_or(|seen| origin.user_agent.as_deref().unwrap_or_default() == seen);
        (same_ip || !self.ip) && (same_agent || !self.user_agent)
    }
}

/// What an address is compared and counted by: an IPv6 host owns its whole /64 and changes within
/// it, and `::ffff:a.b.c.d` is `a.b.c.d`.
pub const fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(ip: &str, agent: &str) -> Origin {
        Origin { ip: Some(ip.parse().unwrap()), user_agent: Some(agent.into()) }
    }

    fn seen(ip: Option<&str>, agent: Option<&str>) -> SeenAt {
        SeenAt {
            ip: ip.map(|ip| ip.parse().unwrap()),
            user_agent: agent.map(Into::into),
            request_id: None,
        }
    }

    #[test]
    fn only_what_is_bound_and_known_is_compared() {
        let origin = origin("192.0.2.1", "a");
        let other = seen(Some("192.0.2.2"), Some("b"));
        assert!(Binding::default().holds(&origin, &other));
        assert!(!Binding { ip: true, user_agent: false }.holds(&origin, &other));
        assert!(!Binding { ip: false, user_agent: true }.holds(&origin, &other));
        let both = Binding { ip: true, user_agent: true };
        assert!(both.holds(&origin, &seen(None, None)));
        assert!(both.holds(&origin, &seen(Some("192.0.2.1"), Some("a"))));
    }

    #[test]
    fn a_client_that_sends_no_user_agent_is_another_one() {
        let bound = Binding { ip: false, user_agent: true };
        assert!(!bound.holds(&origin("192.0.2.1", "a"), &seen(None, Some(""))));
        assert!(bound.holds(&Origin::default(), &seen(None, Some(""))));
    }

    #[test]
    fn clients_differ_in_what_is_known_of_both() {
        let of = |ip: Option<&str>, agent: Option<&str>| ClientDigest::of(&seen(ip, agent));
        let ann = of(Some("2001:db9:1:2::9"), Some("a"));
        for (other, differs) in [
            (of(None, None), false),
            (of(Some("2001:db9:1:2:3::7"), None), false),
            (of(Some("2001:db9:1:3::9"), None), true),
            (of(Some("192.0.2.1"), Some("a")), true),
            (of(None, Some("a")), false),
            (of(None, Some("b")), true),
            (of(None, Some("")), false),
        ] {
            assert_eq!(ann.differs(other), differs, "{other:?}");
            assert_eq!(other.differs(ann), differs, "{other:?}");
        }
        let plain = |ip| of(Some(ip), None);
        assert!(!plain("192.0.2.7").differs(plain("::ffff:192.0.2.7")));
        assert!(plain("192.0.2.7").differs(plain("192.0.2.8")));
        assert_eq!(ann.to_bytes()[..4], ann.network.to_be_bytes());
    }

    #[test]
    fn an_ipv6_client_may_move_within_its_network() {
        let bound = Binding { ip: true, user_agent: false };
        let holds = |from: &str, to: &str| bound.holds(&origin(from, "a"), &seen(Some(to), None));
        assert!(holds("2001:db9:1:2:3:4:5:6", "2001:db9:1:2::9"));
        assert!(!holds("2001:db9:1:2::9", "2001:db9:1:3::9"));
        assert!(holds("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!holds("::ffff:192.0.2.7", "::ffff:192.0.2.8"));
        assert_eq!(network("2001:db9:1:2:3:4:5:6".parse().unwrap()).to_string(), "2001:db9:1:2::");
    }
}
