//! Sessions bound to where they were opened: which differences count, decided in one place.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::Origin;

/// What a session is bound to: used from elsewhere, it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binding {
    /// The client's address, of which an IPv6 one counts by its [`network`].
    pub ip: bool,
    /// The client's user agent.
    pub user_agent: bool,
}

/// Where a token was presented from, as far as the door knows it. What is `None` is not compared;
/// a client known to have sent no user agent has an empty one.
#[derive(Clone, Debug, Default)]
pub struct SeenAt {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<Arc<str>>,
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
        SeenAt { ip: ip.map(|ip| ip.parse().unwrap()), user_agent: agent.map(Into::into) }
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
