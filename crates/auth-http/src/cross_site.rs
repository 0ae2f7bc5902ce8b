//! Requests that a browser sent from a page of somebody else: the rule of Go's
//! [`CrossOriginProtection`](https://pkg.go.dev/net/http#CrossOriginProtection), and its exceptions.
//!
//! Requests of programs say nothing of where they were sent from, and pass.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::credential::once;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An extension of each request with an unsafe method that a page of a named origin sent: it was
/// let in, and is still not from one of our own pages.
#[derive(Clone, Copy, Debug)]
pub struct FromNamedOrigin;

/// Whose pages may send requests with an unsafe method.
#[derive(Clone, Debug)]
pub struct CrossSiteRule {
    own: String,
    named: Vec<String>,
}

/// Whose page sent a request, where it was a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// One of ours, or a program.
    Own,
    /// One of a named origin.
    Named,
    /// Anybody else's.
    Foreign,
}

impl CrossSiteRule {
    /// The rule of a service whose pages have the origin `own`, also where a proxy rewrites `Host`.
    pub fn new(own: &str) -> Self {
        Self { own: own.to_owned(), named: Vec::new() }
    }

    /// The same, letting in the pages of these origins.
    #[must_use]
    pub fn with_named(self, named: Vec<String>) -> Self {
        Self { named, ..self }
    }

    /// Whose page sent the request; with a safe method it may be anybody's.
    pub fn sender<B>(&self, request: &http::Request<B>) -> Sender {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Sender::Own;
        }
        let headers = request.headers();
        let (Some(site), Some(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN))
        else {
            return Sender::Foreign;
        };
        match (site, origin) {
            (b"same-origin" | b"none", _) | (b"", b"") => Sender::Own,
            (_, origin) if origin == self.own.as_bytes() => Sender::Own,
            (b"", origin) if is_of_host(origin, request) => Sender::Own,
            (_, origin) if self.named.iter().any(|named| named.as_bytes() == origin) => {
                Sender::Named
            }
            _ => Sender::Foreign,
        }
    }
}

/// The value of a header that browsers send once at most, empty where there is none; `None` where
/// it came more than once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    once(headers, name).ok().map(|value| value.map_or(&b""[..], HeaderValue::as_bytes))
}

/// Whether the origin is the host that the request was sent to. Its scheme cannot be told here.
fn is_of_host<B>(origin: &[u8], request: &http::Request<B>) -> bool {
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = target.or_else(|| request.headers().get(HOST).map(HeaderValue::as_bytes));
    authority.is_some_and(|authority| !authority.is_empty() && host == Some(authority))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn sender(method: &str, target: &str, headers: &[(&str, &str)]) -> Sender {
        let rule = CrossSiteRule::new("https://auth.example.com").with_named(
            ["https://app.example.com", "capacitor://localhost"].map(str::to_owned).to_vec(),
        );
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        rule.sender(&request.body(()).unwrap())
    }

    #[test]
    fn an_unsafe_request_is_judged_by_where_its_page_is_from() {
        let site = |value| ("sec-fetch-site", value);
        let origin = |value| ("origin", value);
        let host = ("host", "10.0.0.7:8080");
        for (headers, expected) in [
            (&[host][..], Sender::Own),
            (&[host, site("same-origin")], Sender::Own),
            (&[host, site("none")], Sender::Own),
            (&[host, site("same-site")], Sender::Foreign),
            (&[host, site("cross-site")], Sender::Foreign),
            (&[host, site("Same-Origin")], Sender::Foreign),
            (&[host, origin("http://10.0.0.7:8080")], Sender::Own),
            (&[host, origin("https://10.0.0.7:8080")], Sender::Own),
            (&[host, origin("http://10.0.0.7")], Sender::Foreign),
            (&[host, origin("http://10.0.0.7:8080"), site("cross-site")], Sender::Foreign),
            (&[host, origin("app://10.0.0.7:8080")], Sender::Foreign),
            (&[host, origin("null")], Sender::Foreign),
            (&[("host", ""), origin("http://")], Sender::Foreign),
            (&[origin("http://10.0.0.7:8080")], Sender::Foreign),
            // Our own origin, by whatever name a proxy asks for us.
            (&[host, origin("https://auth.example.com")], Sender::Own),
            (&[host, origin("https://auth.example.com:8443")], Sender::Foreign),
            (&[host, origin("http://auth.example.com")], Sender::Foreign),
            (&[host, origin("https://auth.example.com.evil.example")], Sender::Foreign),
            (&[host, origin("https://app.example.com")], Sender::Named),
            (&[host, origin("https://app.example.com"), site("same-site")], Sender::Named),
            (&[host, origin("capacitor://localhost"), site("cross-site")], Sender::Named),
            (&[host, origin("capacitor://localhost")], Sender::Named),
            (&[host, origin("capacitor://localhost:1")], Sender::Foreign),
            (&[host, origin("HTTPS://app.example.com")], Sender::Foreign),
            (
                &[host, origin("https://evil.example"), origin("https://app.example.com")],
                Sender::Foreign,
            ),
            (&[host, site("same-origin"), site("cross-site")], Sender::Foreign),
        ] {
            assert_eq!(sender("POST", "/login", headers), expected, "{headers:?}");
            assert_eq!(sender("GET", "/login", headers), Sender::Own, "{headers:?}");
        }
    }

    #[test]
    fn every_method_but_the_three_safe_ones_is_judged() {
        let foreign = [("sec-fetch-site", "cross-site")];
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(sender(method, "/", &foreign), Sender::Own, "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "QUERY"] {
            assert_eq!(sender(method, "/", &foreign), Sender::Foreign, "{method}");
        }
    }

    #[test]
    fn the_host_of_an_absolute_target_goes_before_the_header() {
        let headers = [("host", "a.example"), ("origin", "http://a.example")];
        assert_eq!(sender("POST", "http://b.example/x", &headers), Sender::Foreign);
        assert_eq!(sender("POST", "/x", &headers), Sender::Own);
    }
}
