//! A small reader of Rust: it blanks out what is no code and finds the functions. No parser: it
//! knows comments, literals, braces and the word `fn`, and that is all these rules need.

/// A function: where it begins, and how long it is from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// Every function with a body.
pub(crate) fn functions(text: &str) -> Vec<Function> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let name: String = code[start + 3..].chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() || code[..start].chars().next_back().is_some_and(is_word) {
            continue;
        }
        if let Some(end) = end_of_body(&code, start) {
            let line = 1 + code[..start].matches('\n').count();
            let lines = 1 + code[start..end].matches('\n').count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

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

/// Where the body of the function that begins at `start` ends; `None` where it has none.
fn end_of_body(code: &str, start: usize) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces <= 0 && brackets == 0 {
                    return Some(start + at);
                }
            }
            _ => {}
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn functions_are_found_with_their_length() {
    let text = "fn a() {}\n\nimpl X {\n    async fn b(\n        x: [u8; 3],\n    ) {\n        y();\n    }\n}\n\
                trait T {\n    fn c(&self);\n}\n";
    let found = functions(text);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], Function { name: "a".into(), line: 1, lines: 1 });
    assert_eq!(found[1], Function { name: "b".into(), line: 4, lines: 5 });
}

#[test]
fn braces_in_literals_and_comments_do_not_count() {
    let text = "fn a<'a>() {\n    let x = ('{', \"}\\\"{\", r#\"}\"}\"#, b'}', '\\'');\n    // }\n    /* } /* } */ */\n}\n";
    assert_eq!(functions(text), [Function { name: "a".into(), line: 1, lines: 5 }]);
    assert!(functions("// fn a() {}\nlet x = \"fn b() {}\";\n").is_empty());
}
