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
/// another scheme counts as none; an empty token is one, and opens nothing. Of `cookie_names` the
/// first that is there is read; given twice with different values, it counts as none.
///
/// # Errors
///
/// [`TwoTokens`] if two headers hold different tokens, or one header is given twice.
pub fn find_token<'h, N: AsRef<str>>(
    headers: &'h HeaderMap,
    cookie_names: &[N],
) -> Result<Option<Cow<'h, str>>, TwoTokens> {
    let plain = only(headers, &TOKEN)?.map(HeaderValue::as_bytes);
    let bearer = only(headers, &AUTHORIZATION)?.and_then(|value| bearer(value.as_bytes()));
    let in_header = match (plain, bearer) {
        (Some(plain), Some(bearer)) if plain != bearer => return Err(TwoTokens),
        (plain, bearer) => plain.or(bearer),
    };
    let in_cookie = || {
        let first = cookie_names.iter().find_map(|name| in_cookie(headers, name.as_ref()));
        first.and_then(Result::ok)
    };
    let token = in_header.or_else(in_cookie);
    // What is no text is no token of ours; as text it is still that.
    Ok(token.map(String::from_utf8_lossy))
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

    const NAMES: [&str; 3] = ["__Host-reinflate", "__Secure-reinflate", "reinflate"];

    fn token_of(lines: &[(&'static str, &'static str)]) -> Result<Option<String>, TwoTokens> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        find_token(&headers, &NAMES).map(|token| token.map(Cow::into_owned))
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
            &[("cookie", "reinflate=C; __Host-reinflate=T; __Secure-reinflate=D")],
            &[("cookie", "reinflate=C; __Secure-reinflate=T")],
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
            &[("cookie", "__Host-reinflate=T; __Host-reinflate=U; reinflate=V")],
        ] {
            assert_eq!(token_of(lines), Ok(None), "{lines:?}");
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
        assert!(find_token(&headers, &NAMES).unwrap().is_some());
    }
}
