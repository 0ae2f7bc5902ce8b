//! A small reader of Rust: it blanks out what is no code. No parser: it knows comments and literals,
//! and that is all these rules need.

/// The text with the same lines, but blanks for comments and the insides of literals.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let length = no_code(rest, after_word);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes of a comment or a literal this text begins with.
fn no_code(text: &str, after_word: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with('\'') {
        return character(text);
    }
    if !after_word && text.starts_with(['r', 'b', 'c']) { raw_string(text) } else { 0 }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal; a lifetime is code.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 0,
    }
}

fn raw_string(text: &str) -> usize {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix));
    let Some(prefix) = prefix else { return 0 };
    let hashes: String = text[prefix.len()..].chars().take_while(|c| *c == '#').collect();
    let start = prefix.len() + hashes.len();
    if !text[start..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{hashes}");
    text[start + 1..].find(&end).map_or(text.len(), |at| start + 1 + at + end.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_the_insides_of_literals_are_no_code() {
    let text =
        "let x = ('{', \"}\\\"{\", r#\"}\"}\"#, b'}', '\\'');\n// }\n/* } /* } */ */ y<'a>\n";
    let code = code_only(text);
    assert_eq!(code.matches('\n').count(), 3);
    assert!(!code.contains(['{', '}']), "{code}");
    assert!(code.contains("let x = (") && code.contains("y<'a>"), "{code}");
}
