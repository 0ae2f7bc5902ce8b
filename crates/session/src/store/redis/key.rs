//! What the keys of Redis are called: a word of eight characters, and an id in 22 (base64url, as
//! [RFC 4648 §5](https://www.rfc-editor.org/rfc/rfc4648#section-5) has it, without padding). As 36, as
//! which an id is shown to people, a key takes half as much memory again.

use uuid::Uuid;

/// A key.
pub(super) type Key = [u8; WORD + DIGITS];

const WORD: usize = 8;
/// How many digits of 6 bits 128 bits take.
const DIGITS: usize = 22;
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The key of what has this id.
pub(super) fn key(word: [u8; WORD], id: Uuid) -> Key {
    let mut key = [0; WORD + DIGITS];
    key[..WORD].copy_from_slice(&word);
    let bits = id.as_u128();
    for (at, digit) in key[WORD..].iter_mut().enumerate() {
        // The last digit has the remaining two bits, in its upper two.
        let shifted = if at < DIGITS - 1 { bits >> (122 - 6 * at) } else { bits << 4 };
        *digit = BASE64URL[usize::from(shifted.to_le_bytes()[0] & 63)];
    }
    key
}

/// The id in a key that begins with this word; `None` in any other.
pub(super) fn id_in(word: [u8; WORD], name: &[u8]) -> Option<Uuid> {
    let digits = name.strip_prefix(&word).filter(|digits| digits.len() == DIGITS)?;
    let mut bits = 0_u128;
    for (at, digit) in digits.iter().enumerate() {
        let value = BASE64URL.iter().position(|other| other == digit)? as u128;
        bits = if at < DIGITS - 1 { bits << 6 | value } else { bits << 2 | value >> 4 };
    }
    let id = Uuid::from_u128(bits);
    // The last digit has four bits that no id has.
    (key(word, id) == name).then_some(id)
}

/// A key as text.
#[cfg(test)]
pub(super) fn shown(key: Key) -> String {
    String::from_utf8(key.into()).unwrap()
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
    fn an_id_is_read_from_its_key_and_from_no_other() {
        for id in [0, 1, u128::MAX, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f] {
            let id = Uuid::from_u128(id);
            assert_eq!(id_in(*b"session:", &key(*b"session:", id)), Some(id));
            assert_eq!(id_in(*b"subject:", &key(*b"session:", id)), None);
        }
        for name in [
            "",
            "session:",
            "session:AAECAwQFBgcICQoLDA0OD",
            "session:AAECAwQFBgcICQoLDA0OD1",
            "session:AAECAwQFBgcICQoLDA0ODwA",
            "session:AAECAwQFBgcICQoLDA0O+w",
        ] {
            assert_eq!(id_in(*b"session:", name.as_bytes()), None, "{name}");
        }
    }
}
