//! What the columns of a file, and the keys of its objects, are called. Case, `_`, `-` and blanks
//! do not matter. A name that is nearly one of ours is an error and is not skipped: accounts
//! that were to be disabled would be imported as enabled.

/// The fields of a user, in the order in which they are numbered.
pub(super) const FIELDS: [&str; 6] =
    ["email", "password_hash", "first_name", "last_name", "roles", "disabled"];
/// How many of the skipped names are listed, and how much of each.
const LISTED: usize = 20;
const SHOWN: usize = 64;

/// What a column's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A field, by its number in [`FIELDS`].
    Field(usize),
    /// Nothing, but somebody may have meant that field.
    Nearly(&'static str),
    Nothing,
}

pub(super) fn meaning(name: &str) -> Meaning {
    let name = plain(name);
    if let Some(field) = FIELDS.iter().position(|field| plain(field) == name) {
        return Meaning::Field(field);
    }
    // Whatever says that an account is barred, or that it is not.
    if ["disable", "enable"].iter().any(|word| name.contains(word)) {
        return Meaning::Nearly("disabled");
    }
    let similar = FIELDS.into_iter().find(|field| {
        let field = plain(field);
        let slips = if field.len() > 5 { 2 } else { 1 };
        strsim::damerau_levenshtein(&name, &field) <= slips
    });
    similar.map_or(Meaning::Nothing, Meaning::Nearly)
}

/// Why a file or a row with such a name is refused. Only a name that is near one of ours is shown.
pub(super) fn refusal(name: &str, meant: &str) -> String {
    let name = shown(name);
    format!("{name} is not understood: if {meant} is meant, call it that; otherwise leave it out")
}

/// Adds a name to those that are skipped.
pub(super) fn leave_out(names: &mut Vec<String>, name: &str) {
    let name = shown(name);
    if names.len() < LISTED && !names.contains(&name) {
        names.push(name);
    }
}

fn shown(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}').trim();
    format!("{:?}", name.chars().take(SHOWN).collect::<String>())
}

/// A byte order mark before the first name is none of the name.
fn plain(name: &str) -> String {
    let ignored = |c: &char| !matches!(c, '_' | '-' | '\u{feff}') && !c.is_whitespace();
    name.chars().filter(ignored).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_what_stands_between_words_do_not_matter() {
        for (name, field) in [
            ("Disabled", "disabled"),
            (" DISABLED ", "disabled"),
            ("E-Mail", "email"),
            ("\u{feff}email", "email"),
            ("e mail", "email"),
            ("passwordhash", "password_hash"),
            ("passwordHash", "password_hash"),
            ("Password Hash", "password_hash"),
            ("PASSWORD-HASH", "password_hash"),
            ("firstName", "first_name"),
            ("Last\u{a0}Name", "last_name"),
            ("Roles", "roles"),
        ] {
            let at = FIELDS.iter().position(|candidate| *candidate == field).unwrap();
            assert_eq!(meaning(name), Meaning::Field(at), "{name}");
        }
    }

    #[test]
    fn what_is_nearly_a_name_is_not_left_out_without_a_word() {
        for (name, field) in [
            ("disable", "disabled"),
            ("is_disabled", "disabled"),
            ("dissabled", "disabled"),
            ("idsabled", "disabled"),
            ("disabled_at", "disabled"),
            ("accountDisabled", "disabled"),
            ("enabled", "disabled"),
            ("Is Enabled", "disabled"),
            ("mail", "email"),
            ("emails", "email"),
            ("role", "roles"),
            ("passwort_hash", "password_hash"),
            ("password_hashes", "password_hash"),
            ("fist_name", "first_name"),
            ("last names", "last_name"),
        ] {
            assert_eq!(meaning(name), Meaning::Nearly(field), "{name}");
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        for name in [
            "",
            "id",
            "uuid",
            "name",
            "username",
            "nickname",
            "notes",
            "phone",
            "created_at",
            "email_verified",
            "locale",
            "password",
            "hash",
        ] {
            assert_eq!(meaning(name), Meaning::Nothing, "{name}");
        }
        let mut names = Vec::new();
        for name in ["id", "id", "a\u{1b}b", &"x".repeat(1000)] {
            leave_out(&mut names, name);
        }
        assert_eq!(names[..2], ["\"id\"", "\"a\\u{1b}b\""]);
        assert_eq!((names.len(), names[2].len()), (3, SHOWN + 2));
    }
}
