//! What the keys of Redis are called: a word of eight characters, and an id in 22 (base64url, as
//! [RFC 4648 §5](https://www.rfc-editor.org/rfc/rfc4648#section-5) has it, without padding). As 36, as
//! which an id is shown to people, a key takes half as much memory again.
//!
//! In a cluster a tag between the two, of 64, decides the slot: `session:{07}:…`. A script can then
//! change a session and append to a stream of the same tag in one step.

use std::ops::Deref;

use uuid::Uuid;

use crate::SessionId;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    bytes: [u8; WORD + TAG + DIGITS],
    length: usize,
}

/// How many tags there are in a cluster.
pub(super) const TAGS: u8 = 64;
/// What the key of a session begins with.
pub(super) const SESSION: &[u8; WORD] = b"session:";
/// The digits of numbers and ids.
pub(super) const BASE64URL: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const WORD: usize = 8;
/// `{07}:`
const TAG: usize = 5;
/// How many digits of 6 bits 128 bits take.
const DIGITS: usize = 22;

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The key of what has this id.
pub(super) fn key(word: [u8; WORD], id: Uuid) -> Key {
    named(&word, &digits_of(id))
}

/// The key of a session that is alone in its slot: on a single server, or in a cluster of an earlier
/// version.
pub(super) fn session_key(id: SessionId) -> Key {
    key(*SESSION, id.uuid())
}

/// The key of a session of a cluster.
pub(super) fn tagged_session_key(id: SessionId) -> Key {
    let word = [SESSION.as_slice(), &tag_text(tag_of(id.uuid()))].concat();
    named(&word, &digits_of(id.uuid()))
}

/// The tag of what has this id: the part that is random in any kind of id that we make.
pub(super) fn tag_of(id: Uuid) -> u8 {
    id.as_bytes()[15] % TAGS
}

/// A tag as it stands in a key.
pub(super) fn tag_text(tag: u8) -> [u8; TAG] {
    [b'{', b'0' + tag / 10, b'0' + tag % 10, b'}', b':']
}

/// The id in the key of a session; `None` in any other.
pub(super) fn session_in(name: &[u8]) -> Option<SessionId> {
    let digits = name.get(name.len().checked_sub(DIGITS)?..)?;
    let mut bits = 0_u128;
    for (at, digit) in digits.iter().enumerate() {
        let value = BASE64URL.iter().position(|other| other == digit)? as u128;
        bits = if at < DIGITS - 1 { bits << 6 | value } else { bits << 2 | value >> 4 };
    }
    let id = SessionId::from(Uuid::from_u128(bits));
    // The last digit has four bits that no id has.
    [session_key(id), tagged_session_key(id)].iter().any(|key| **key == *name).then_some(id)
}

fn digits_of(id: Uuid) -> [u8; DIGITS] {
    let bits = id.as_u128();
    std::array::from_fn(|at| {
        // The last digit has the remaining two bits, in its upper two.
        let shifted = if at < DIGITS - 1 { bits >> (122 - 6 * at) } else { bits << 4 };
        BASE64URL[usize::from(shifted.to_le_bytes()[0] & 63)]
    })
}

fn named(word: &[u8], digits: &[u8; DIGITS]) -> Key {
    let (mut bytes, length) = ([0; WORD + TAG + DIGITS], word.len() + DIGITS);
    bytes[..word.len()].copy_from_slice(word);
    bytes[word.len()..length].copy_from_slice(digits);
    Key { bytes, length }
}

/// A key as text.
#[cfg(test)]
pub(super) fn shown(key: Key) -> String {
    String::from_utf8(key.to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_others_would_write_them() {
        let written = |id| shown(key(*b"session:", Uuid::from_u128(id)));
        assert_eq!(written(0), "session:AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(written(u128::MAX), "session:_____________________w");
        let id = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
        assert_eq!(written(id), "session:AAECAwQFBgcICQoLDA0ODw");
    }

    #[test]
    fn an_id_is_read_from_the_keys_of_a_session_and_from_no_other() {
        for id in [0, 1, u128::MAX, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f] {
            let id = SessionId::from(Uuid::from_u128(id));
            assert_eq!(session_in(&session_key(id)), Some(id));
            assert_eq!(session_in(&tagged_session_key(id)), Some(id));
            assert_eq!(session_in(&key(*b"subject:", id.uuid())), None);
        }
        for name in [
            "",
            "session:",
            "session:AAECAwQFBgcICQoLDA0OD",
            "session:AAECAwQFBgcICQoLDA0OD1",
            "session:AAECAwQFBgcICQoLDA0ODwA",
            "session:AAECAwQFBgcICQoLDA0O+w",
            "session:{14}:AAECAwQFBgcICQoLDA0ODw",
            "session:{15}AAECAwQFBgcICQoLDA0ODw",
        ] {
            assert_eq!(session_in(name.as_bytes()), None, "{name}");
        }
        assert!(session_in(b"session:{15}:AAECAwQFBgcICQoLDA0ODw").is_some());
    }
}
