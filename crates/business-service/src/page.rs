//! The pages as HTML, without any script. Whatever comes from outside is escaped.

use std::time::Duration;

use askama::Template;
use auth_api_types::SessionView;
use auth_client::Url;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, StatusCode, Uri};
use server_runtime::RequestId;
use server_runtime::page::{PageHeaders, in_words, style_answer};

use crate::Config;
use crate::error::Error;
use crate::notes::NOTE_CHARS;

/// The path of the part of the style sheet that differs from page to page.
pub(crate) const COUNTDOWN: &str = "/countdown.css";
/// Longer times, in seconds, are shown and not counted down.
pub(crate) const LONGEST_COUNTDOWN: u64 = 600;

/// What all pages need beside their own data.
pub(crate) struct Pages {
    login: Url,
    /// Without a slash at its end.
    public: String,
    site: Site,
    headers: PageHeaders,
}

/// The pages of the auth service that ours lead to.
struct Site {
    account: String,
    logout: String,
}

/// A page as a response.
pub(crate) struct Page(Response);

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage<'a> {
    site: &'a Site,
    here: &'static str,
    /// What stands before the `@`: people know themselves by it.
    name: &'a str,
    session: &'a SessionView<'static>,
    remaining: String,
    ends: String,
}

#[derive(Template)]
#[template(path = "protected.html")]
struct ProtectedPage<'a> {
    site: &'a Site,
    here: &'static str,
    session: &'a SessionView<'static>,
    remaining: String,
}

#[derive(Template)]
#[template(path = "notes.html")]
struct NotesPage<'a> {
    site: &'a Site,
    here: &'static str,
    session: &'a SessionView<'static>,
    notes: &'a [String],
}

impl Pages {
    pub(crate) fn new(config: &Config) -> Self {
        let public = config.public_url.as_str().trim_end_matches('/').to_owned();
        let login = config.login_url.clone();
        let beside_login = |page| login.join(page).map(Into::into).unwrap_or_default();
        let site = Site { account: beside_login("account"), logout: beside_login("logout") };
        let auth_origin = login.origin().ascii_serialization();
        Self { public, site, headers: PageHeaders::new([auth_origin.as_str()]), login }
    }

    /// The login that leads back to `uri` of this service.
    pub(crate) fn login_url(&self, uri: &Uri) -> String {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut login = self.login.clone();
        login.query_pairs_mut().append_pair("next", &format!("{}{path}", self.public));
        login.into()
    }

    pub(crate) fn dashboard(&self, session: &SessionView<'static>) -> Result<Page, Error> {
        let ends = session.absolute_expires_at.to_string();
        self.render(&DashboardPage {
            site: &self.site,
            name: session.user.username.split('@').next().unwrap_or_default(),
            here: "/dashboard",
            session,
            remaining: remaining(session),
            ends: ends.split_once('.').map_or("", |ends| ends.0).replace('T', " ") + " UTC",
        })
    }

    pub(crate) fn protected(&self, session: &SessionView<'static>) -> Result<Page, Error> {
        self.render(&ProtectedPage {
            site: &self.site,
            here: "/protected",
            session,
            remaining: remaining(session),
        })
    }

    pub(crate) fn notes(
        &self,
        session: &SessionView<'static>,
        notes: &[String],
    ) -> Result<Page, Error> {
        self.render(&NotesPage { site: &self.site, here: "/notes", session, notes })
    }

    fn render(&self, template: &impl Template) -> Result<Page, Error> {
        let html = template.render().map_err(|error| {
            tracing::error!(%error, "a page cannot be written");
            Error::Internal
        })?;
        Ok(Page(self.headers.answer(StatusCode::OK, html)))
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        self.0
    }
}

/// The style sheet of a countdown that takes so many seconds.
///
/// Browsers may keep even a `no-store` page for the back button, as long as no cookie has changed
/// since. Chromium 156 misses such a change on a page that a login on another origin redirected to,
/// and would show it after the log-out. This cookie, which means nothing, makes sure that one more
/// cookie has changed.
pub(crate) fn countdown(seconds: u64, request: &RequestId) -> Response {
    let css = format!(":root {{ --seconds: {} }}\n", seconds.min(LONGEST_COUNTDOWN));
    let cookie = format!("shown={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1", request.as_str());
    let mut response = style_answer(css);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        headers.insert(SET_COOKIE, cookie);
    }
    response
}

fn remaining(session: &SessionView<'static>) -> String {
    in_words(Duration::from_secs(session.expires_in))
}
