//! Which of all sessions are meant: what must hold of each.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use uuid::Uuid;

use crate::{Kind, Session};

/// What must hold of a session, all of it. Where nothing is set, every session is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The user's id as callers know it: that of one of ours, or what a backend calls its own.
    pub user: Option<Box<str>>,
    /// The role that it acts in.
    pub role: Option<Box<str>>,
    /// What a use does to it.
    pub kind: Option<Kind>,
    /// Where its login came from.
    pub network: Option<IpNet>,
    /// A part of its login's user agent; ASCII letters are compared without regard to case.
    pub user_agent: Option<Box<str>>,
    /// It was opened before this date, in milliseconds since 1970.
    pub opened_before_ms: Option<i64>,
    /// It was not used after this date, in milliseconds since 1970.
    pub unused_since_ms: Option<i64>,
}

impl SessionFilter {
    /// Whether every session is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this session is meant.
    pub fn matches(&self, session: &Session) -> bool {
        let origin = &session.origin;
        holds(self.kind, |kind| session.kind == kind)
            && holds(self.opened_before_ms, |date| session.created_at_ms < date)
            && holds(self.unused_since_ms, |date| session.last_used_at_ms <= date)
            && holds(self.network, |network| origin.ip.is_some_and(|ip| contains(network, ip)))
            && holds(self.role.as_deref(), |role| session.role() == role)
            && holds(self.user.as_deref(), |user| is_of(session, user))
            && holds(self.user_agent.as_deref(), |part| {
                origin.user_agent.as_deref().is_some_and(|agent| has_part(agent, part))
            })
    }
}

fn holds<T>(wanted: Option<T>, is_so: impl FnOnce(T) -> bool) -> bool {
    wanted.is_none_or(is_so)
}

/// Whether a session is that user's. A backend may call one of its users what one of ours is called:
/// both are meant, since nobody can say which.
fn is_of(session: &Session, user: &str) -> bool {
    match &session.subject.external {
        Some(external) => external.as_str() == user,
        None => Uuid::try_parse(user).is_ok_and(|user| user == session.subject.id),
    }
}

/// Whether an address is in a network, where an IPv4 one may be written as IPv6 in either.
fn contains(network: IpNet, ip: IpAddr) -> bool {
    canonical(network).contains(&ip.to_canonical())
}

/// A network of IPv4 addresses that is written as one of IPv6 as what it is.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let prefix = mapped.prefix_len().checked_sub(96);
    let v4 = mapped.addr().to_ipv4_mapped().zip(prefix);
    v4.and_then(|(ip, prefix)| Ipv4Net::new(ip, prefix).ok()).map_or(network, IpNet::V4)
}

fn has_part(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::{ExternalId, Origin, SessionId, Subject, Transport};

    const OURS: &str = "0193aaaa-0000-7000-8000-000000000001";

    fn session() -> Session {
        Session {
            id: SessionId::parse("0193bbbb-0000-7000-8000-000000000001").unwrap(),
            kind: Kind::Sliding,
            transport: Transport::Bearer,
            subject: Arc::new(Subject {
                id: Uuid::try_parse(OURS).unwrap(),
                external: None,
                username: "ann@example.com".into(),
                display_name: "Ann".into(),
                roles: ["user", "admin"].map(Box::from).into(),
            }),
            role: 1,
            generation: 1,
            scopes: None,
            name: None,
            origin: Origin {
                ip: Some([203, 0, 113, 9].into()),
                user_agent: Some("Mozilla/5.0 Firefox/132.0".into()),
            },
            created_at_ms: 1_000,
            last_used_at_ms: 2_000,
            expires_at_ms: 9_000,
            absolute_expires_at_ms: 9_000,
            expires_in: Duration::from_secs(7),
            login_age: Duration::ZERO,
            refresh_count: 1,
        }
    }

    fn from(ip: &str) -> Session {
        let origin = Origin { ip: Some(ip.parse().unwrap()), user_agent: None };
        Session { origin, ..session() }
    }

    fn of_network(network: &str) -> SessionFilter {
        SessionFilter { network: Some(network.parse().unwrap()), ..SessionFilter::default() }
    }

    #[test]
    fn each_condition_holds_or_does_not_and_all_must() {
        let all = SessionFilter::default();
        assert!(all.is_empty() && all.matches(&session()));
        let text = |text: &str| Some(Box::from(text));
        let holding = [
            SessionFilter { user: text(OURS), ..all.clone() },
            SessionFilter { user: text(&OURS.to_uppercase()), ..all.clone() },
            SessionFilter { role: text("admin"), ..all.clone() },
            SessionFilter { kind: Some(Kind::Sliding), ..all.clone() },
            of_network("203.0.113.0/24"),
            SessionFilter { user_agent: text("firefox/132"), ..all.clone() },
            SessionFilter { opened_before_ms: Some(1_001), ..all.clone() },
            SessionFilter { unused_since_ms: Some(2_000), ..all.clone() },
        ];
        let failing = [
            SessionFilter { user: text("0193aaaa-0000-7000-8000-000000000002"), ..all.clone() },
            SessionFilter { user: text("ann@example.com"), ..all.clone() },
            SessionFilter { role: text("user"), ..all.clone() },
            SessionFilter { role: text("Admin"), ..all.clone() },
            SessionFilter { kind: Some(Kind::Fixed), ..all.clone() },
            of_network("203.0.114.0/24"),
            SessionFilter { user_agent: text("firefox 132"), ..all.clone() },
            SessionFilter { opened_before_ms: Some(1_000), ..all.clone() },
            SessionFilter { unused_since_ms: Some(1_999), ..all.clone() },
        ];
        for filter in &holding {
            assert!(!filter.is_empty() && filter.matches(&session()), "{filter:?}");
        }
        for filter in &failing {
            assert!(!filter.matches(&session()), "{filter:?}");
            let too = SessionFilter { kind: Some(Kind::Sliding), ..filter.clone() };
            let too = if filter.kind.is_some() { filter.clone() } else { too };
            assert!(!too.matches(&session()), "{too:?}");
        }
        let both = SessionFilter { role: text("admin"), ..of_network("203.0.113.9/32") };
        assert!(both.matches(&session()) && !both.matches(&from("203.0.113.10")));
    }

    #[test]
    fn ipv4_is_the_same_in_either_way_of_writing_and_is_in_no_other_ipv6_network() {
        for network in ["203.0.113.0/24", "::ffff:203.0.113.0/120", "0.0.0.0/0", "::ffff:0:0/96"] {
            for ip in ["203.0.113.9", "::ffff:203.0.113.9"] {
                assert!(of_network(network).matches(&from(ip)), "{network} {ip}");
            }
            assert!(!of_network(network).matches(&from("2001:db8::1")), "{network}");
        }
        assert!(!of_network("::ffff:203.0.113.0/120").matches(&from("203.0.114.9")));
        assert!(of_network("2001:db8::/32").matches(&from("2001:db8:7::1")));
        assert!(!of_network("2001:db8::/32").matches(&from("2001:db9::1")));
        assert!(!of_network("::/0").matches(&from("203.0.113.9")));
        let unknown = Session { origin: Origin::default(), ..session() };
        assert!(!of_network("0.0.0.0/0").matches(&unknown));
        assert!(!of_network("::/0").matches(&unknown));
    }

    #[test]
    fn an_external_user_is_found_by_what_its_backend_calls_it_to_the_letter() {
        let of = |id: &str| {
            let external = ExternalId::parse(id).unwrap();
            let subject = Subject {
                id: external.subject_id(),
                external: Some(external),
                ..(*session().subject).clone()
            };
            Session { subject: Arc::new(subject), ..session() }
        };
        let user = |id: &str| SessionFilter { user: Some(id.into()), ..SessionFilter::default() };
        assert!(user("a/b").matches(&of("a/b")) && !user("A/b").matches(&of("a/b")));
        // The id that its sessions are filed under is none that anybody knows.
        let filed = of("a/b").subject.id.to_string();
        assert!(!user(&filed).matches(&of("a/b")));
        assert!(user(OURS).matches(&of(OURS)) && user(OURS).matches(&session()));
        assert!(!user(&OURS.to_uppercase()).matches(&of(OURS)));
    }
}
