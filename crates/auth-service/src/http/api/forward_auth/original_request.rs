//! What a browser asked a proxy for, and where it is sent to log in. None of it decides anything:
//! somebody who forges it only sends their own browser to the wrong page.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use server_runtime::problem::wants_page;
use url::Url;

use crate::http::error::ApiError;

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Where Envoy asks.
const EXT_AUTHZ: &str = "/authz/ext-authz";
/// Where Envoy asks for a role, and where for a scope.
pub(super) const EXT_AUTHZ_ROLE: &str = "/authz/ext-authz-role/";
pub(super) const EXT_AUTHZ_SCOPE: &str = "/authz/ext-authz-scope/";
/// Where Envoy lets the users of backends pass too.
const EXT_AUTHZ_EXTERNAL: &str = "/authz/ext-authz-external";
/// A longer URL is not come back to: it would not fit the buffers of every proxy.
const NEXT_LIMIT: usize = 2048;

/// What was asked for.
#[derive(Debug)]
pub(super) struct OriginalRequest {
    /// Whether a browser goes there, rather than a script of a page or a program.
    pub(super) is_navigation: bool,
    /// The URL, where the proxy told one.
    pub(super) url: Option<String>,
}

impl OriginalRequest {
    /// As nginx, Traefik and Caddy tell it, who ask with a request of their own.
    pub(super) fn by_headers(parts: &Parts) -> Self {
        let headers = &parts.headers;
        let method = match headers.get(METHOD) {
            None => true,
            Some(_) => matches!(only(headers, &METHOD), Some("GET" | "HEAD")),
        };
        let uri = only(headers, &URI);
        Self {
            is_navigation: method && is_navigation(parts),
            url: uri.and_then(|uri| url(headers, &HOST, uri)),
        }
    }

    /// As Envoy sends it: the request itself, below the path of our endpoint.
    pub(super) fn by_path(parts: &Parts, path: impl FnOnce(&str) -> Option<&str>) -> Self {
        let original = parts.uri.path_and_query().map_or("", |original| original.as_str());
        let uri = path(original).map(|rest| match rest.as_bytes().first() {
            Some(b'/') => Cow::Borrowed(rest),
            _ => Cow::Owned(format!("/{rest}")),
        });
        Self {
            is_navigation: is_navigation(parts),
            url: uri.and_then(|uri| url(&parts.headers, &header::HOST, &uri)),
        }
    }

    /// Where a browser that got this refusal is to log in: nowhere, if logging in would not help.
    pub(super) fn login(&self, public_url: &Url, refusal: &ApiError) -> Option<HeaderValue> {
        let unknown = matches!(refusal, ApiError::MissingToken | ApiError::InvalidToken(_));
        if !unknown || !self.is_navigation {
            return None;
        }
        let mut login = public_url.clone();
        login.set_path(&format!("{}/login", public_url.path().trim_end_matches('/')));
        let with_next = self.url.as_ref().map(|next| {
            let mut login = login.clone();
            login.query_pairs_mut().append_pair("next", next);
            login
        });
        let login = match with_next {
            Some(with_next) if with_next.as_str().len() <= NEXT_LIMIT => with_next,
            _ => login,
        };
        HeaderValue::from_str(login.as_str()).ok()
    }
}

/// What follows Envoy's endpoint.
pub(super) fn below_endpoint(original: &str) -> Option<&str> {
    original.strip_prefix(EXT_AUTHZ)
}

/// What follows Envoy's endpoint for every user.
pub(super) fn below_external_endpoint(original: &str) -> Option<&str> {
    original.strip_prefix(EXT_AUTHZ_EXTERNAL)
}

/// The role or scope in the path behind one of Envoy's other endpoints, and how to find what follows
/// it. One that is no text is one that nobody has.
pub(super) fn named_and_path<'a>(
    parts: &'a Parts,
    endpoint: &'static str,
) -> (Cow<'a, str>, impl FnOnce(&str) -> Option<&str> + use<>) {
    let path = parts.uri.path();
    let rest = path.strip_prefix(endpoint).unwrap_or_default();
    let named = rest.split('/').next().unwrap_or_default();
    let start = endpoint.len() + named.len();
    let named = decoded(named).unwrap_or(Cow::Borrowed(""));
    (named, move |original| original.get(start..))
}

/// A person follows a link or types an address; anything else wants a status.
fn is_navigation(parts: &Parts) -> bool {
    let headers = &parts.headers;
    let mut modes = headers.get_all(SEC_FETCH_MODE).iter();
    matches!(parts.method, Method::GET | Method::HEAD)
        && wants_page(headers)
        && modes.all(|mode| mode == "navigate")
        && !headers.contains_key(X_REQUESTED_WITH)
}

fn url(headers: &HeaderMap, host: &HeaderName, uri: &str) -> Option<String> {
    let Some(proto @ ("http" | "https")) = only(headers, &PROTO) else {
        return None;
    };
    let host = only(headers, host)?;
    let in_a_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(in_a_host) || !uri.starts_with('/') {
        return None;
    }
    let url = format!("{proto}://{host}{uri}");
    Url::parse(&url).is_ok().then_some(url)
}

/// The value of a header that is there once. Of two, one is a client's.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Text from a path, if it is text.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &[(&str, &str)] = &[
        ("accept", "text/html,*/*;q=0.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example.com"),
        ("x-forwarded-uri", "/a?b=c&d"),
    ];

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn login(original: &OriginalRequest) -> Option<String> {
        let public: Url = "https://auth.example.com/".parse().unwrap();
        let login = original.login(&public, &ApiError::MissingToken)?;
        Some(login.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_navigation_is_sent_to_the_login_and_comes_back_to_what_was_asked_for() {
        let original = OriginalRequest::by_headers(&parts("GET", "/authz/forward-auth", BROWSER));
        assert_eq!(
            login(&original).unwrap(),
            "https://auth.example.com/login?next=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d"
        );
    }

    #[test]
    fn whatever_is_no_navigation_is_not_sent_anywhere() {
        for more in [
            ("x-forwarded-method", "POST"),
            ("sec-fetch-mode", "cors"),
            ("x-requested-with", "XMLHttpRequest"),
            ("accept", "application/json"),
        ] {
            let mut headers = BROWSER.to_vec();
            headers.retain(|(name, _)| *name != more.0);
            headers.push(more);
            let original = OriginalRequest::by_headers(&parts("GET", "/", &headers));
            assert_eq!(login(&original), None, "{more:?}");
        }
        assert_eq!(login(&OriginalRequest::by_headers(&parts("POST", "/", BROWSER))), None);
        assert_eq!(login(&OriginalRequest::by_headers(&parts("GET", "/", &[]))), None);
        let original = OriginalRequest::by_headers(&parts("GET", "/", BROWSER));
        let public: Url = "https://auth.example.com".parse().unwrap();
        for other in [ApiError::Forbidden("x"), ApiError::Unavailable("x")] {
            assert_eq!(original.login(&public, &other), None, "{other:?}");
        }
    }

    #[test]
    fn a_url_that_nobody_could_have_asked_for_is_left_out() {
        for (name, value) in [
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-proto", "https,http"),
            ("x-forwarded-host", "a.example, b.example"),
            ("x-forwarded-host", "ann@evil.example"),
            ("x-forwarded-host", "a.example/"),
            ("x-forwarded-host", "[::1"),
            ("x-forwarded-host", ""),
            ("x-forwarded-uri", "@evil.example/"),
            ("x-forwarded-uri", ""),
        ] {
            let mut headers = BROWSER.to_vec();
            headers.retain(|(other, _)| *other != name);
            headers.push((name, value));
            let original = OriginalRequest::by_headers(&parts("GET", "/", &headers));
            assert_eq!(
                login(&original).unwrap(),
                "https://auth.example.com/login",
                "{name} {value}"
            );
        }
        let twice = [BROWSER, &[("x-forwarded-host", "app.example.com")]].concat();
        let original = OriginalRequest::by_headers(&parts("GET", "/", &twice));
        assert_eq!(login(&original).unwrap(), "https://auth.example.com/login");
    }

    #[test]
    fn a_url_too_long_for_a_proxys_buffers_is_left_out() {
        let long = format!("/{}", "%".repeat(1000));
        let mut headers = BROWSER[..3].to_vec();
        headers.push(("x-forwarded-uri", &long));
        let original = OriginalRequest::by_headers(&parts("GET", "/", &headers));
        assert_eq!(login(&original).unwrap(), "https://auth.example.com/login");
    }

    #[test]
    fn envoys_path_is_what_follows_the_endpoint_to_the_letter() {
        let headers = [("host", "app.example.com:8443"), ("x-forwarded-proto", "https")];
        for (path, expected_path) in [
            ("/authz/ext-authz/a/b?role=admin&next=x", "/a/b?role=admin&next=x"),
            ("/authz/ext-authz//a/../b%2f;c", "//a/../b%2f;c"),
            ("/authz/ext-authz/", "/"),
            ("/authz/ext-authz", "/"),
            ("/authz/ext-authz?a", "/?a"),
        ] {
            let original = OriginalRequest::by_path(&parts("GET", path, &headers), below_endpoint);
            let expected = format!("https://app.example.com:8443{expected_path}");
            assert_eq!(original.url.unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn the_role_is_the_segment_after_envoys_other_endpoint() {
        for (path, role, expected_path) in [
            ("/authz/ext-authz-role/admin/a?b", "admin", "/a?b"),
            ("/authz/ext-authz-role/admin", "admin", "/"),
            ("/authz/ext-authz-role/%61dmin/../user/", "admin", "/../user/"),
            ("/authz/ext-authz-role/admin%2fuser/a", "admin/user", "/a"),
            ("/authz/ext-authz-role/%ff/a", "", "/a"),
        ] {
            let parts = parts("GET", path, &[("host", "a.example"), ("x-forwarded-proto", "http")]);
            let (found, rest) = named_and_path(&parts, EXT_AUTHZ_ROLE);
            assert_eq!(found, role, "{path}");
            let original = OriginalRequest::by_path(&parts, rest);
            assert_eq!(original.url.unwrap(), format!("http://a.example{expected_path}"), "{path}");
        }
    }
}
