//! Which passwords a user may choose: long ones that are not known to everybody. No rule asks for
//! a digit or a sign, and nothing is cut, trimmed or normalised.
//!
//! The reasons are told to the person who chooses and never repeat the password.

use crate::patterns::{is_repetition, is_walk, unit};
use crate::{OpenError, Password, User, UsersError, blocklist};

const LEAST_MIN: usize = 8;
const MAX_CHARS: usize = 128;
const SERVICE: &str = "reinflate";
/// A shorter word is found in many a good password by chance.
const MIN_WORD: usize = 4;

pub(crate) struct Policy {
    min_chars: usize,
}

/// Whose password it is to be: what an attacker would try first.
pub(crate) struct Owner {
    words: Vec<String>,
}

impl Policy {
    pub(crate) fn new(min_chars: usize) -> Result<Self, OpenError> {
        if (LEAST_MIN..=MAX_CHARS).contains(&min_chars) {
            return Ok(Self { min_chars });
        }
        let text = format!("a password's least length is {LEAST_MIN} to {MAX_CHARS} characters");
        Err(OpenError::Setting(text))
    }

    /// Whether `owner` may have this password.
    pub(crate) fn check(&self, password: &Password, owner: &Owner) -> Result<(), UsersError> {
        self.reason(password.as_str(), owner).map_or(Ok(()), |why| Err(UsersError::Rule(why)))
    }

    fn reason(&self, password: &str, owner: &Owner) -> Option<String> {
        let length = password.chars().count();
        if length < self.min_chars {
            return Some(format!("a password has at least {} characters", self.min_chars));
        }
        if length > MAX_CHARS {
            return Some(format!("a password has at most {MAX_CHARS} characters"));
        }
        let lower = password.to_lowercase();
        let chars: Vec<char> = lower.chars().collect();
        if is_repetition(&chars) {
            return Some("the password repeats a character or a short pattern".to_owned());
        }
        if is_walk(&chars) {
            return Some("the password is a known sequence of keys".to_owned());
        }
        if is_common(&lower) {
            return Some("the password is one of the most common ones".to_owned());
        }
        owner.is_essence_of(&lower).then(|| {
            "the password is little more than the name of the service or of its owner".to_owned()
        })
    }
}

/// Whether it is a common password, alone, repeated, or dressed up with signs before and behind.
fn is_common(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let unit: String = unit(&chars).iter().collect();
    let core = |text: &str| text.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
    [lower.to_owned(), unit.clone(), core(lower), core(&unit)]
        .iter()
        .any(|text| blocklist::contains(text) || blocklist::contains(&plain(text)))
}

/// The letters that signs often stand for.
fn plain(text: &str) -> String {
    let letter = |c| match c {
        '@' | '4' => 'a',
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

impl Owner {
    /// Whether little is left of a password once the owner's words and the service's are taken out.
    fn is_essence_of(&self, lower: &str) -> bool {
        [lower.to_owned(), plain(lower)].iter().any(|text| {
            let rest = self.words.iter().fold(text.clone(), |rest, word| rest.replace(word, ""));
            rest != *text && is_little(&rest)
        })
    }
}

fn is_little(rest: &str) -> bool {
    let letters = rest.chars().filter(|c| c.is_alphabetic()).count();
    let chars: Vec<char> = rest.chars().collect();
    (letters < 4 && chars.len() < 10) || is_repetition(&chars) || is_walk(&chars) || is_common(rest)
}

impl From<&User> for Owner {
    fn from(user: &User) -> Self {
        let address = user.email.trim().to_lowercase();
        let names = [&user.first_name, &user.last_name];
        let names: Vec<String> = names.into_iter().flatten().map(|n| n.to_lowercase()).collect();
        let local = address.split('@').next().unwrap_or_default();
        let parts = address.split(|c: char| !c.is_alphanumeric());
        let mut words: Vec<String> = [SERVICE, &address, local]
            .into_iter()
            .chain(parts)
            .chain(names.iter().flat_map(|name| name.split_whitespace()))
            .filter(|word| word.chars().count() >= MIN_WORD)
            .map(str::to_owned)
            .collect();
        // The longest first: the address before its parts.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self { words }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn owner() -> Owner {
        Owner::from(&User {
            id: Uuid::nil(),
            email: "Annabelle.Stone@Example.com".into(),
            first_name: Some("Annabelle Marie".into()),
            last_name: Some("Stone".into()),
            roles: vec!["user".into()],
            disabled: false,
            demo: false,
            generation: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        })
    }

    fn reason(password: &str) -> Option<String> {
        Policy::new(15).unwrap().reason(password, &owner())
    }

    #[test]
    fn long_passwords_of_any_kind_are_accepted() {
        for password in [
            "correct horse battery staple",
            "a-long-enough-password",
            "käse zum frühstück",
            "                x",
            "my cat Annabelle chases mice",
            "4821905736284610",
            "\0\r\n verbatim \0\0",
            "ten thousand reinflated balloons",
            &"ab1 ".repeat(31).replacen("ab", "zq", 1),
        ] {
            assert_eq!(reason(password), None, "{password}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_up_to_both_ends() {
        assert!(reason("fourteen chars").is_some());
        assert_eq!(reason("fifteen chars !"), None);
        assert_eq!(reason("ünfzehn Zeichen"), None);
        assert_eq!(reason(&"0123456789abcdef-".repeat(8)[..128]), None);
        assert!(reason(&"0123456789abcdef-".repeat(8)[..129]).is_some());
    }

    #[test]
    fn what_everybody_knows_is_refused() {
        for password in [
            "passwordpassword",
            "Password12345678",
            "p@ssw0rd!!!!!!!!",
            "123456789012345",
            "qwertyuiopasdfgh",
            "aaaaaaaaaaaaaaaa",
            "1q2w3e4r5t6y7u8i",
            "iloveyou1234567",
            "letmeinletmeinletmein",
            "administrator2026",
        ] {
            assert!(reason(password).is_some(), "{password}");
        }
    }

    #[test]
    fn the_names_of_the_service_and_of_the_owner_are_refused() {
        for password in [
            "reinflatereinflate",
            "Reinflate-2026!!",
            "annabelle.stone@example.com",
            "AnnabelleStone1!",
            "annabelle12345678",
            "reinflatepassword",
            "marie-annabelle-99",
        ] {
            assert!(reason(password).is_some(), "{password}");
        }
    }

    #[test]
    fn a_reason_does_not_repeat_the_password() {
        let why = reason("passwordpassword").unwrap();
        assert!(!why.contains("passwordpassword"));
        assert!(Policy::new(7).is_err() && Policy::new(129).is_err() && Policy::new(8).is_ok());
    }
}
