//! Who sent a request: the peer's address, or the one that trusted proxies name, and what it calls
//! itself.

mod forwarded;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// The header in which most proxies name a client.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A session keeps and compares no more of a user agent than so many characters.
const USER_AGENT_CHARS: usize = 256;

/// Who may name a client's address, and in which header.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    /// The proxies that are believed.
    pub networks: Vec<IpNet>,
    /// The one header that they name a client in: `Forwarded` is read as RFC 7239 writes it, any
    /// other one as `X-Forwarded-For`.
    pub header: HeaderName,
}

impl TrustedProxies {
    /// The address of the client whose connection came from `peer`.
    ///
    /// While the address in hand is a trusted proxy's, the next one from the right in the header is
    /// taken. What is no address ends the walk. `::ffff:a.b.c.d` is `a.b.c.d`.
    ///
    /// INVARIANT: what stands left of the first untrusted address could have been written by
    /// anybody, and changes nothing, whatever bytes it has.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(&self.header).iter().rev().map(HeaderValue::as_bytes);
        let named: &mut dyn Iterator<Item = Option<IpAddr>> = if self.header == FORWARDED {
            &mut lines.flat_map(forwarded::hops)
        } else {
            &mut lines.flat_map(|line| line.rsplit(|byte| *byte == b',').map(hop))
        };
        while self.trusts(client)
            && let Some(Some(next)) = named.next()
        {
            client = next;
        }
        client
    }

    /// Whether this is one of the proxies that are believed.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip.to_canonical()))
    }

    /// Whether a request names a client, but comes from a peer that is not believed.
    pub fn is_named_by_stranger(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.header) && !self.trusts(peer)
    }
}

/// Reads an address as proxies write it: bare, with a port, or in brackets.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|ip: IpAddr| ip.to_canonical())
}

/// What the client calls itself, cut to 256 characters; empty where it says nothing.
pub fn user_agent(headers: &HeaderMap) -> Cow<'_, str> {
    let value = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    match String::from_utf8_lossy(value) {
        Cow::Borrowed(text) => Cow::Borrowed(cut_user_agent(text)),
        Cow::Owned(text) => Cow::Owned(cut_user_agent(&text).to_owned()),
    }
}

/// The first 256 characters.
pub fn cut_user_agent(text: &str) -> &str {
    let end = text.char_indices().nth(USER_AGENT_CHARS).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn hop(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok().and_then(parse_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: HeaderName, peer: &str, lines: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&header, HeaderValue::from_bytes(line).unwrap());
        }
        let networks = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let proxies = TrustedProxies { networks, header };
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_header_is_read_from_right_to_left_past_trusted_addresses_only() {
        let ten = &["10.0.0.0/8", "2001:db8::/32", "::1/128"][..];
        for (peer, lines, trusted, expected) in [
            // Nobody but a trusted proxy names the client.
            ("9.9.9.9", &[&b"1.1.1.1"[..]][..], &[][..], "9.9.9.9"),
            ("9.9.9.9", &[b"1.1.1.1"], ten, "9.9.9.9"),
            ("10.0.0.1", &[b"1.1.1.1"], ten, "1.1.1.1"),
            ("::ffff:10.0.0.1", &[b"1.1.1.1"], ten, "1.1.1.1"),
            ("10.0.0.1", &[], ten, "10.0.0.1"),
            // What a client wrote to the left is not believed, whatever bytes it has.
            ("10.0.0.1", &[b"6.6.6.6, 1.1.1.1, 10.2.2.2"], ten, "1.1.1.1"),
            ("10.0.0.1", &[b"6.6.6.6, 1.1.1.1", b"10.2.2.2"], ten, "1.1.1.1"),
            ("10.0.0.1", &[b"\xff\xfe, 1.1.1.1"], ten, "1.1.1.1"),
            ("10.0.0.1", &[b"6.6.6.6, \xff, 10.2.2.2"], ten, "10.2.2.2"),
            ("10.0.0.1", &[b"6.6.6.6, unknown, 10.2.2.2"], ten, "10.2.2.2"),
            ("10.0.0.1", &[b"1.1.1.1, nonsense"], ten, "10.0.0.1"),
            // Ports, brackets, and IPv4 addresses that are written as IPv6.
            ("10.0.0.1", &[b"1.1.1.1:80"], ten, "1.1.1.1"),
            ("::ffff:10.0.0.1", &[b"[2001:db9::1]:443"], ten, "2001:db9::1"),
            ("2001:db8::1", &[b"[2001:db9::7]"], ten, "2001:db9::7"),
            ("::1", &[b"::ffff:1.1.1.1"], ten, "1.1.1.1"),
        ] {
            let found = client(X_FORWARDED_FOR, peer, lines, trusted);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_header_of_rfc_7239_is_read_past_trusted_proxies_too() {
        let found = |peer: &str, lines: &[&[u8]]| client(FORWARDED, peer, lines, &["10.0.0.0/8"]);
        for (lines, expected) in [
            (&[&b"for=203.0.113.9;proto=https"[..]][..], "203.0.113.9"),
            (&[b"for=6.6.6.6, for=203.0.113.9, for=10.0.0.2"], "203.0.113.9"),
            (&[b"for=6.6.6.6, for=\"[2001:db9::7]:1\"", b"for=10.0.0.2"], "2001:db9::7"),
            (&[b"for=6.6.6.6, for=unknown"], "10.0.0.1"),
            (&[b"for=6.6.6.6, for=_gateway, for=10.0.0.2"], "10.0.0.2"),
            (&[b"for=6.6.6.6", b"proto=https"], "10.0.0.1"),
            (&[b"for=\"6.6.6.6, for=203.0.113.9"], "203.0.113.9"),
            (&[b"for=\xff, for=203.0.113.9"], "203.0.113.9"),
            (&[b"203.0.113.9"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(found("10.0.0.1", lines), expected, "{lines:?}");
        }
        assert_eq!(found("192.0.2.1", &[b"for=203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn a_client_that_a_stranger_names_is_noticed() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = TrustedProxies { networks, header: X_FORWARDED_FOR };
        let mut headers = HeaderMap::new();
        let is_named = |peer: &str, headers: &HeaderMap| {
            proxies.is_named_by_stranger(peer.parse().unwrap(), headers)
        };
        assert!(!is_named("192.0.2.1", &headers));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        assert!(is_named("192.0.2.1", &headers));
        assert!(!is_named("::ffff:10.0.0.1", &headers));
    }

    #[test]
    fn a_long_user_agent_is_cut_at_a_character() {
        let cut = |text: &[u8]| {
            let value = HeaderValue::from_bytes(text).unwrap();
            user_agent(&HeaderMap::from_iter([(USER_AGENT, value)])).into_owned()
        };
        assert_eq!(cut("ü".repeat(300).as_bytes()), "ü".repeat(256));
        assert_eq!(cut(&[0xff; 300]), "\u{fffd}".repeat(256));
        assert_eq!(cut(b"curl/8.5"), "curl/8.5");
        assert_eq!(user_agent(&HeaderMap::new()), "");
    }
}
