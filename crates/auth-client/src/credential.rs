//! Which token a request carries: in the header `token`, in `Authorization: Bearer`, or in a
//! cookie. It says nothing about whether the token is good, and never looks at the query.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

const TOKEN: HeaderName = HeaderName::from_static("token");

/// More than one token, or one header given twice: which of them is meant is not for us to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoTokens;

/// The token that the request carries, if any.
///
/// A header goes before the cookie, which browsers add by themselves. An `Authorization` of
/// another scheme counts as none; an empty token is one, and opens nothing. A cookie is read by
/// its exact name and no other; given twice with different values, it counts as none.
///
/// # Errors
///
/// [`TwoTokens`] if two headers hold different tokens, or one header is given twice.
pub fn find_token<'h>(
    headers: &'h HeaderMap,
    cookie_name: &str,
) -> Result<Option<Cow<'h, str>>, TwoTokens> {
    let plain = only(headers, &TOKEN)?.map(HeaderValue::as_bytes);
    let bearer = only(headers, &AUTHORIZATION)?.and_then(|value| bearer(value.as_bytes()));
    let in_header = match (plain, bearer) {
        (Some(plain), Some(bearer)) if plain != bearer => return Err(TwoTokens),
        (plain, bearer) => plain.or(bearer),
    };
    let token = in_header.or_else(|| in_cookie(headers, cookie_name).and_then(Result::ok));
    // What is no text is no token of ours; as text it is still that.
    Ok(token.map(String::from_utf8_lossy))
}

/// The names that the auth service gives its cookie, the strictest first: a browser takes one with
/// a prefix only from whom the prefix promises ([RFC 6265bis, cookie name prefixes]).
///
/// [RFC 6265bis, cookie name prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-cookie-name-prefixes
const COOKIE_NAMES: [&str; 3] = ["__Host-reinflate", "__Secure-reinflate", "reinflate"];

/// Another of the auth service's cookie names that is there while `cookie_name` is not: most
/// likely the two services disagree about the name.
pub(crate) fn other_cookie(headers: &HeaderMap, cookie_name: &str) -> Option<&'static str> {
    if in_cookie(headers, cookie_name).is_some() {
        return None;
    }
    COOKIE_NAMES.into_iter().find(|name| in_cookie(headers, name).is_some())
}

fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, TwoTokens> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(TwoTokens),
        (value, None) => Ok(value),
    }
}

/// The token of a `Bearer` credential, whose scheme is case-insensitive ([RFC 9110 §11.1]).
///
/// [RFC 9110 §11.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"bearer".len())?;
    let ours = scheme.eq_ignore_ascii_case(b"bearer") && matches!(rest, [] | [b' ', ..]);
    ours.then(|| rest.trim_ascii())
}

/// `None` if there is no cookie of the name, an error if there are different ones of it.
fn in_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<Result<&'h [u8], TwoTokens>> {
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| value_of(pair.trim_ascii(), name.as_bytes()));
    let first = values.next()?;
    Some(if values.all(|other| other == first) { Ok(first) } else { Err(TwoTokens) })
}

fn value_of<'h>(pair: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (before, after) = pair.split_at(equals);
    (before.trim_ascii() == name).then(|| after[1..].trim_ascii())
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

    fn token_of(lines: &Lines) -> Result<Option<String>, TwoTokens> {
        let headers = headers(lines);
        find_token(&headers, "reinflate").map(|token| token.map(Cow::into_owned))
    }

    #[test]
    fn a_token_is_found_wherever_it_may_stand() {
        for lines in [
            &[("token", "T")][..],
            &[("authorization", "Bearer T")],
            &[("authorization", "bEARER   T ")],
            &[("token", "T"), ("authorization", "Bearer T")],
            &[("token", "T"), ("authorization", "Basic eA==")],
            &[("token", "T"), ("cookie", "reinflate=C")],
            &[("authorization", "Bearer T"), ("cookie", "reinflate=C; reinflate=D")],
            &[("authorization", "Basic eA=="), ("cookie", "reinflate=T")],
            &[("cookie", "a=b; reinflate=T; c")],
            &[("cookie", "a=b"), ("cookie", "reinflate=T")],
            &[("cookie", "reinflate=T; reinflate=T")],
            &[("cookie", "__Host-reinflate=C; reinflate=T; __Secure-reinflate=D")],
        ] {
            assert_eq!(token_of(lines), Ok(Some("T".to_owned())), "{lines:?}");
        }
    }

    #[test]
    fn no_token_is_found_where_none_may_stand() {
        for lines in [
            &[][..],
            &[("authorization", "Basic T")],
            &[("authorization", "BearerT")],
            &[("authorization", "T")],
            &[("cookie", "reinflate")],
            &[("cookie", "xreinflate=T; reinflatex=T; REINFLATE=T")],
            &[("cookie", "reinflate=T; reinflate=U")],
            &[("cookie", "reinflate=T"), ("cookie", "reinflate=U")],
            &[("cookie", "reinflate=T; reinflate=U; __Host-reinflate=V")],
            &[("cookie", "__Host-reinflate=T")],
            &[("cookie", "__Secure-reinflate=T")],
        ] {
            assert_eq!(token_of(lines), Ok(None), "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_of_another_name_is_never_read_in_place_of_the_one() {
        for name in ["__Host-reinflate", "__Secure-reinflate", "reinflate", "sid"] {
            for other in COOKIE_NAMES.into_iter().filter(|other| *other != name) {
                let mut headers = HeaderMap::new();
                let planted = HeaderValue::try_from(format!("{other}=planted")).unwrap();
                headers.append("cookie", planted);
                assert_eq!(find_token(&headers, name), Ok(None), "{other} for {name}");
                assert_eq!(other_cookie(&headers, name), Some(other));
                let own = HeaderValue::try_from(format!("{name}=own")).unwrap();
                headers.append("cookie", own);
                assert_eq!(find_token(&headers, name), Ok(Some("own".into())), "{other}, {name}");
                assert_eq!(other_cookie(&headers, name), None);
            }
            let unrelated = headers(&[("cookie", "theme=dark; reinflate2=x; __Host-sid=y")]);
            assert_eq!(other_cookie(&unrelated, name), None);
        }
    }

    #[test]
    fn an_empty_token_is_a_token_and_goes_before_the_cookie() {
        for lines in [
            &[("token", "")][..],
            &[("token", ""), ("cookie", "reinflate=C")],
            &[("authorization", "Bearer"), ("cookie", "reinflate=C")],
            &[("authorization", "Bearer ")],
            &[("cookie", "reinflate=")],
        ] {
            assert_eq!(token_of(lines), Ok(Some(String::new())), "{lines:?}");
        }
    }

    #[test]
    fn two_tokens_or_one_header_twice_are_refused() {
        for lines in [
            &[("token", "T"), ("token", "T")][..],
            &[("token", "T"), ("token", "")],
            &[("authorization", "Bearer T"), ("authorization", "Bearer T")],
            &[("authorization", "Basic eA=="), ("authorization", "Bearer T")],
            &[("token", "T"), ("authorization", "Bearer U")],
        ] {
            assert_eq!(token_of(lines), Err(TwoTokens), "{lines:?}");
        }
    }

    #[test]
    fn a_token_that_is_no_text_is_a_token_all_the_same() {
        let mut headers = HeaderMap::new();
        headers.append("token", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        assert!(find_token(&headers, "reinflate").unwrap().is_some());
    }
}
