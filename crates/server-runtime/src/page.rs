//! What all pages have in common: the headers that protect them, and the one style sheet.
//!
//! What stands on a page is its service's business. No page here has a script.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

/// Where the style sheet stands.
pub const STYLE_SHEET: &str = "/reinflate.css";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The headers of a page: it loads our own style sheet and nothing else, its forms go to us and to
/// named origins, no page frames it, no link tells where its user came from, and no cache stores it.
#[derive(Clone, Debug)]
pub struct PageHeaders {
    policy: HeaderValue,
}

impl PageHeaders {
    /// The headers of pages whose forms go to us, or lead in the end to one of these origins.
    pub fn new<'a>(form_targets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut policy = "default-src 'none'; style-src 'self'; form-action 'self'".to_owned();
        for origin in form_targets {
            policy.push(' ');
            policy.push_str(origin);
        }
        policy.push_str("; frame-ancestors 'none'; base-uri 'none'");
        // An origin is ASCII without control characters; what is none of that allows nothing.
        let policy = HeaderValue::try_from(policy);
        Self { policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")) }
    }

    /// The page as an answer.
    pub fn answer(&self, status: StatusCode, html: String) -> Response {
        let fixed = |value| HeaderValue::from_static(value);
        let headers = [
            (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
            (REFERRER_POLICY, fixed("no-referrer")),
            (OPENER_POLICY, fixed("same-origin")),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (CACHE_CONTROL, fixed("no-store")),
        ];
        (status, headers, html).into_response()
    }
}

impl Default for PageHeaders {
    fn default() -> Self {
        Self::new([])
    }
}

/// A style sheet as an answer. It is the same for everybody, so that caches may keep it.
pub fn style_answer(css: impl Into<axum::body::Body>) -> Response {
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, css.into()).into_response()
}

/// The route of the style sheet.
pub fn style_sheet() -> Router {
    Router::new().route(STYLE_SHEET, get(async || style_answer(include_str!("style.css"))))
}

/// A duration in its two largest units, as people read it; rounded up to a second.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit);
    let first = first.unwrap_or(units.len() - 1);
    let (unit, name) = units[first];
    match units.get(first + 1) {
        Some((smaller, second)) if seconds % unit >= *smaller => {
            let rest = seconds % unit / smaller;
            format!("{} {name} {rest} {second}", seconds / unit)
        }
        _ => format!("{} {name}", seconds / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (30, "30 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3_605, "1 h"),
            (3_660, "1 h 1 min"),
            (608_399, "7 d"),
            (608_400, "7 d 1 h"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(29_001)), "30 s");
    }

    #[test]
    fn a_page_has_its_headers_byte_for_byte() {
        let origins = ["https://app.example.com", "http://localhost:8090"];
        let response = PageHeaders::new(origins).answer(StatusCode::OK, "x".to_owned());
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; form-action 'self' \
                 https://app.example.com http://localhost:8090; frame-ancestors 'none'; \
                 base-uri 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
    }
}
