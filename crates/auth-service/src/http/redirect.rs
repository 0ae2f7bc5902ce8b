//! Where a login may lead: a path of this site, or an origin that the settings name. Everything
//! else is not followed, however it is spelled.

use url::{Position, Url};

/// The longest `next` that is followed.
const MAX_NEXT: usize = 2048;

/// Which places a login may lead to.
pub(crate) struct Redirects {
    own: Url,
    /// As browsers write them.
    origins: Vec<String>,
}

/// A URL that a login may redirect to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The value of `Location`.
    pub(crate) location: String,
    /// The same for people: without query and fragment, which may be long, and secret.
    pub(crate) shown: String,
}

impl Redirects {
    pub(crate) fn new(own: Url, origins: Vec<String>) -> Self {
        Self { own, origins }
    }

    /// The target that `next` names, if it is one that may be followed.
    ///
    /// INVARIANT: what comes back is a path with a single slash at its beginning, or begins with
    /// one of the origins. What browsers read in another way than RFC 3986 (control characters,
    /// backslashes, schemes without slashes, user names) is refused before it is parsed.
    pub(crate) fn target(&self, next: &str) -> Option<Target> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if next.len() > MAX_NEXT || next.contains(odd) {
            return None;
        }
        if next.starts_with('/') { self.path(next) } else { self.absolute(next) }
    }

    fn path(&self, next: &str) -> Option<Target> {
        let url = self.own.join(next).ok()?;
        let location = &url[Position::BeforePath..];
        // Dots within the path may have brought two slashes to its beginning.
        let ours = url.origin() == self.own.origin() && !location.starts_with("//");
        ours.then(|| Target { location: location.to_owned(), shown: url.path().to_owned() })
    }

    fn absolute(&self, next: &str) -> Option<Target> {
        let (scheme, rest) = next.split_once("://")?;
        let written = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !written || authority.is_empty() || authority.contains('@') {
            return None;
        }
        let url = Url::parse(next).ok()?;
        let origin = url.origin();
        let named = self.origins.contains(&origin.ascii_serialization());
        (named || origin == self.own.origin()).then(|| Target {
            location: url.as_str().to_owned(),
            shown: url[..Position::AfterPath].to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redirects() -> Redirects {
        let own = Url::parse("https://auth.example.com/").unwrap();
        let origins = ["https://app.example.com", "http://localhost:8090"];
        Redirects::new(own, origins.map(str::to_owned).to_vec())
    }

    fn location(next: &str) -> Option<String> {
        redirects().target(next).map(|target| target.location)
    }

    #[test]
    fn paths_of_this_site_and_named_origins_are_followed() {
        for (next, leads_to) in [
            ("/account", "/account"),
            ("/", "/"),
            ("/a/../b?c=//d#e", "/b?c=//d#e"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a%5C%0A", "/a%5C%0A"),
            ("/a//b", "/a//b"),
            ("https://app.example.com", "https://app.example.com/"),
            ("https://app.example.com/d?x=1", "https://app.example.com/d?x=1"),
            ("HTTPS://APP.example.com:443/", "https://app.example.com/"),
            ("http://localhost:8090/dashboard", "http://localhost:8090/dashboard"),
            ("https://auth.example.com/account", "https://auth.example.com/account"),
        ] {
            assert_eq!(location(next).as_deref(), Some(leads_to), "{next}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_not_followed() {
        for next in [
            "",
            "account",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\\/evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/./\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nLocation: https://evil.example",
            "\u{0}/account",
            "/\u{0}",
            "/\u{7f}",
            "/\u{85}/evil.example",
            " /account",
            "/account ",
            "/\u{a0}/evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https:app.example.com",
            "https:/app.example.com",
            "https:///app.example.com",
            "https://evil.example",
            "https://good@evil.example",
            "https://app.example.com@evil.example",
            "https://evil.example@app.example.com",
            "https://app.example.com:x@evil.example/",
            "https://@app.example.com/",
            "https://app.example.com.evil.example",
            "https://app.example.com%2eevil.example",
            "https://evil.example#https://app.example.com",
            "https://evil.example?://app.example.com",
            "https://app.example.com:8443/",
            "http://app.example.com/",
            "http://localhost/",
            "http://localhost:80900/",
            "javascript:alert(1)",
            "JavaScript://app.example.com/%0aalert(1)",
            "data:text/html,x",
            "blob:https://app.example.com/x",
            "ftp://app.example.com/",
            "mailto:a@b",
            "?next=/",
            "#a",
            ".",
        ] {
            assert_eq!(location(next), None, "{next:?}");
        }
        let long = format!("/{}", "a".repeat(MAX_NEXT));
        assert_eq!(location(&long), None);
    }

    #[test]
    fn people_are_shown_where_they_go_without_what_may_be_secret() {
        let shown = |next| redirects().target(next).unwrap().shown;
        assert_eq!(shown("/account?token=x#y"), "/account");
        let app = shown("https://app.example.com/d?code=x#y");
        assert_eq!(app, "https://app.example.com/d");
    }

    proptest! {
        #[test]
        fn whatever_is_followed_stays_where_it_may(next in "[/\\\\.:@a-z?#%\\t ]{0,16}") {
            if let Some(location) = location(&next) {
                // As a browser would read the answer.
                let read = Url::parse("https://auth.example.com/login").unwrap().join(&location).unwrap();
                let origin = read.origin().ascii_serialization();
                let allowed = ["https://auth.example.com", "https://app.example.com", "http://localhost:8090"];
                prop_assert!(allowed.contains(&origin.as_str()), "{location}");
            }
        }
    }
}
