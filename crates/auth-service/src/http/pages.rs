//! For people: pages without any script, behind whose buttons stand the same operations as behind
//! the API.

pub(crate) mod account;
pub(crate) mod admin_action;
pub(crate) mod admin_services;
pub(crate) mod admin_sessions;
pub(crate) mod admin_user;
pub(crate) mod admin_users;
pub(crate) mod login;
mod moment;
pub(crate) mod recovery;
mod session_row;
pub(crate) mod signup;
pub(crate) mod visitor;

use std::any::Any;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use session::Session;

use crate::http::app::App;
use crate::http::error::{ApiError, describe_field};
use crate::operations::Field;
use crate::operations::access::is_admin;

/// The page that people come to when they say nothing else.
pub(crate) const ACCOUNT: &str = "/account";
/// Where users are found.
pub(crate) const ADMIN_USERS: &str = "/admin/users";
/// Where sessions are found.
pub(crate) const ADMIN_SESSIONS: &str = "/admin/sessions";
/// Where people log in.
pub(crate) const LOGIN: &str = "/login";

/// What the frame of every page knows of who looks at it.
pub(crate) struct Frame {
    pub(crate) username: String,
    /// Whether the pages for admins are open to the session.
    pub(crate) admin: bool,
    /// The page that it is, among those of the frame.
    pub(crate) here: &'static str,
}

impl Frame {
    pub(crate) fn new(session: &Session, here: &'static str) -> Self {
        Self { username: session.subject.username.to_string(), admin: is_admin(session), here }
    }
}

/// What a page says first: that something was done, or why it was not.
pub(crate) struct Notice {
    good: bool,
    text: String,
    /// Whether a new login would help.
    log_in_again: bool,
}

impl Notice {
    pub(crate) fn done(text: &str) -> Self {
        Self { good: true, text: text.to_owned(), log_in_again: false }
    }

    pub(crate) fn refused(error: &ApiError) -> Self {
        Self {
            good: false,
            text: sentence(error),
            log_in_again: matches!(error, ApiError::Stale { .. }),
        }
    }
}

/// The query of a page that somebody is sent to after a form: which of its notices to show.
#[derive(Default, Deserialize)]
pub(crate) struct After {
    pub(crate) done: Option<String>,
}

/// Renders a page.
pub(crate) fn page<T: Template>(
    app: &App,
    status: StatusCode,
    template: &T,
) -> Result<Response, ApiError> {
    let site: &[(&str, &dyn Any)] = &[("site", &app.site_name)];
    let html = template.render_with_values(&site).map_err(|error| {
        tracing::error!(%error, "a page cannot be written");
        ApiError::Internal
    })?;
    Ok(app.page_headers.answer(status, html))
}

/// Sends a browser on, with a `GET`.
pub(crate) fn see_other(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static(ACCOUNT));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The login that leads back to `path` of this site.
pub(crate) fn login_path(back_to: &str) -> String {
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("next", back_to).finish();
    format!("{LOGIN}?{query}")
}

/// What went wrong as a sentence for people, who do not know the names of fields.
fn sentence(error: &ApiError) -> String {
    let detail = match error {
        ApiError::Field(Field { name, problem }) => {
            let name = if name == "ttl" { "the lifetime" } else { &name.replace('_', " ") };
            describe_field(problem, "field", name)
        }
        error => error.detail(),
    };
    let mut chars = detail.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Fault;

    #[test]
    fn what_went_wrong_is_a_sentence() {
        let sentence = |name, problem| sentence(&Field::new(name, problem).into());
        assert_eq!(sentence("current_password", Fault::Wrong), "Current password is wrong.");
        assert_eq!(
            sentence("current_password", Fault::Missing),
            "The field current password is missing."
        );
        let rule = Fault::Unreadable("must be a duration such as 30s");
        assert_eq!(sentence("ttl", rule), "The lifetime must be a duration such as 30s.");
    }

    #[test]
    fn the_login_leads_back_to_where_one_was() {
        assert_eq!(login_path("/admin/users?q=a&b"), "/login?next=%2Fadmin%2Fusers%3Fq%3Da%26b");
    }
}
