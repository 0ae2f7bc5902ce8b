//! The token: how one is made, how one is read. Its secret exists here and in the one reply that
//! hands it out; everything else knows its digest.
//!
//! `rfl_` + the session's id (22) + a secret (32) + the CRC-32 of the characters before (6), the last
//! three in base62 (`0-9A-Za-z`, big-endian, padded with `0`). The checksum spares a store the
//! look-up of what was mistyped or made up, and lets a scanner tell a leaked token from noise.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

const PREFIX: &[u8; 4] = b"rfl_";
const ID_END: usize = 26;
const SECRET_END: usize = 58;
const LENGTH: usize = 64;
/// What a byte that is no digit stands for in [`DIGITS`].
const NO_DIGIT: u8 = u8::MAX;
/// What each byte stands for.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([NO_DIGIT; 256], 0_u8);
    while value < 62 {
        digits[BASE62[value as usize] as usize] = value;
        value += 1;
    }
    digits
};
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A session's id, a UUIDv7. It names the session in stores, lists and logs, and is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

/// The SHA-256 of a secret's 32 characters: all that is stored of it.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

/// A whole token, to be handed out once and forgotten; its memory is wiped when it is dropped.
pub struct Token(Zeroizing<String>);

/// What was presented is no token: its length, its characters or its checksum are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct Malformed;

impl Token {
    /// A new token for the session `id`, and the digest of its secret for the store.
    ///
    /// `random` is 128 bytes from a cryptographic source, four for each character: scaling 32 bits
    /// to 62 values has a bias below 2^-26 a character, so that no draw has to be thrown away.
    pub fn new(id: SessionId, random: &[u8; 128]) -> (Self, SecretDigest) {
        let mut text = Zeroizing::new([0_u8; LENGTH]);
        text[..4].copy_from_slice(PREFIX);
        encode(id.0.as_u128(), &mut text[4..ID_END]);
        for (character, draw) in text[ID_END..SECRET_END].iter_mut().zip(random.chunks_exact(4)) {
            let draw = u32::from_le_bytes([draw[0], draw[1], draw[2], draw[3]]);
            let digit = (u64::from(draw) * 62) >> 32;
            *character = BASE62[usize::try_from(digit).unwrap_or_default()];
        }
        let checksum = checksum(&text[..SECRET_END]);
        text[SECRET_END..].copy_from_slice(&checksum);
        let digest = SecretDigest::of(&text[ID_END..SECRET_END]);
        let text: String = text.iter().copied().map(char::from).collect();
        (Self(Zeroizing::new(text)), digest)
    }

    /// Reads what a caller presented, without touching a store and without allocating.
    ///
    /// # Errors
    ///
    /// [`Malformed`] unless it is 64 characters of the right form with the right checksum.
    pub fn read(text: &str) -> Result<(SessionId, SecretDigest), Malformed> {
        let text: &[u8; LENGTH] = text.as_bytes().try_into().map_err(|_| Malformed)?;
        if &text[..4] != PREFIX || !is_alphanumeric(&text[4..]) {
            return Err(Malformed);
        }
        if checksum(&text[..SECRET_END]) != text[SECRET_END..] {
            return Err(Malformed);
        }
        let id = decode(&text[4..ID_END]).ok_or(Malformed)?;
        Ok((SessionId(Uuid::from_u128(id)), SecretDigest::of(&text[ID_END..SECRET_END])))
    }

    /// The token itself, for the one reply that hands it out.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SessionId {
    /// An id made at `unix_ms` with 10 random bytes, as
    /// [RFC 9562 §5.7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7) lays it out.
    pub(crate) fn new(unix_ms: i64, random: &[u8; 10]) -> Self {
        let ms = u64::try_from(unix_ms).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(ms, random).into_uuid())
    }

    /// The id written as a UUID, if `text` is one in its hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| Uuid::try_parse(text).ok().map(Self)).flatten()
    }

    /// The id as a UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for SessionId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SecretDigest {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// A digest that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest, to be stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are of one secret, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let ([a, b], [c, d]) = (self.halves(), other.halves());
        (a.ct_eq(&c) & b.ct_eq(&d)).into()
    }

    fn halves(&self) -> [u128; 2] {
        let half = |at: usize| u128::from_ne_bytes(std::array::from_fn(|byte| self.0[at + byte]));
        [half(0), half(16)]
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(hidden)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Whether all of them are. Without an end before the last one, so that the compiler looks at many of
/// them at once.
fn is_alphanumeric(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}

/// What stands behind these characters.
fn checksum(text: &[u8]) -> [u8; LENGTH - SECRET_END] {
    let (mut digits, mut number) = ([0; LENGTH - SECRET_END], crc32fast::hash(text));
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(number % 62) as usize];
        number /= 62;
    }
    digits
}

/// Writes `number` into the whole of `digits`.
fn encode(mut number: u128, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(number % 62).unwrap_or_default()];
        number /= 62;
    }
}

/// Reads what [`encode`] wrote; `None` for another character and for 2^128 or more.
fn decode(text: &[u8]) -> Option<u128> {
    // Ten digits are less than 2^60: only what joins them is wider than a register.
    text.chunks(10).try_fold(0_u128, |number, digits| {
        let (mut part, mut scale) = (0_u64, 1_u64);
        for byte in digits {
            let digit = DIGITS[usize::from(*byte)];
            if digit == NO_DIGIT {
                return None;
            }
            part = part * 62 + u64::from(digit);
            scale *= 62;
        }
        number.checked_mul(scale.into())?.checked_add(part.into())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(seed: u8) -> Token {
        Token::new(SessionId(Uuid::from_u128(u128::from(seed) << 96 | 7)), &[seed; 128]).0
    }

    /// Puts the right checksum behind 58 characters.
    fn sealed(body: &str) -> String {
        let mut checksum = [0; 6];
        encode(u128::from(crc32fast::hash(body.as_bytes())), &mut checksum);
        format!("{body}{}", std::str::from_utf8(&checksum).unwrap())
    }

    #[test]
    fn a_token_reads_back_as_its_id_and_its_digest() {
        let id = SessionId::new(1_795_176_000_000, &[9; 10]);
        let (token, digest) = Token::new(id, &[77; 128]);
        let (read_id, read_digest) = Token::read(token.expose()).unwrap();
        assert_eq!(token.expose().len(), 64);
        assert_eq!(read_id, id);
        assert!(read_digest.matches(&digest));
        assert_eq!(id.uuid().get_version_num(), 7);
    }

    #[test]
    fn the_layout_is_the_one_that_other_implementations_were_told() {
        let secret = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
        let text = sealed(&format!("rfl_{}{secret}", "0000000000000000000010"));
        let (id, digest) = Token::read(&text).unwrap();
        assert_eq!(id.uuid().as_u128(), 62);
        let expected: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        assert_eq!(digest.as_bytes(), &expected);
    }

    #[test]
    fn an_id_of_two_to_the_128_or_more_is_malformed() {
        let largest = "7n42DGM5Tflk9n8mt7Fhc7";
        let secret = "a".repeat(32);
        assert!(Token::read(&sealed(&format!("rfl_{largest}{secret}"))).is_ok());
        for beyond in ["7n42DGM5Tflk9n8mt7Fhc8", "zzzzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(
                Token::read(&sealed(&format!("rfl_{beyond}{secret}"))).err(),
                Some(Malformed)
            );
        }
    }

    #[test]
    fn other_lengths_prefixes_and_alphabets_are_malformed() {
        let good = token(5).expose().to_owned();
        let long = format!("{good}0");
        let mut cases = vec!["", "rfl_", &good[..63], &long];
        let prefixed = good.replacen("rfl_", "RFL_", 1);
        let umlaut = sealed(&format!("{}ü", &good[..56]));
        let dashed = sealed(&format!("{}-", &good[..57]));
        cases.extend([prefixed.as_str(), umlaut.as_str(), dashed.as_str()]);
        for case in cases {
            assert_eq!(Token::read(case).err(), Some(Malformed), "{case:?}");
        }
    }

    #[test]
    fn debug_shows_neither_a_token_nor_a_digest() {
        let (token, digest) = Token::new(SessionId(Uuid::from_u128(1)), &[200; 128]);
        assert_eq!(format!("{token:?} {digest:?}"), "Token(hidden) SecretDigest(hidden)");
    }

    proptest! {
        #[test]
        fn one_changed_character_is_always_noticed(seed: u8, index in 0_usize..64, with in 0_usize..62) {
            let good = token(seed).expose().to_owned();
            let mut changed = good.clone().into_bytes();
            changed[index] = BASE62[with];
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(Token::read(&changed).is_ok(), changed == good);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = Token::read(&text);
        }

        #[test]
        fn any_id_and_any_draw_make_a_readable_token(id: u128, random in proptest::collection::vec(any::<u8>(), 128)) {
            let random: [u8; 128] = random.try_into().unwrap();
            let (token, digest) = Token::new(SessionId(Uuid::from_u128(id)), &random);
            let (read, read_digest) = Token::read(token.expose()).unwrap();
            prop_assert_eq!(read.uuid().as_u128(), id);
            prop_assert!(read_digest.matches(&digest));
        }
    }
}
