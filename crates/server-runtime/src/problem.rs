//! Errors on the wire: problem details for programs, a small page for people.
//!
//! It renders; it chooses no status. A handler answers with a [`Problem`], which is JSON;
//! [`crate::request::RequestLayer`] turns that into the page where the request asks for one.

use std::borrow::Cow;
use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::page::{PageHeaders, STYLE_SHEET};

/// An error as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) wants it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What a program tells errors apart by.
    pub code: &'static str,
    /// A few words, the same for every occurrence of the code.
    pub title: &'static str,
    /// What happened this time.
    pub detail: Cow<'static, str>,
    /// Headers that go with it: `WWW-Authenticate`, `Retry-After`, `Allow`.
    pub headers: HeaderMap,
}

/// Where a page leads on to, and what the link says.
pub type Link = (&'static str, &'static str);

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
}

impl Problem {
    /// A problem without headers of its own.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), headers: HeaderMap::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The answer as `application/problem+json`.
    pub fn json(&self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.with_own_headers(response)
    }

    /// The answer as a page for people, with the request's id, that leads on to `link`.
    pub fn page(&self, request_id: &str, link: Option<Link>) -> Response {
        let title = Escaped(self.title);
        let link = link.map_or_else(String::new, |(target, text)| {
            format!("<p><a href=\"{}\">{}</a></p>\n", Escaped(target), Escaped(text))
        });
        let mut page = String::with_capacity(1024);
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <link rel=\"stylesheet\" href=\"{STYLE_SHEET}\">\n</head>\n\
             <body>\n<main class=\"narrow\">\n<h1>{title}</h1>\n<p class=\"detail\">{}</p>\n{link}\
             <p class=\"fine\">{} <code>{}</code> · request <code>{}</code></p>\n</main>\n\
             </body>\n</html>\n",
            Escaped(&self.detail),
            self.status.as_u16(),
            Escaped(self.code),
            Escaped(request_id),
        );
        self.with_own_headers(PageHeaders::default().answer(self.status, page))
    }

    fn with_own_headers(&self, mut response: Response) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

/// The JSON; the request layer may still turn it into a page.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.json();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether the request would rather have a page: its `Accept` names `text/html`, and no kind of
/// JSON before it or with a higher quality.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let mut best_json = 0;
    let mut best_page = 0;
    for range in headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()) {
        for range in range.split(',') {
            let (name, quality) = media_range(range);
            if name.eq_ignore_ascii_case("text/html") && quality > best_json {
                best_page = best_page.max(quality);
            } else if is_json(name) && quality > best_page {
                best_json = best_json.max(quality);
            }
        }
    }
    best_page > best_json
}

fn is_json(name: &str) -> bool {
    ["application/json", "application/problem+json"].iter().any(|j| name.eq_ignore_ascii_case(j))
}

/// The name of a media range and its quality in thousandths; what cannot be read is worth nothing.
fn media_range(range: &str) -> (&str, u16) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    (name, quality.map_or(1000, thousandths))
}

fn thousandths(text: &str) -> u16 {
    match text.split_once('.').unwrap_or((text, "")) {
        ("1", _) => 1000,
        ("0", decimals) if decimals.len() <= 3 => {
            format!("{decimals:0<3}").parse().unwrap_or_default()
        }
        _ => 0,
    }
}

/// Text as it may stand in HTML, in an attribute too.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect()
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn problem() -> Problem {
        let detail = "no <b>such</b> \"thing\"".to_owned();
        Problem::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    #[test]
    fn a_page_is_for_those_who_prefer_it() {
        for (accepts, page) in [
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"][..], true),
            (&["text/html"][..], true),
            (&["TEXT/HTML; charset=utf-8"][..], true),
            (&["text/html, application/json"][..], true),
            (&["application/json;q=0.5", "text/html"][..], true),
            (&["application/json, text/html"][..], false),
            (&["text/html;q=0.5, application/problem+json"][..], false),
            (&["text/html;q=0"][..], false),
            (&["text/html;q=x"][..], false),
            (&["*/*"][..], false),
            (&["application/json"][..], false),
            (&[""][..], false),
            (&[][..], false),
        ] {
            assert_eq!(wants_page(&accept(accepts)), page, "{accepts:?}");
        }
    }

    #[tokio::test]
    async fn the_json_says_type_title_status_detail_and_code() {
        let response = problem().into_response();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "1");
        let json: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Not found", "status": 404,
            "detail": "no <b>such</b> \"thing\"", "code": "not_found",
        });
        assert_eq!(json, expected);
    }

    #[tokio::test]
    async fn the_page_escapes_what_it_shows_and_names_the_request() {
        let response = problem().page("r-1", None);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(response.headers().contains_key("content-security-policy"));
        assert_eq!(response.headers()["retry-after"], "1");
        let page = text(response).await;
        assert!(page.contains("no &lt;b&gt;such&lt;/b&gt; &quot;thing&quot;"), "{page}");
        assert!(page.contains("r-1") && !page.contains("<script"), "{page}");
        assert!(!page.contains("<a "), "{page}");
    }

    #[tokio::test]
    async fn the_page_leads_on_where_there_is_somewhere_to_go() {
        let page = problem().page("r-1", Some(("/account", "Your account")));
        let page = text(page).await;
        assert!(page.contains(r#"<a href="/account">Your account</a>"#), "{page}");
    }
}
