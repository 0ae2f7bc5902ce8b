//! User names: which are accepted, and what they are compared by.

/// RFC 5321 leaves no room for more.
const MAX_LEN: usize = 254;

/// What user names are compared by: trimmed and lower-cased here, because databases fold
/// differently.
pub fn fold_name(name: &str) -> String {
    name.trim().to_lowercase()
}

/// A folded name; `None` for what no stored name can have, so that it need not be looked for.
pub(crate) fn key(name: &str) -> Option<String> {
    let key = fold_name(name);
    (!key.is_empty() && key.len() <= 4 * MAX_LEN && !key.contains(char::is_control)).then_some(key)
}

/// Why an address is refused as a user name, if it is.
pub(crate) fn check(email: &str) -> Result<(), &'static str> {
    if email.contains(char::is_control) {
        return Err("an e-mail address has no control characters");
    }
    let address = email.trim();
    if email.len() > MAX_LEN {
        return Err("an e-mail address has at most 254 bytes");
    }
    if address.contains(|c: char| c.is_whitespace() || is_invisible(c)) {
        return Err("an e-mail address has no white space and nothing invisible within");
    }
    match address.split_once('@') {
        Some((local, domain)) if !local.is_empty() && is_domain(domain) => Ok(()),
        _ => Err("an e-mail address has the form name@domain"),
    }
}

fn is_domain(domain: &str) -> bool {
    !domain.contains('@') && domain.split('.').all(|label| !label.is_empty())
}

/// Characters that take no room, look like a space, or turn the reading direction: with them, two
/// names look the same.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_trimmed_and_lower_cased() {
        assert_eq!(key(" Ann@Example.COM "), key("ann@example.com"));
        assert_eq!(key("ÄNN@example.com").as_deref(), Some("änn@example.com"));
        assert_ne!(
            key("аnn@example.com"),
            key("ann@example.com"),
            "a Cyrillic letter is another one"
        );
    }

    #[test]
    fn a_name_that_cannot_be_stored_is_not_looked_for() {
        for name in ["", "   ", "a\0b@example.com", "a\r\nb@example.com", &"x".repeat(100_000)] {
            assert_eq!(key(name), None);
        }
    }

    #[test]
    fn plausible_addresses_are_accepted_as_they_are() {
        for name in
            ["ann@example.com", "a=b+c'--@example.com", "root@localhost", " Ann@example.com "]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn implausible_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for name in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a@b@c",
            "a b@example.com",
            "a\u{200b}@b.c",
            "ann@example..com",
            "ann@.com",
            "ann@example.com\n",
            "a\0@example.com",
            &long,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
