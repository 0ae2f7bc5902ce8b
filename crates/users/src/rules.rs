//! Which names and roles a user may have. Addresses and passwords have files of their own.

use crate::UsersError;
use crate::email::{self, is_invisible};

const MAX_NAME_CHARS: usize = 100;
const MAX_SERVICE_NAME_LEN: usize = 254;
const MAX_ROLES: usize = 32;
const MAX_ROLE_LEN: usize = 64;

/// Checks an address before a user of that name is made. White space around it does not matter,
/// unless it is a control character, such as a tab.
///
/// # Errors
/// `Rule`.
pub fn check_email(address: &str) -> Result<(), UsersError> {
    email::check(address).map_err(rule)
}

/// Checks the name of a service before a user of that name is made: it need be no address.
///
/// # Errors
/// `Rule`.
pub fn check_service_name(name: &str) -> Result<(), UsersError> {
    let name = name.trim();
    let is_hidden = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c);
    if (1..=MAX_SERVICE_NAME_LEN).contains(&name.len()) && !name.contains(is_hidden) {
        return Ok(());
    }
    Err(rule("a service's name has 1 to 254 bytes, no white space and nothing invisible"))
}

/// A name as it is stored: without white space around it, and none where nothing else is in it.
pub(crate) fn trimmed(name: Option<String>) -> Option<String> {
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Checks a first or last name, or what else a person is called.
///
/// # Errors
/// `Rule`.
pub fn check_name(name: Option<&str>) -> Result<(), UsersError> {
    let Some(name) = name else { return Ok(()) };
    if name.trim().chars().count() > MAX_NAME_CHARS {
        return Err(rule("a name has at most 100 characters"));
    }
    // White space around it is not stored; a control character is refused there, too.
    let stored = name.trim_matches(|c: char| c.is_whitespace() && !c.is_control());
    if has_hidden(stored) {
        return Err(rule("a name has no control characters, no line breaks and nothing invisible"));
    }
    Ok(())
}

/// Whether a name has a character that nobody sees, or that breaks the line or turns it round.
pub fn has_hidden(name: &str) -> bool {
    // Joiners stay allowed in names: some scripts need them.
    let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    name.contains(|c: char| breaks_line(c) || (is_invisible(c) && !is_joiner(c)))
}

/// Checks a user's roles, all of them.
///
/// # Errors
/// `Rule`.
pub fn check_roles(roles: &[String]) -> Result<(), UsersError> {
    if roles.is_empty() || roles.len() > MAX_ROLES {
        return Err(rule("a user has 1 to 32 roles"));
    }
    if !roles.iter().all(|role| is_role(role)) {
        return Err(rule("a role has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'"));
    }
    if roles.iter().enumerate().any(|(at, role)| roles[..at].contains(role)) {
        return Err(rule("a role is named once"));
    }
    Ok(())
}

/// Whether this can be the name of a role.
pub fn is_role(role: &str) -> bool {
    (1..=MAX_ROLE_LEN).contains(&role.len())
        && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn rule(text: &str) -> UsersError {
    UsersError::Rule(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Result<(), UsersError> {
        check_roles(&names.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn free_role_names_are_accepted() {
        assert_eq!(roles(&["admin", "user", "team.a_b-c"]), Ok(()));
    }

    #[test]
    fn roles_that_could_be_mistaken_are_refused() {
        for wrong in [&[][..], &[""], &["a b"], &["a;b"], &["a", "a"], &["ädmin"], &["admin\n"]] {
            assert!(roles(wrong).is_err(), "{wrong:?}");
        }
        assert!(roles(&["x".repeat(65).as_str()]).is_err());
        let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
        assert!(check_roles(&many).is_err());
    }

    #[test]
    fn a_services_name_is_one_word_that_can_be_read() {
        for name in ["ci", " deploy-bot ", "ci@example.com", "Zoë/7"] {
            assert_eq!(check_service_name(name), Ok(()), "{name}");
        }
        for name in ["", " ", "a b", "a\nb", "a\u{200b}b", "a\u{202e}b", &"x".repeat(255)] {
            assert!(check_service_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_may_be_anything_that_can_be_read() {
        for name in ["Ann", "Zoë \"O'Neil\" <b>", "می‌خواهم", "'; DROP TABLE users; --", ""]
        {
            assert_eq!(check_name(Some(name)), Ok(()), "{name}");
        }
        for name in ["a\0b", "a\r\nb", "a\u{2028}b", "a\u{202e}b", &"x".repeat(101)] {
            assert!(check_name(Some(name)).is_err(), "{name:?}");
        }
    }
}
