//! Who it is, as headers for the service behind the proxy.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use session::{Scopes, Session};

/// The headers of every answer that lets a request pass.
///
/// INVARIANT: all of them, each with a value, so that a proxy that copies them overwrites whatever
/// a client sent under their names.
pub(super) fn headers(session: &Session) -> HeaderMap {
    let subject = &session.subject;
    let name = match subject.display_name.trim() {
        "" => &subject.username,
        name => name,
    };
    let id = subject.public_id();
    let scopes = session.scopes.as_ref().map_or("*", Scopes::as_str);
    let external = if subject.is_external() { "true" } else { "false" };
    let session_id = session.id.to_string();
    [
        ("remote-user", subject.username.as_ref()),
        ("remote-name", name),
        ("remote-email", &subject.username),
        ("remote-groups", session.role()),
        ("remote-scopes", scopes),
        ("remote-external", external),
        ("x-auth-user-id", &id),
        ("x-auth-session-id", &session_id),
    ]
    .into_iter()
    .map(|(name, value)| (HeaderName::from_static(name), encoded(value)))
    .collect()
}

/// Text as a header's value: printable ASCII as it is, the rest as the percent-encoding of its
/// UTF-8; so are `%`, and `+`, which decoders of forms read as a blank.
fn encoded(text: &str) -> HeaderValue {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if !b"%+".contains(&byte) => value.push(char::from(byte)),
            // Writing to a String does not fail.
            byte => drop(write!(value, "%{byte:02X}")),
        }
    }
    // What is left is printable, so that this does not fail.
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("%EF%BF%BD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_ascii_is_percent_encoded_and_so_are_percent_and_plus() {
        for (text, value) in [
            ("ann@example.com", "ann@example.com"),
            ("Ann Lee", "Ann Lee"),
            ("Zoë 100%", "Zo%C3%AB 100%25"),
            ("a\r\nb\0\u{7f}", "a%0D%0Ab%00%7F"),
            ("山", "%E5%B1%B1"),
            ("ann+news@example.com", "ann%2Bnews@example.com"),
            ("+", "%2B"),
            ("a + b%2B", "a %2B b%252B"),
        ] {
            assert_eq!(encoded(text), value, "{text:?}");
        }
    }

    #[test]
    fn every_decoder_reads_the_same_text() {
        let all = (0..=0x7f).map(char::from).chain("äß山\u{1f600}".chars());
        for text in all.map(|c| format!("a{c}b{c}")) {
            let value = encoded(&text);
            let bytes = value.as_bytes();
            assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)), "{value:?}");
            let decoded = percent_encoding::percent_decode(bytes).decode_utf8().unwrap();
            assert_eq!(decoded, text);
            // A decoder of forms, which takes a plus for a blank.
            let field = [b"v=", bytes].concat();
            let special = |byte: &u8| matches!(*byte, b'&' | b';' | b'=' | b'#');
            if !text.bytes().any(|byte| special(&byte)) {
                let (_, decoded) = url::form_urlencoded::parse(&field).next().unwrap();
                assert_eq!(decoded, text);
            }
        }
    }
}
