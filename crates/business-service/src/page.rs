//! The pages as HTML, without any script. Whatever comes from outside is escaped.

use std::fmt::Write as _;

use auth_api_types::SessionView;
use auth_client::Url;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderName, HeaderValue, Uri};

use crate::Config;
use crate::handlers::pages::SHEET;

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What all pages know of the world around them.
pub(crate) struct Pages {
    login: Url,
    /// Without a slash at its end.
    public: String,
}

/// A page, with the headers that protect it.
pub(crate) struct Page {
    html: String,
}

impl Pages {
    pub(crate) fn new(config: &Config) -> Self {
        let public = config.public_url.as_str().trim_end_matches('/').to_owned();
        Self {
            login: config.login_url.clone(),
            public,
        }
    }

    /// The login that leads back to `uri` of this service.
    pub(crate) fn login_url(&self, uri: &Uri) -> String {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut login = self.login.clone();
        login
            .query_pairs_mut()
            .append_pair("next", &format!("{}{path}", self.public));
        login.into()
    }

    pub(crate) fn dashboard(&self, session: &SessionView) -> Page {
        let facts = [
            ("User", session.user.username.clone()),
            ("Role", session.role.clone()),
            ("Session", session.id.clone()),
            ("Time left", format!("{} s", session.expires_in)),
            (
                "Ends at the latest",
                session.absolute_expires_at.to_string(),
            ),
            ("Uses", session.refresh_count.to_string()),
        ];
        let mut list = String::new();
        for (name, value) in facts {
            let _ = write!(list, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
        }
        let body = format!(
            "<dl>{list}</dl><p>Every look at this page is a use of your session and gives it its \
             full time again: <a href=\"/dashboard\">look again</a>.</p>"
        );
        let name = escape(&session.user.username);
        self.page(&format!("Welcome {name}!"), &body)
    }

    pub(crate) fn protected(&self, session: &SessionView) -> Page {
        let name = escape(&session.user.username);
        let body = format!(
            "<p>Only a live session leads here. Yours belongs to {name}; it is alive for another \
             {} s.</p><p><a href=\"/dashboard\">Your dashboard</a></p>",
            session.expires_in
        );
        self.page("This is a protected resource", &body)
    }

    /// Title and body are HTML already.
    fn page(&self, title: &str, body: &str) -> Page {
        let account = self
            .login
            .join("account")
            .unwrap_or_else(|_| self.login.clone());
        let account = escape(account.as_str());
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title} · Reinflate</title><link rel=\"stylesheet\" href=\"{SHEET}\"></head>\
             <body><main><h1>{title}</h1>{body}\
             <nav><a href=\"{account}\">Your sessions, and log out</a></nav></main></body></html>"
        );
        Page { html }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (OPENER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        (headers, Html(self.html)).into_response()
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
