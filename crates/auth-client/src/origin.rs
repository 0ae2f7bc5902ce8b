//! The client's address, seen through the proxies that may be believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The address of the client whose connection came from `peer`.
///
/// While the address in hand is one of `trusted`, the next one from the right in
/// `X-Forwarded-For` is taken. What stands left of the first untrusted one could have been made
/// up by anybody; what is no address ends the walk. `::ffff:a.b.c.d` is `a.b.c.d`.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.iter().any(|network| network.contains(&address)) {
        let Some(next) = hops.next().and_then(parse) else {
            break;
        };
        address = next;
    }
    address
}

/// An address, with or without a port and brackets.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", http::HeaderValue::from_static(line));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_header_is_read_from_right_to_left_past_trusted_addresses_only() {
        for (peer, forwarded, trusted, expected) in [
            ("9.9.9.9", &["1.1.1.1"][..], &[][..], "9.9.9.9"),
            ("9.9.9.9", &["1.1.1.1"], &["10.0.0.0/8"], "9.9.9.9"),
            ("10.0.0.1", &["1.1.1.1"], &["10.0.0.0/8"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.2.2.2"], &["10.0.0.0/8"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1", "10.2.2.2"], &["10.0.0.0/8"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.2.2.2"], &["10.0.0.0/8"], "10.2.2.2"),
            ("10.0.0.1", &[], &["10.0.0.0/8"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]:443"], &["10.0.0.0/8"], "2001:db8::1"),
            ("10.0.0.1", &["1.1.1.1:80"], &["10.0.0.0/8"], "1.1.1.1"),
            ("::1", &["::ffff:1.1.1.1"], &["::1/128"], "1.1.1.1"),
        ] {
            assert_eq!(address(peer, forwarded, trusted), expected, "{peer} {forwarded:?}");
        }
    }
}
