//! What a minted token is narrowed to.

use std::fmt;
use std::sync::Arc;

/// The most scopes of one token, and the most characters of one.
const MOST_SCOPES: usize = 32;
const LONGEST_SCOPE: usize = 64;

/// What a session is narrowed to, each once and in the order in which they were named: 1 to 32 of 1 to
/// 64 of `a-z0-9:._/-`. A session without any may do all that its role may.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scopes(
    /// With a blank between two.
    Arc<str>,
);

impl Scopes {
    /// The scopes of these names; one that is named again counts once. `None` where there are none,
    /// too many, or one that cannot be one.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Option<Self> {
        let mut distinct: Vec<&str> = Vec::with_capacity(names.len().min(MOST_SCOPES));
        for name in names.iter().map(AsRef::as_ref) {
            if !Self::is_scope(name) {
                return None;
            }
            if !distinct.contains(&name) {
                distinct.push(name);
            }
            if distinct.len() > MOST_SCOPES {
                return None;
            }
        }
        (!distinct.is_empty()).then(|| Self(distinct.join(" ").into()))
    }

    /// Whether this can be the name of a scope.
    pub fn is_scope(name: &str) -> bool {
        let is_allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":._/-".contains(&byte)
        };
        (1..=LONGEST_SCOPE).contains(&name.len()) && name.bytes().all(is_allowed)
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }

    /// Whether it is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|scope| scope == name)
    }

    /// All of them with a blank between two, as OAuth writes scopes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_in_order_and_each_once() {
        let scopes = Scopes::parse(&["reports:read", "a/b-c_d.e", "reports:read"]).unwrap();
        assert_eq!(scopes.iter().collect::<Vec<_>>(), ["reports:read", "a/b-c_d.e"]);
        assert_eq!(scopes.as_str(), "reports:read a/b-c_d.e");
        assert!(scopes.contains("reports:read"));
        assert!(!scopes.contains("reports") && !scopes.contains(""));
    }

    #[test]
    fn what_could_be_mistaken_is_no_scope() {
        let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
        assert!(Scopes::parse(&[longest]).is_some());
        for bad in ["", " ", "a b", "a\"", "A", "ü", "a,b", "a\n", "*", too_long.as_str()] {
            assert_eq!(Scopes::parse(&["fine", bad]), None, "{bad:?}");
        }
        assert_eq!(Scopes::parse::<&str>(&[]), None);
        let names = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>();
        assert!(Scopes::parse(&names(32)).is_some());
        assert_eq!(Scopes::parse(&names(33)), None);
    }
}
