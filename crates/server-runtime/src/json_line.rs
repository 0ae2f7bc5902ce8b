//! Text in JSON that some readers of lines would take for the end of one.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The same JSON, with all that only some take for the end of a line, or that a terminal acts upon,
/// written as an escape: JSON itself leaves U+0085, U+2028 and the like as they are, and a user agent may
/// have them, so that whoever splits lines as Unicode does would read what that says as a line of ours.
///
/// INVARIANT: in JSON such a character can only be within a string.
pub fn json_line(json: &str) -> Cow<'_, str> {
    if !json.chars().any(may_end_a_line) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        if may_end_a_line(c) {
            // Writing to a String does not fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

fn may_end_a_line(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_somewhere_is_escaped_and_means_the_same() {
        let json = "{\"a\":\"ü \u{2028}data: x\u{85}\u{9b}31m\u{7f}\u{2029}é\"}";
        let line = json_line(json);
        assert_eq!(line, r#"{"a":"ü \u2028data: x\u0085\u009b31m\u007f\u2029é"}"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&line), read(json));
        assert!(matches!(json_line("{\"a\":\"ü…\"}"), Cow::Borrowed(_)));
    }
}
