//! Which hosts a listener answers for. Whoever makes a name of theirs resolve to a loopback address
//! (DNS rebinding) has a page of the same origin as the service there; its `Host` gives it away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderValue;
use http::header::HOST;

/// The hosts that a listener answers for: `localhost`, loopback addresses, and these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    any: bool,
    named: Vec<Host<Vec<u8>>>,
}

/// A host: read for each request without copying its name, and kept where it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host<N> {
    /// An address; an IPv4 one written as IPv6 is IPv4.
    Ip(IpAddr),
    /// A name without the dot of the root.
    Name(N),
}

impl AllowedHosts {
    /// Reads hosts without ports, separated by commas; `*` stands for any.
    pub fn parse(text: &str) -> Option<Self> {
        let items: Option<Vec<Option<Host<Vec<u8>>>>> = text
            .split(',')
            .map(|item| match item.trim().as_bytes() {
                b"*" => Some(None),
                item => Host::read(item).map(|host| Some(host.to_owned())),
            })
            .collect();
        let items = items?;
        Some(Self { any: items.contains(&None), named: items.into_iter().flatten().collect() })
    }

    /// The same, and the host of a URL of ours.
    #[must_use]
    pub fn with_host(mut self, host: Option<&str>) -> Self {
        let host = host.and_then(|host| Host::read(host.as_bytes()));
        self.named.extend(host.map(|host| host.to_owned()));
        self
    }

    /// Whether the request was sent to one of them. Where its target and its `Host` name two, both
    /// must be; a request that names none was sent by no browser.
    pub fn allow<B>(&self, request: &http::Request<B>) -> bool {
        let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
        self.any || target.into_iter().chain(hosts).all(|authority| self.has(authority))
    }

    fn has(&self, authority: &[u8]) -> bool {
        Host::read(without_port(authority))
            .is_some_and(|host| host.is_local() || self.named.iter().any(|named| host.is(named)))
    }
}

impl<'a> Host<&'a [u8]> {
    /// Reads a host without a port: a name, an IPv4 address, an IPv6 one in brackets.
    fn read(text: &'a [u8]) -> Option<Self> {
        let ip = |text| std::str::from_utf8(text).ok();
        if let Some(inner) = text.strip_prefix(b"[") {
            let ip: Ipv6Addr = ip(inner.strip_suffix(b"]")?)?.parse().ok()?;
            return Some(Self::Ip(IpAddr::V6(ip).to_canonical()));
        }
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.first()?.is_ascii_digit()
            && let Some(Ok(ip)) = ip(text).map(str::parse::<Ipv4Addr>)
        {
            return Some(Self::Ip(ip.into()));
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        text.iter().all(plain).then_some(Self::Name(text))
    }

    fn is(&self, named: &Host<Vec<u8>>) -> bool {
        match (self, named) {
            (Self::Ip(ip), Host::Ip(named)) => ip == named,
            (Self::Name(name), Host::Name(named)) => name.eq_ignore_ascii_case(named),
            _ => false,
        }
    }

    fn to_owned(&self) -> Host<Vec<u8>> {
        match self {
            Self::Ip(ip) => Host::Ip(*ip),
            Self::Name(name) => Host::Name((*name).to_owned()),
        }
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => name.eq_ignore_ascii_case(b"localhost"),
        }
    }
}

/// The host of an authority that has no user information; what cannot be a port stays with it, and
/// makes it none.
fn without_port(authority: &[u8]) -> &[u8] {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    authority[..authority.len() - digits].strip_suffix(b":").unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn hosts() -> AllowedHosts {
        let named = AllowedHosts::parse("App.example.com., [2001:db8::7],192.0.2.1").unwrap();
        named.with_host(Some("auth.example.com")).with_host(None)
    }

    fn allow(target: &str, hosts_sent: &[&str]) -> bool {
        let mut request = Request::get(target);
        for host in hosts_sent {
            request = request.header("host", *host);
        }
        hosts().allow(&request.body(()).unwrap())
    }

    #[test]
    fn localhost_loopback_and_what_is_named_are_ours_on_any_port_in_any_spelling() {
        for host in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:1",
            "localhost.",
            "localhost.:8080",
            "localhost:",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.255.0.9",
            "[::1]",
            "[::1]:8080",
            "[0:0::1]:1",
            "[::ffff:127.0.0.1]:1",
            "auth.example.com",
            "AUTH.example.com.:443",
            "app.example.com",
            "[2001:DB8:0::7]:1",
            "192.0.2.1:80",
        ] {
            assert!(allow("/", &[host]), "{host}");
        }
    }

    #[test]
    fn every_other_host_is_none_of_ours() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "xlocalhost",
            "a.localhost",
            "auth.example.com.evil.example",
            "xauth.example.com",
            "auth.example.com..",
            "example.com",
            "10.0.0.1",
            "0.0.0.0",
            "0",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::]",
            "[::2]",
            "[::1%25lo]",
            "[::1%lo]",
            "[fe80::1]",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "user@localhost",
            "localhost@evil.example",
            "evil.example@localhost",
            "@localhost",
            "localhost:80@evil.example",
            "localhost:x",
            "localhost:80:80",
            "localhost:-1",
            "localhost/",
            "localhost/x",
            "localhost evil.example",
            "localhost,evil.example",
            "",
            ":80",
            ".",
            "l\u{f6}calhost",
            "127.0.0.1.evil.example",
            "localhost#",
            "localhost?",
            "http://localhost",
            "[localhost]",
        ] {
            assert!(!allow("/", &[host]), "{host}");
        }
    }

    #[test]
    fn a_target_and_a_host_must_both_be_ours_and_none_is_no_browser() {
        assert!(allow("/", &[]));
        assert!(allow("http://localhost:8080/", &["127.0.0.1"]));
        assert!(allow("http://auth.example.com/", &[]));
        assert!(!allow("http://evil.example/", &["localhost"]));
        assert!(!allow("http://evil.example/", &[]));
        assert!(!allow("http://localhost/", &["evil.example"]));
        assert!(!allow("http://user@localhost/", &["localhost"]));
        assert!(!allow("/", &["localhost", "evil.example"]));
        assert!(!allow("/", &["evil.example", "localhost"]));
    }

    #[test]
    fn a_setting_names_hosts_without_ports_or_any() {
        assert!(AllowedHosts::parse("*").unwrap().any);
        assert!(AllowedHosts::parse("a.example, *").unwrap().any);
        for bad in [
            "",
            "a.example:80",
            "a.example,",
            "*.example.com",
            "http://a.example",
            "::1",
            "a b",
            "b\u{fc}r.example",
            "u@a",
        ] {
            assert!(AllowedHosts::parse(bad).is_none(), "{bad}");
        }
        let any = AllowedHosts::parse("*").unwrap();
        assert!(any.allow(&Request::get("/").header("host", "evil.example").body(()).unwrap()));
    }
}
