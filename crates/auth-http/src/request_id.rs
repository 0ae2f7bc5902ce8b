//! The id that a request is known by in the logs of every service that it passes through.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller.
const LONGEST: usize = 128;

/// Whether this may stand in our logs as the id of a request: 1 to 128 of `A-Za-z0-9._-`.
pub fn is_request_id(text: &[u8]) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'_' | b'-');
    // Without an end before the last byte, so that the compiler looks at many of them at once.
    (1..=LONGEST).contains(&text.len())
        && text.iter().fold(true, |all, byte| all & is_allowed(*byte))
}

/// The id that came with a request, if exactly one came and it is well-formed.
pub fn given(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let value = values.next().filter(|value| is_request_id(value.as_bytes()))?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_well_formed_id_is_taken_and_any_other_is_not() {
        let longest = [b'x'; 128];
        for (values, is_taken) in [
            (&[&b"aZ09._-"[..]][..], true),
            (&[&longest], true),
            (&[&[b'x'; 129]], false),
            (&[b""], false),
            (&[b"a b"], false),
            (&[b"a/b"], false),
            (&[b"a\xffb"], false),
            (&[b"a\"b"], false),
            (&[b"a", b"a"], false),
            (&[], false),
        ] {
            let line = |value: &&[u8]| (X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            let headers: HeaderMap = values.iter().map(line).collect();
            let expected = is_taken.then(|| values[0]);
            assert_eq!(given(&headers).map(HeaderValue::as_bytes), expected, "{values:?}");
        }
    }
}
