//! The most common passwords.

use std::collections::HashSet;
use std::sync::LazyLock;

static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("blocklist.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// Whether the text, lower-cased, is on the list as it is.
pub(crate) fn contains(lower: &str) -> bool {
    WORDS.contains(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_lower_cased_and_names_each_word_once() {
        let lines: Vec<&str> = include_str!("blocklist.txt").lines().collect();
        let words: Vec<&&str> = lines.iter().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(words.len(), WORDS.len());
        assert!(
            words.iter().all(|word| **word == word.to_lowercase() && word.chars().count() >= 8)
        );
        assert!(contains("password") && !contains("Password") && !contains(""));
    }
}
