//! The session cookie: its name, its attributes, its two forms. Nothing else writes one.

use std::time::Duration;

use auth_http::credential::{HOST_COOKIE, PLAIN_COOKIE, SECURE_COOKIE};
use axum::http::HeaderValue;
use session::Token;

/// How the session cookie is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionCookie {
    /// Its name.
    pub(crate) name: String,
    domain: Option<String>,
    /// Whether it travels over TLS only.
    pub(crate) secure: bool,
}

impl SessionCookie {
    /// A cookie of this name, or of the strictest name that the other two allow
    /// ([RFC 6265bis, cookie name prefixes](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-cookie-name-prefixes)).
    pub(crate) fn new(name: Option<String>, domain: Option<String>, secure: bool) -> Self {
        let default_name = match (secure, &domain) {
            (true, None) => HOST_COOKIE,
            (true, Some(_)) => SECURE_COOKIE,
            (false, _) => PLAIN_COOKIE,
        };
        Self { name: name.unwrap_or_else(|| default_name.to_owned()), domain, secure }
    }

    /// Whether browsers would take it: a prefix promises attributes.
    pub(crate) fn keeps_its_prefix(&self) -> bool {
        let begins = |prefix: &str| {
            self.name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
        };
        let host = !begins("__Host-") || (self.secure && self.domain.is_none());
        let secure = !begins("__Secure-") || self.secure;
        host && secure
    }

    /// The `Set-Cookie` that hands a token to a browser for `max_age`.
    pub(crate) fn set(&self, token: &Token, max_age: Duration) -> Option<HeaderValue> {
        self.write(token.expose(), max_age.as_secs())
    }

    /// The `Set-Cookie` that takes it away again.
    pub(crate) fn clear(&self) -> Option<HeaderValue> {
        self.write("", 0)
    }

    fn write(&self, value: &str, max_age: u64) -> Option<HeaderValue> {
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}"));
        let line = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{}{}",
            self.name,
            domain.unwrap_or_default(),
            if self.secure { "; Secure" } else { "" },
        );
        let mut line = HeaderValue::from_str(&line).ok()?;
        line.set_sensitive(true);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_strictest_that_the_attributes_allow() {
        let name = |domain: Option<&str>, secure| {
            SessionCookie::new(None, domain.map(str::to_owned), secure).name
        };
        assert_eq!(name(None, true), "__Host-reinflate");
        assert_eq!(name(Some("example.com"), true), "__Secure-reinflate");
        assert_eq!(name(None, false), "reinflate");
    }

    #[test]
    fn a_prefix_that_browsers_would_refuse_is_noticed() {
        let keeps = |name: &str, domain: Option<&str>, secure| {
            SessionCookie::new(Some(name.to_owned()), domain.map(str::to_owned), secure)
                .keeps_its_prefix()
        };
        assert!(keeps("sid", None, false));
        assert!(!keeps("__host-sid", None, false));
        assert!(!keeps("__Host-sid", Some("example.com"), true));
        assert!(!keeps("__Secure-sid", None, false));
    }

    #[test]
    fn it_is_cleared_with_the_attributes_it_was_set_with() {
        let cookie = SessionCookie::new(None, None, true);
        assert_eq!(
            cookie.clear().unwrap(),
            "__Host-reinflate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure"
        );
    }
}
