//! Errors as answers: JSON for programs, a small page for people.
//!
//! It renders; it chooses no status. A handler answers with JSON;
//! [`crate::request::RequestLayer`] turns that into the page where the request asks for one.

use std::fmt::Write as _;

use auth_http::Problem;
use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT;

use crate::page::{PageHeaders, STYLE_SHEET};

/// Where a page leads on to, and what the link says.
pub type Link = (&'static str, &'static str);

/// The answer as `application/problem+json`, which the request layer may still turn into a page.
pub fn answer(problem: Problem) -> Response {
    problem.into_response().map(Body::from)
}

/// The answer as a page for people, with the request's id, that leads on to `link`.
pub fn page(problem: &Problem, request_id: &str, link: Option<Link>) -> Response {
    let title = Escaped(problem.code.title());
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
        Escaped(&problem.detail),
        problem.status().as_u16(),
        Escaped(problem.code.as_str()),
        Escaped(request_id),
    );
    let mut response = PageHeaders::default().answer(problem.status(), page);
    for (name, value) in &problem.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
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
    use auth_http::ErrorCode;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn accept(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect()
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn problem() -> Problem {
        Problem::new(ErrorCode::NotFound, "no <b>such</b> \"thing\"").with_retry_after(1)
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
    async fn the_page_escapes_what_it_shows_and_names_the_request() {
        let response = page(&problem(), "r-1", None);
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
        let response = page(&problem(), "r-1", Some(("/account", "Your account")));
        let page = text(response).await;
        assert!(page.contains(r#"<a href="/account">Your account</a>"#), "{page}");
    }
}
