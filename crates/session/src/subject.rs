//! Whose session it is: one of our users, or somebody who is known only by what a backend calls them.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The most bytes of an external id.
const LONGEST_EXTERNAL_ID: usize = 128;
/// What is hashed before an external id, so that no other hash of the same text is a subject's id.
const EXTERNAL_SUBJECT: &[u8] = b"reinflate external subject\0";

/// Whose session it is, as known when the session was opened. One value is shared by all sessions
/// that were opened with the same knowledge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What the subject's sessions are found by: a user's id, or [`ExternalId::subject_id`].
    pub id: Uuid,
    /// What a backend calls the subject, where it is none of our users.
    pub external: Option<ExternalId>,
    /// What the user logs in with.
    pub username: Box<str>,
    /// What to call the user.
    pub display_name: Box<str>,
    /// The user's roles, the default one first. Never empty.
    pub roles: Box<[Box<str>]>,
}

impl Subject {
    /// Whether it is none of our users, so that only a backend says who it is.
    pub const fn is_external(&self) -> bool {
        self.external.is_some()
    }

    /// The id as callers know it: a user's own, or that of the backend.
    pub fn public_id(&self) -> Cow<'_, str> {
        match &self.external {
            Some(external) => Cow::Borrowed(external.as_str()),
            None => Cow::Owned(self.id.to_string()),
        }
    }
}

/// What a backend calls a user of its own: 1 to 128 printable ASCII characters, neither `.` nor `..`,
/// and no blank at either end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(Box<str>);

impl ExternalId {
    /// The id, if it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let is_possible = (1..=LONGEST_EXTERNAL_ID).contains(&text.len())
            && is_printable
            && text.trim_ascii() == text
            // Clients resolve these two in a path, whatever encodes them.
            && !matches!(text, "." | "..");
        is_possible.then(|| Self(text.into()))
    }

    /// The id as the backend wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the sessions are found by: a `UUIDv8` made of a hash.
    ///
    /// INVARIANT: it is no user's id, which is a `UUIDv7`; the version alone keeps them apart.
    pub fn subject_id(&self) -> Uuid {
        let hash = Sha256::new().chain_update(EXTERNAL_SUBJECT).chain_update(self.0.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_external_id_is_short_printable_and_no_part_of_a_path_that_means_something() {
        let longest = "x".repeat(128);
        for good in ["1", "a/b", "50%", "me", "...", "a b", "~", longest.as_str()] {
            assert_eq!(ExternalId::parse(good).map(|id| id.to_string()).as_deref(), Some(good));
        }
        let too_long = "x".repeat(129);
        for bad in ["", ".", "..", " a", "a ", " ", "a\tb", "a\0", "\u{7f}", "zoë", &too_long] {
            assert_eq!(ExternalId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_same_id_is_the_same_subject_on_every_node_and_in_every_version() {
        let id = ExternalId::parse("ann@example.com").unwrap();
        assert_eq!(id.subject_id().to_string(), "1b4fa290-7f8d-8c52-8691-186d3fe23539");
    }

    proptest! {
        #[test]
        fn no_external_subject_has_an_id_that_a_user_may_have(text in "[!-~]{3,128}") {
            let id = ExternalId::parse(&text).unwrap().subject_id();
            prop_assert_eq!(id.get_version_num(), 8);
        }

        #[test]
        fn the_text_of_a_users_id_is_another_subject(number: u128) {
            let user = Uuid::from_u128(number);
            let external = ExternalId::parse(&user.to_string()).unwrap();
            prop_assert_ne!(external.subject_id(), user);
        }
    }
}
