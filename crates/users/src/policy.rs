//! Which passwords a user may choose: long ones that are not known to everybody. No rule asks for
//! a digit or a sign or forbids a pattern, and nothing is cut, trimmed or normalised:
//! [NIST SP 800-63B-4 §3.1.1](https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver).
//!
//! The reasons are shown to the person who chooses and never repeat the password.

use crate::{OpenError, Password, User, UsersError, blocklist};

const LEAST_MIN: usize = 8;
const MAX_CHARS: usize = 128;
const SERVICE: &str = "reinflate";

pub(crate) struct Policy {
    min_chars: usize,
}

/// Whose password it is to be: what an attacker would try first.
pub(crate) struct Owner {
    names: Vec<String>,
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
        if blocklist::contains(&lower) {
            return Some("the password is one of the most common ones".to_owned());
        }
        owner
            .names
            .contains(&lower)
            .then(|| "the password is the name of the service or of its owner".to_owned())
    }
}

impl From<&User> for Owner {
    fn from(user: &User) -> Self {
        let address = user.email.as_str();
        let local = address.split('@').next().unwrap_or_default();
        let [first, last] =
            [&user.first_name, &user.last_name].map(|name| name.as_deref().unwrap_or_default());
        let names = [SERVICE, address, local, first, last]
            .map(str::to_lowercase)
            .into_iter()
            .chain([format!("{first} {last}"), format!("{first}{last}")].map(|n| n.to_lowercase()));
        Self { names: names.collect() }
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
            email_verified: true,
            first_name: Some("Annabelle Marie".into()),
            last_name: Some("Stone".into()),
            roles: vec!["user".into()],
            disabled: false,
            demo: false,
            service: false,
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
            "käse zum frühstück",
            "                x",
            "my cat Annabelle chases mice",
            "annabelle.stone@example.com!",
            "4821905736284610",
            "\0\r\n verbatim \0\0",
            "reinflatereinflate",
        ] {
            assert_eq!(reason(password), None, "{password}");
        }
    }

    #[test]
    fn no_rule_forbids_repetitions_sequences_or_common_words_within() {
        for password in [
            "a".repeat(15),
            "x".repeat(128),
            "é".repeat(128),
            "abcabcabcabcabcabc".to_owned(),
            "0123456789abcdef".to_owned(),
            "asdfghjkl asdfghjkl".to_owned(),
            "password password".to_owned(),
        ] {
            assert_eq!(reason(&password), None, "{password}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_up_to_both_ends() {
        assert!(reason("fourteen chars").is_some());
        assert_eq!(reason("fifteen chars !"), None);
        assert_eq!(reason("ünfzehn Zeichen"), None);
        assert!(reason(&"é".repeat(14)).is_some());
        assert!(reason(&"é".repeat(129)).is_some());
    }

    #[test]
    fn what_everybody_knows_is_refused_in_any_case() {
        for password in ["passwordpassword", "Password12345678", "1Q2W3E4R5T6Y7U8I"] {
            assert!(reason(password).is_some(), "{password}");
        }
        let short = Policy::new(8).unwrap();
        for password in ["Password", "Reinflate", "annabelle marie"] {
            assert!(short.reason(password, &owner()).is_some(), "{password}");
        }
    }

    #[test]
    fn the_names_of_the_owner_are_refused() {
        for password in ["Annabelle.Stone@example.com", "annabelle.stone", "Annabelle Marie Stone"]
        {
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
