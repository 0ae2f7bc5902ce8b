//! The JSON of a session, and of what a validation comes to, written as serde would write it, byte for
//! byte. By hand, since `serde_json` looks at each byte of each key and value for what needs an escape:
//! of a validation that was an eighth.

mod written;

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;

use uuid::Uuid;

use crate::{Kind, Results, SessionUser, SessionView, Timestamp, Transport, UserId, Verdict};

/// What can be written as JSON without a serializer. It writes what its `Serialize` would.
pub trait WriteJson {
    /// Appends it to `out`.
    fn write_json(&self, out: &mut Vec<u8>);
}

impl WriteJson for str {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        // Without an end before the last byte, so that the compiler looks at many of them at once.
        if self.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
            out.extend_from_slice(self.as_bytes());
        } else {
            self.bytes().for_each(|byte| escape(byte, out));
        }
        out.push(b'"');
    }
}

const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// [RFC 8259 §7](https://www.rfc-editor.org/rfc/rfc8259#section-7), in the shortest form.
fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0c' => b'f',
        b'\r' => b'r',
        _ if is_plain(byte) => return out.push(byte),
        _ => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 15)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The bytes that a text takes as JSON, its quotes included.
pub fn text_len(text: &str) -> usize {
    let plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    2 + if plain { text.len() } else { text.bytes().map(escaped_len).sum() }
}

const fn escaped_len(byte: u8) -> usize {
    match byte {
        _ if is_plain(byte) => 1,
        b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 2,
        _ => 6,
    }
}

impl WriteJson for Cow<'_, str> {
    fn write_json(&self, out: &mut Vec<u8>) {
        str::write_json(self, out);
    }
}

impl WriteJson for bool {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl WriteJson for u64 {
    fn write_json(&self, out: &mut Vec<u8>) {
        let (mut digits, mut first, mut rest) = ([0; 20], 20, *self);
        loop {
            first -= 1;
            digits[first] = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                return out.extend_from_slice(&digits[first..]);
            }
        }
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write_json(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut before = b'[';
        for value in self {
            out.push(before);
            value.write_json(out);
            before = b',';
        }
        if self.is_empty() {
            out.push(b'[');
        }
        out.push(b']');
    }
}

impl WriteJson for Uuid {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut text = [b'"'; 38];
        self.as_hyphenated().encode_lower(&mut text[1..37]);
        out.extend_from_slice(&text);
    }
}

impl WriteJson for IpAddr {
    fn write_json(&self, out: &mut Vec<u8>) {
        let Self::V4(address) = self else {
            // Writing to a vector does not fail.
            let _ = write!(out, "\"{self}\"");
            return;
        };
        let mut before = b'"';
        for octet in address.octets() {
            out.push(before);
            u64::from(octet).write_json(out);
            before = b'.';
        }
        out.push(b'"');
    }
}

impl WriteJson for Timestamp {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(&self.text());
        out.push(b'"');
    }
}

impl WriteJson for Kind {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Sliding => b"\"sliding\"",
            Self::Fixed => b"\"fixed\"",
            Self::SingleUse => b"\"single_use\"",
        });
    }
}

impl WriteJson for Transport {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Bearer => b"\"bearer\"",
            Self::Cookie => b"\"cookie\"",
        });
    }
}

impl WriteJson for UserId<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Own(id) => id.write_json(out),
            Self::External(id) => id.write_json(out),
        }
    }
}

impl WriteJson for SessionUser<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let Self { id, username, roles } = self;
        member(out, b"{\"id\":", id);
        member(out, b",\"username\":", username);
        member(out, b",\"roles\":", roles);
        if self.is_external() {
            member(out, b",\"external\":", &true);
        }
        out.push(b'}');
    }
}

impl WriteJson for SessionView<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        member(out, b"{\"id\":", &self.id);
        member(out, b",\"kind\":", &self.kind);
        member(out, b",\"transport\":", &self.transport);
        member(out, b",\"user\":", &self.user);
        member(out, b",\"role\":", &self.role);
        member(out, b",\"scopes\":", &self.scopes);
        member(out, b",\"name\":", &self.name);
        member(out, b",\"created_at\":", &self.created_at);
        member(out, b",\"last_used_at\":", &self.last_used_at);
        member(out, b",\"expires_at\":", &self.expires_at);
        member(out, b",\"expires_in\":", &self.expires_in);
        member(out, b",\"absolute_expires_at\":", &self.absolute_expires_at);
        member(out, b",\"refresh_count\":", &self.refresh_count);
        member(out, b",\"ip\":", &self.ip);
        member(out, b",\"user_agent\":", &self.user_agent);
        if let Some(current) = self.current {
            member(out, b",\"current\":", &current);
        }
        out.push(b'}');
    }
}

impl WriteJson for Verdict<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let Self { authenticated, session, reason, error } = self;
        let begin = out.len();
        if let Some(authenticated) = authenticated {
            member(out, b",\"authenticated\":", authenticated);
        }
        if let Some(session) = session {
            member(out, b",\"session\":", session);
        }
        if let Some(reason) = reason {
            member(out, b",\"reason\":", reason.as_str());
        }
        if let Some(error) = error {
            member(out, b",\"error\":", error);
        }
        match out.get_mut(begin) {
            Some(first) => *first = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }
}

impl WriteJson for Results<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        member(out, b"{\"results\":", &self.results);
        out.push(b'}');
    }
}

/// Writes a member of an object: what stands before its value, and the value.
pub fn member<const N: usize, T: WriteJson + ?Sized>(
    out: &mut Vec<u8>,
    before: &[u8; N],
    value: &T,
) {
    out.extend_from_slice(before);
    value.write_json(out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;
    use crate::strategies::{session, text, verdict};

    fn same<T: WriteJson + Serialize>(value: &T) {
        let mut written = b"before".to_vec();
        value.write_json(&mut written);
        let expected = format!("before{}", serde_json::to_string(value).unwrap());
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn verdicts_are_written_as_serde_writes_them(
            results in proptest::collection::vec(verdict(), 0..3),
        ) {
            results.iter().for_each(same);
            same(&Results { results });
        }

        #[test]
        fn texts_and_numbers_are_written_as_serde_writes_them(text in text(), number: u64) {
            same(&text);
            same(&number);
            prop_assert_eq!(text_len(&text), written(&text).len());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_serde_reads_it(
            results in proptest::collection::vec(verdict(), 1..3),
        ) {
            let (count, text) = (results.len(), written(&Results { results }));
            if let Some(read) = Results::read_written(&text, count) {
                prop_assert_eq!(read, serde_json::from_str(&text).unwrap());
            }
        }

        #[test]
        fn every_clear_answer_without_an_escape_is_read(session in session()) {
            let session = SessionView { current: None, ..session };
            let alive = Verdict { authenticated: Some(true), session: Some(session), ..Verdict::default() };
            let text = written(&alive);
            let read = Verdict::read_written(&text);
            prop_assert_eq!(read.is_some(), !text.contains('\\'));
            prop_assert!(read.is_none_or(|read| read == serde_json::from_str(&text).unwrap()));
        }

        #[test]
        fn what_borrows_nothing_says_the_same(session in session()) {
            prop_assert_eq!(session.clone().into_owned(), session);
        }
    }

    fn written(value: &impl WriteJson) -> String {
        let mut text = Vec::new();
        value.write_json(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_ascii_character_and_every_end_of_the_numbers() {
        for byte in 0..=0x7f_u8 {
            same(&Cow::from(format!("a{}b", char::from(byte))));
        }
        for number in [0, 9, 10, 99, 100, u64::MAX] {
            same(&number);
        }
    }
}
