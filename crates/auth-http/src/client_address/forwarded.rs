//! The header `Forwarded`, in which proxies name whom they ask for
//! ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).

use std::borrow::Cow;
use std::net::IpAddr;

use super::parse_address;

/// The client of each hop in one line of the header, the last hop first; `None` for one that says
/// nothing of it: `unknown`, hidden behind a made-up name, without a `for`, or malformed.
///
/// INVARIANT: it is read from right to left. What a client wrote itself stands to the left, and
/// nothing there, such as a quotation mark that is never closed, changes how the rest is read.
pub(super) fn hops(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    elements(line, b',').map(|element| std::str::from_utf8(element).ok().and_then(client))
}

/// The parts between the separators outside of quotation marks, the last one first.
fn elements(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let (left, element) = match last(text, separator) {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        rest = left;
        Some(element)
    })
}

/// Where the last separator outside of quotation marks stands.
fn last(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev() {
        let backslashes = || bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if *byte == b'"' && !(quoted && backslashes() % 2 == 1) {
            quoted = !quoted;
        } else if *byte == separator && !quoted {
            return Some(at);
        }
    }
    None
}

/// The address in the one `for` of an element.
fn client(element: &str) -> Option<IpAddr> {
    let mut nodes = elements(element.as_bytes(), b';').filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let node = unquoted(nodes.next()?)?;
    if nodes.next().is_some() {
        return None;
    }
    parse_address(&node).or_else(|| {
        // A port may be a made-up name too.
        let (node, port) = node.rsplit_once(':')?;
        port.starts_with('_').then(|| parse_address(node)).flatten()
    })
}

/// What stands in quotation marks, or a value without any.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let inner = rest.strip_suffix('"')?;
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<String> {
        let shown = |ip: Option<IpAddr>| ip.map_or("-".to_owned(), |ip| ip.to_string());
        hops(line.as_bytes()).map(shown).collect()
    }

    #[test]
    fn each_hop_is_read_in_every_form_that_the_rfc_has() {
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("for=\"[2001:db8::17]\"", &["2001:db8::17"]),
            ("for=192.0.2.43, for=198.51.100.17", &["198.51.100.17", "192.0.2.43"]),
            ("proto=https; FOR = \"192.0.2.43:47011\" ; by=_me", &["192.0.2.43"]),
            ("for=\"192.0.2.43:_port\"", &["192.0.2.43"]),
            ("for=\"[2001:db8::17]:_a.b-c\"", &["2001:db8::17"]),
            ("for=\"192\\.0.2.43\"", &["192.0.2.43"]),
            ("for=\"[::ffff:192.0.2.43]\"", &["192.0.2.43"]),
            ("for=_hidden, for=unknown", &["-", "-"]),
            ("for=\"_SEVKISEK\"", &["-"]),
            ("proto=https;by=192.0.2.1", &["-"]),
            ("for=192.0.2.1;for=192.0.2.2", &["-"]),
            ("for=", &["-"]),
            ("for", &["-"]),
            ("", &["-"]),
            ("for=192.0.2.1,", &["-", "192.0.2.1"]),
            ("for=\"192.0.2.1", &["-"]),
            ("for=192.0.2.1\"", &["-"]),
            ("for=\"192.0.2.1\"x", &["-"]),
            ("for=\"a\"b\"", &["-"]),
            ("before=192.0.2.1", &["-"]),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn what_stands_to_the_left_changes_nothing_to_the_right() {
        for left in
            ["for=\"", "\"", "for=\"\\", "\\", "for=\"6.6.6.6", "a=\"b\\\"", ";;;", ",\",\""]
        {
            for own in
                ["for=192.0.2.7", "for=\"192.0.2.7:1\"", "for=192.0.2.7;host=\"a,b;for=6.6.6.6\""]
            {
                let read = read(&format!("{left}, {own}"));
                assert_eq!(read[0], "192.0.2.7", "{left} before {own}");
            }
        }
    }

    #[test]
    fn separators_and_quotation_marks_within_quotation_marks_are_text() {
        let line = r#"for=192.0.2.1;host="a\\", for=192.0.2.2;host="b\",for=6.6.6.6,\"""#;
        assert_eq!(read(line), ["192.0.2.2", "192.0.2.1"]);
    }
}
