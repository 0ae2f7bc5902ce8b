//! Where a request carries its token: in the header `token`, in `Authorization: Bearer`, or in a
//! cookie. It says nothing about whether the token is good, and never looks at the query.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

const TOKEN: HeaderName = HeaderName::from_static("token");

/// The cookie's name where it travels over TLS only and belongs to one host. Browsers take a name
/// with such a prefix only from whom the prefix promises ([RFC 6265bis, cookie name prefixes]).
///
/// [RFC 6265bis, cookie name prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-cookie-name-prefixes
pub const HOST_COOKIE: &str = "__Host-reinflate";
/// The cookie's name where it travels over TLS only and belongs to a domain.
pub const SECURE_COOKIE: &str = "__Secure-reinflate";
/// The cookie's name where it travels without TLS.
pub const PLAIN_COOKIE: &str = "reinflate";

/// A token as it came with a request. It lives no longer than the request's head, and has no
/// `Debug`: nothing may show it.
#[derive(Clone, Copy)]
pub struct Carried<'h> {
    text: &'h [u8],
    /// Whether a browser added it by itself.
    pub by_cookie: bool,
}

/// Which of several tokens is meant is not for us to guess.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// One header stands there more than once.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// Two headers hold different tokens.
    #[error("the headers `token` and `Authorization` carry different tokens")]
    Different,
}

/// A header that may stand in a request once stands there more often.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `{0}` is given twice")]
pub struct Repeated(pub HeaderName);

impl<'h> Carried<'h> {
    /// The one token that the request carries, if any.
    ///
    /// A header goes before the cookie, which browsers add by themselves. An `Authorization` of
    /// another scheme counts as none; an empty token is one, and opens nothing. A cookie is read
    /// by its exact name and no other; given twice with different values, it counts as none, since
    /// nobody can tell whose they are.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] if two headers hold different tokens, or one header is given twice.
    pub fn find(headers: &'h HeaderMap, cookie: &str) -> Result<Option<Self>, Ambiguous> {
        let direct = once(headers, &TOKEN)?.map(HeaderValue::as_bytes);
        let bearer = once(headers, &AUTHORIZATION)?.and_then(bearer);
        let text = match (direct, bearer) {
            (Some(direct), Some(bearer)) if direct != bearer => return Err(Ambiguous::Different),
            (direct, bearer) => direct.or(bearer),
        };
        let header = text.map(|text| Self { text, by_cookie: false });
        Ok(header.or_else(|| only_cookie(headers, cookie)))
    }

    /// All tokens that the request carries, in any header and any cookie of the name: for what
    /// ends sessions, where none of several may be passed over. So they count here as well where
    /// they stand as they should not: several in a line, in quotes, in `token` after the scheme or in
    /// `Authorization` without one. What is no token of ours opens no session, and so ends none.
    pub fn all(headers: &'h HeaderMap, cookie: &str) -> Vec<Self> {
        let direct = headers.get_all(&TOKEN).iter().flat_map(|line| direct_parts(line.as_bytes()));
        let bearer = headers.get_all(AUTHORIZATION).iter();
        let bearer = bearer.flat_map(|line| bearer_parts(line.as_bytes()));
        let in_header = direct.chain(bearer).map(|text| Self { text, by_cookie: false });
        in_header.chain(Self::in_cookies(headers, cookie)).collect()
    }

    /// All tokens in cookies of the name, as [`all`](Self::all) finds them.
    pub fn in_cookies(headers: &'h HeaderMap, cookie: &str) -> impl Iterator<Item = Self> {
        let separators: &[u8] = b";,";
        let values = cookies(headers, cookie, separators).map(unquoted);
        values.map(|text| Self { text, by_cookie: true })
    }

    /// The token's bytes, which need not be text.
    pub const fn as_bytes(self) -> &'h [u8] {
        self.text
    }

    /// The token as text. What is no text is no token of ours, and stays none.
    pub fn to_text(self) -> Cow<'h, str> {
        // What is text is checked many bytes at a time, and the rest of it character by character.
        str::from_utf8(self.text).map_or_else(|_| String::from_utf8_lossy(self.text), Cow::Borrowed)
    }
}

/// Another of the auth service's cookie names that is there while `cookie` is not: most likely the
/// two services disagree about the name.
pub fn other_cookie(headers: &HeaderMap, cookie: &str) -> Option<&'static str> {
    let is_there = |name| cookies(headers, name, b";").next().is_some();
    if is_there(cookie) {
        return None;
    }
    [HOST_COOKIE, SECURE_COOKIE, PLAIN_COOKIE].into_iter().find(|name| is_there(name))
}

/// The one value of a header, if there is one.
///
/// # Errors
///
/// [`Repeated`] if it is given more than once.
pub fn once<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Repeated(name.clone())),
        (value, None) => Ok(value),
    }
}

/// What follows the scheme `name`, in any case ([RFC 9110 §11.1]), of an `Authorization` header;
/// `None` for another scheme.
///
/// [RFC 9110 §11.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
pub fn scheme<'h>(value: &'h HeaderValue, name: &str) -> Option<&'h [u8]> {
    let (scheme, rest) = value.as_bytes().split_at_checked(name.len())?;
    let matches = scheme.eq_ignore_ascii_case(name.as_bytes());
    (matches && matches!(rest, [] | [b' ', ..])).then(|| rest.trim_ascii())
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    scheme(value, "Bearer")
}

fn only_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<Carried<'h>> {
    let mut values = cookies(headers, name, b";");
    let text = values.next()?;
    values.all(|other| other == text).then_some(Carried { text, by_cookie: true })
}

/// The values of all cookies of the name, in lines with these bytes between cookies.
fn cookies<'h>(
    headers: &'h HeaderMap,
    name: &str,
    separators: &[u8],
) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| separators.contains(byte)));
    pairs.filter_map(move |pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..equals].trim_ascii() == name.as_bytes()).then(|| pair[equals + 1..].trim_ascii())
    })
}

/// What may be a token in a line of the header `token`.
fn direct_parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    parts.map(|part| unquoted(after_bearer(part).unwrap_or(part)))
}

/// What may be a token in a line of `Authorization`: a part without a scheme has that of the part
/// before it.
fn bearer_parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_bearer = true;
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter_map(move |part| {
        let rest = after_bearer(part);
        if rest.is_some() || part.iter().any(u8::is_ascii_whitespace) {
            is_bearer = rest.is_some();
        }
        is_bearer.then(|| unquoted(rest.unwrap_or(part)))
    })
}

/// What follows `Bearer`, with any white space between them.
fn after_bearer(part: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = part.split_at_checked(b"Bearer".len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (ends && scheme.eq_ignore_ascii_case(b"Bearer")).then(|| rest.trim_ascii())
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = [(&'static str, &'static str)];

    fn headers(lines: &Lines) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn texts(carried: impl IntoIterator<Item = Carried<'static>>) -> Vec<String> {
        carried.into_iter().map(|carried| carried.to_text().into_owned()).collect()
    }

    /// What `find` says, and what `all` does, in the notation of the table below.
    fn read(lines: &Lines) -> (Result<Option<String>, Ambiguous>, Vec<String>) {
        let headers: &'static HeaderMap = Box::leak(Box::new(headers(lines)));
        let found = Carried::find(headers, "reinflate");
        let found = found.map(|token| token.map(|token| token.to_text().into_owned()));
        (found, texts(Carried::all(headers, "reinflate")))
    }

    #[test]
    fn one_token_is_found_where_it_may_stand_and_all_of_them_where_all_count() {
        for (lines, found, all) in [
            // In either header, in any spelling of the scheme, and in the cookie.
            (&[("token", "T")][..], Some("T"), &["T"][..]),
            (&[("authorization", "Bearer T")], Some("T"), &["T"]),
            (&[("authorization", "bEARER   T ")], Some("T"), &["T"]),
            (&[("cookie", "a=b; reinflate=T; c")], Some("T"), &["T"]),
            (&[("cookie", "a=b"), ("cookie", "reinflate=T")], Some("T"), &["T"]),
            (
                &[("cookie", "__Host-reinflate=C; reinflate=T; __Secure-reinflate=D")],
                Some("T"),
                &["T"],
            ),
            // The same token twice is one; a header goes before the cookie.
            (&[("token", "T"), ("authorization", "Bearer T")], Some("T"), &["T", "T"]),
            (&[("token", "T"), ("authorization", "Basic eA==")], Some("T"), &["T"]),
            (&[("cookie", "reinflate=C"), ("token", "T")], Some("T"), &["T", "C"]),
            (
                &[("authorization", "Bearer T"), ("cookie", "reinflate=C; reinflate=D")],
                Some("T"),
                &["T", "C", "D"],
            ),
            (&[("authorization", "Basic eA=="), ("cookie", "reinflate=T")], Some("T"), &["T"]),
            (&[("cookie", "reinflate=T; reinflate=T")], Some("T"), &["T", "T"]),
            // An empty token is a token.
            (&[("token", "")], Some(""), &[""]),
            (&[("token", ""), ("cookie", "reinflate=C")], Some(""), &["", "C"]),
            (&[("authorization", "Bearer"), ("cookie", "reinflate=C")], Some(""), &["", "C"]),
            (&[("authorization", "Bearer ")], Some(""), &[""]),
            (&[("cookie", "reinflate=")], Some(""), &[""]),
            // Another scheme, another header, another cookie.
            (&[], None, &[]),
            (&[("authorization", "Basic T")], None, &[]),
            (&[("authorization", "Bearers T")], None, &[]),
            (&[("authorization", "BearerT")], None, &["BearerT"]),
            (&[("authorization", "Digest a, b")], None, &[]),
            (&[("authorization", "T")], None, &["T"]),
            (&[("accept", "T")], None, &[]),
            (&[("cookie", "reinflate")], None, &[]),
            (&[("cookie", "xreinflate=T; reinflatex=T; REINFLATE=T")], None, &[]),
            (&[("cookie", "__Host-reinflate=T")], None, &[]),
            (&[("cookie", "__Secure-reinflate=T")], None, &[]),
            // Cookies that disagree are none, in either order.
            (&[("cookie", "reinflate=T; reinflate=U")], None, &["T", "U"]),
            (&[("cookie", "reinflate=U"), ("cookie", "reinflate=T")], None, &["U", "T"]),
            (&[("cookie", "reinflate=T; reinflate=U; __Host-reinflate=V")], None, &["T", "U"]),
        ] {
            let (one, every) = read(lines);
            assert_eq!(
                (one, every.as_slice()),
                (Ok(found.map(str::to_owned)), owned(all).as_slice()),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn what_ends_sessions_finds_tokens_also_where_they_should_not_stand() {
        for (line, all) in [
            (("token", "A,B"), &["A", "B"][..]),
            (("token", "A , B,"), &["A", "B", ""]),
            (("token", "Bearer A"), &["A"]),
            (("token", "bearer\tA, B"), &["A", "B"]),
            (("token", "\"A\""), &["A"]),
            (("authorization", "Bearer A, Bearer B"), &["A", "B"]),
            (("authorization", "Bearer A,B"), &["A", "B"]),
            (("authorization", "Bearer\tA"), &["A"]),
            (("authorization", "Bearer \"A\""), &["A"]),
            (("authorization", "Basic eA==, Bearer A"), &["A"]),
            (("authorization", "Bearer A, Basic eA==, B"), &["A"]),
            (("authorization", "A"), &["A"]),
            (("cookie", "reinflate=A, reinflate=B"), &["A", "B"]),
            (("cookie", "theme=dark,reinflate=A; reinflate2=B"), &["A"]),
            (("cookie", "reinflate=\"A\""), &["A"]),
        ] {
            let (one, every) = read(&[line]);
            assert_eq!(every, owned(all), "{line:?}");
            // Every other use goes on taking none of several, and nothing that is not as it should be.
            let one = one.unwrap_or_default().unwrap_or_default();
            assert!(one.is_empty() || !["A", "B"].contains(&one.as_str()), "{line:?}: {one}");
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn two_tokens_or_one_header_twice_are_ambiguous_and_all_are_still_found() {
        let twice = |name| Ambiguous::Repeated(Repeated(HeaderName::from_static(name)));
        for (lines, error, all) in [
            (&[("token", "T"), ("token", "T")][..], twice("token"), &["T", "T"][..]),
            (&[("token", "T"), ("token", "")], twice("token"), &["T", ""]),
            (
                &[("authorization", "Bearer T"), ("authorization", "Bearer T")],
                twice("authorization"),
                &["T", "T"],
            ),
            (
                &[("authorization", "Basic eA=="), ("authorization", "Bearer T")],
                twice("authorization"),
                &["T"],
            ),
            (
                &[("authorization", "Bearer T"), ("authorization", "Basic T")],
                twice("authorization"),
                &["T"],
            ),
            (&[("token", "T"), ("authorization", "Bearer U")], Ambiguous::Different, &["T", "U"]),
        ] {
            assert_eq!(read(lines), (Err(error), owned(all)), "{lines:?}");
        }
        assert_eq!(twice("token").to_string(), "the header `token` is given twice");
    }

    #[test]
    fn a_cookie_of_another_name_is_never_read_in_place_of_the_one() {
        let names = [HOST_COOKIE, SECURE_COOKIE, PLAIN_COOKIE];
        let find = |headers: &HeaderMap, name: &str| {
            let found = Carried::find(headers, name).unwrap();
            found.map(|token| token.to_text().into_owned())
        };
        for name in [HOST_COOKIE, SECURE_COOKIE, PLAIN_COOKIE, "sid"] {
            for other in names.into_iter().filter(|other| *other != name) {
                let mut headers = HeaderMap::new();
                let planted = HeaderValue::try_from(format!("{other}=planted")).unwrap();
                headers.append("cookie", planted);
                assert_eq!(find(&headers, name), None, "{other} for {name}");
                assert_eq!(other_cookie(&headers, name), Some(other));
                let own = HeaderValue::try_from(format!("{name}=own")).unwrap();
                headers.append("cookie", own);
                assert_eq!(find(&headers, name).as_deref(), Some("own"), "{other}, {name}");
                assert_eq!(other_cookie(&headers, name), None);
            }
            let unrelated = headers(&[("cookie", "theme=dark; reinflate2=x; __Host-sid=y")]);
            assert_eq!(other_cookie(&unrelated, name), None);
        }
    }

    #[test]
    fn a_token_that_is_no_text_is_a_token_all_the_same() {
        let mut headers = HeaderMap::new();
        headers.append("token", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let found = Carried::find(&headers, "reinflate").unwrap().unwrap();
        assert_eq!((found.as_bytes(), &*found.to_text()), (&b"\xff\xfe"[..], "\u{fffd}\u{fffd}"));
    }
}
