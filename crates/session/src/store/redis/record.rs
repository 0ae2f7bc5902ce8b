//! A session as Redis stores it: a string of bytes under one key, which scripts change in place.
//!
//! Big-endian, positions from 1 as in the scripts: version 2 (1); kind + 4 × transport + 8 × shift, + 128
//! where there are values (2); role (3); digest (4–19), its halves folded upon each other; when
//! it began in ms since 1970 (20–25); in units of 2^shift ms its life (26–29), idle time or 0 (30–33)
//! and, from when it began, last use (34–37); how often it was used (38–41); generation (42–44); how
//! long what follows is up to the values, without multiples of 256 (45); the subject's id (46–61); then
//! fields: a tag × 32 and the field's length in one byte, or 31 there and the length in two bytes more.
//! Tag 0 is for what is rare or added later, and has in its first byte what that is (see `fields`). A
//! rotated session has the field of its latest rotation before all others: 29 and 3, the digest from
//! before it (16), when it was, as the last use is (4), and the client's network and user agent as
//! digests of 4 bytes each, 0 where they are unknown.
//!
//! After them, if there ever was one, stand the values: the latest version (4), and for each a
//! key's length (1), the key, its version (4), the value's length (2) and the value; and in the end
//! how long all this is (4).
//!
//! Version 1 had no rotations, and packed names and user agents (see `packed`). Its records are used and
//! ended as they are, and have version 2 once they are rotated.

mod fields;
mod packed;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::fields::{Fields, Reader, fields_of, push};
use crate::{Kind, NewSession, SecretDigest, Session, SessionId, Subject, Transport, Values};

/// The version that is written.
const VERSION: u8 = 2;
/// The versions that are read.
const READ: std::ops::RangeInclusive<u8> = 1..=VERSION;
/// How many bytes stand before the subject's id.
const HEAD: usize = 45;
/// The longest record in bytes, without values.
const LONGEST: usize = 60_000;
/// The longest life and idle time in milliseconds: 34 years.
const LONGEST_MS: u64 = (1 << 40) - 1;
/// The highest generation of either sign that three bytes hold.
const GENERATIONS: i64 = (1 << 23) - 1;
/// A role that no subject has.
const NO_ROLE: u8 = u8::MAX;

/// The record of a new session, for the script that dates it; `None` if it is too large.
pub(super) fn encode(new: &NewSession) -> Option<Vec<u8>> {
    let life = life_ms(new);
    let shift = (u64::BITS - life.leading_zeros()).saturating_sub(u32::BITS);
    let units = |ms: u64| u32::try_from((ms >> shift).max(1)).ok().map(u32::to_be_bytes);
    let idle = match new.kind {
        Kind::Sliding => units(milliseconds(new.ttl).min(life))?,
        Kind::Fixed | Kind::SingleUse => [0; 4],
    };
    let fields = fields_of(new)?;
    let mut bytes = Vec::with_capacity(HEAD + fields.len());
    bytes.extend([VERSION, traits(new) + 8 * u8::try_from(shift).ok()?, role_byte(new.role)]);
    bytes.extend(stored_digest(&new.digest));
    push(&mut bytes, 0, 6);
    bytes.extend(units(life)?);
    bytes.extend(idle);
    push(&mut bytes, 0, 4 + 4);
    bytes.extend(generation_bytes(new.generation)?);
    bytes.push(fields.len().to_le_bytes()[0]);
    bytes.extend(fields);
    (bytes.len() <= LONGEST).then_some(bytes)
}

/// What is stored of a digest: its halves folded upon each other, as [RFC 2289 §6] folds one. A secret
/// that fits must be guessed among 2^128, and each bit of the digest counts.
///
/// [RFC 2289 §6]: https://www.rfc-editor.org/rfc/rfc2289#section-6
pub(super) fn stored_digest(digest: &SecretDigest) -> [u8; 16] {
    let digest = digest.as_bytes();
    std::array::from_fn(|at| digest[at] ^ digest[at + 16])
}

/// How many milliseconds a session may live.
pub(super) fn life_ms(new: &NewSession) -> u64 {
    milliseconds(new.max_lifetime).max(1)
}

/// A role as one byte: one whose index does not fit is no role at all.
pub(super) fn role_byte(role: usize) -> u8 {
    u8::try_from(role).unwrap_or(NO_ROLE)
}

/// A generation within those that a record can store.
pub(super) fn clamped(generation: i64) -> i64 {
    generation.clamp(-GENERATIONS - 1, GENERATIONS)
}

/// The session in a record, as it is at `now_ms`; `None` if it is unreadable.
pub(crate) fn decode(id: SessionId, bytes: &[u8], now_ms: u64) -> Option<Session> {
    Record::read(bytes)?.session(id, now_ms)
}

/// The same for a record as it was before a use at `now_ms`.
pub(crate) fn decode_used(id: SessionId, bytes: &[u8], now_ms: u64) -> Option<Session> {
    let mut record = Record::read(bytes)?;
    let used = now_ms.saturating_sub(record.created) >> record.shift;
    record.used = record.used.max(used);
    record.count = (record.count + 1).min(u32::MAX.into());
    record.session(id, now_ms)
}

/// A record in its parts; times as in it.
struct Record<'a> {
    traits: u8,
    role: u8,
    created: u64,
    shift: u8,
    life: u64,
    idle: u64,
    used: u64,
    count: u64,
    generation: i64,
    fields: Reader<'a>,
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [version, traits, role] = *rest.array::<3>()?;
        let _digest = rest.take(16)?;
        let created = rest.number(6)?;
        let (life, idle, used) = (rest.number(4)?, rest.number(4)?, rest.number(4)?);
        let count = rest.number(4)?;
        let [high, middle, low] = *rest.array::<3>()?;
        // As the upper three bytes of four, so that the sign comes along.
        let generation = i64::from(i32::from_be_bytes([high, middle, low, 0]) >> 8);
        let [length] = *rest.array::<1>()?;
        let is_whole = READ.contains(&version) && rest.0.len().to_le_bytes()[0] == length;
        is_whole.then_some(Self {
            traits,
            role,
            created,
            shift: traits % 128 / 8,
            life,
            idle,
            used,
            count,
            generation,
            fields: rest,
        })
    }

    fn session(mut self, id: SessionId, now_ms: u64) -> Option<Session> {
        let subject_id = Uuid::from_bytes(*self.fields.array::<16>()?);
        let fields = Fields::read(&mut self.fields)?;
        if fields.external.as_ref().is_some_and(|external| external.subject_id() != subject_id) {
            return None;
        }
        let ends = if self.idle > 0 { self.life.min(self.used + self.idle) } else { self.life };
        let created = self.created;
        let after = |units: u64| created + (units << self.shift);
        let date = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Some(Session {
            id,
            kind: kind_of(self.traits),
            transport: transport_of(self.traits),
            role: if self.role == NO_ROLE { usize::MAX } else { self.role.into() },
            generation: self.generation,
            created_at_ms: date(created),
            last_used_at_ms: date(after(self.used)),
            expires_at_ms: date(after(ends)),
            absolute_expires_at_ms: date(after(self.life)),
            expires_in: Duration::from_millis(after(ends).saturating_sub(now_ms)),
            login_age: fields.login_age + Duration::from_millis(now_ms.saturating_sub(created)),
            refresh_count: self.count,
            scopes: fields.scopes,
            name: fields.name.map(Arc::from),
            origin: fields.origin,
            subject: Arc::new(Subject {
                id: subject_id,
                external: fields.external,
                display_name: fields.display_name.unwrap_or_else(|| fields.username.clone()),
                username: fields.username,
                roles: fields.roles.into(),
            }),
        })
    }
}

/// The values at the end of a record; `None` if they are damaged.
pub(crate) fn decode_values(bytes: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    let mut rest = Reader(bytes);
    if rest.0.is_empty() {
        return Some(values);
    }
    let _latest = rest.number(4)?;
    while !rest.0.is_empty() {
        let length = rest.number(1)?;
        let key = rest.text(length)?;
        let version = rest.number(4)?;
        let length = rest.number(2)?;
        values.insert(key.into(), (version, rest.text(length)?));
    }
    Some(values)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(LONGEST_MS)
}

/// A generation in three bytes; `None` if it does not fit, since a cut one would end the wrong
/// sessions.
fn generation_bytes(generation: i64) -> Option<[u8; 3]> {
    let [.., high, middle, low] = generation.to_be_bytes();
    (clamped(generation) == generation).then_some([high, middle, low])
}

const fn traits(new: &NewSession) -> u8 {
    let kind = match new.kind {
        Kind::Sliding => 0,
        Kind::Fixed => 1,
        Kind::SingleUse => 2,
    };
    let transport = match new.transport {
        Transport::Bearer => 0,
        Transport::Cookie => 1,
    };
    kind + 4 * transport
}

const fn kind_of(traits: u8) -> Kind {
    match traits % 4 {
        0 => Kind::Sliding,
        1 => Kind::Fixed,
        _ => Kind::SingleUse,
    }
}

const fn transport_of(traits: u8) -> Transport {
    if traits & 4 == 0 { Transport::Bearer } else { Transport::Cookie }
}

/// The record of a session with other fields, as another version might write it.
#[cfg(test)]
pub(super) fn with_fields(new: &NewSession, version: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = encode(new).unwrap();
    bytes.truncate(HEAD + 16);
    for (tag, field) in fields {
        fields::push_field(&mut bytes, *tag, field);
    }
    bytes[0] = version;
    bytes[HEAD - 1] = (bytes.len() - HEAD).to_le_bytes()[0];
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fields::push_field;
    use super::*;
    use crate::store::conformance::Fixture;

    fn id() -> SessionId {
        crate::store::conformance::fresh_id()
    }

    #[test]
    fn a_field_that_is_not_known_is_skipped() {
        let new = Fixture::memory().new_session();
        let mut bytes = encode(&new).unwrap();
        push_field(&mut bytes, 0, &[7; 300]);
        bytes[HEAD - 1] = (bytes.len() - HEAD).to_le_bytes()[0];
        assert_eq!(decode(id(), &bytes, 5).unwrap().subject, new.subject);
    }

    #[test]
    fn a_record_of_another_version_is_none() {
        let mut bytes = encode(&Fixture::memory().new_session()).unwrap();
        for version in [0, 3, 255] {
            bytes[0] = version;
            assert!(decode(id(), &bytes, 5).is_none(), "{version}");
        }
    }

    #[test]
    fn a_generation_that_does_not_fit_is_refused_rather_than_cut() {
        for generation in [0, 1, -1, GENERATIONS, -GENERATIONS - 1] {
            let new = NewSession { generation, ..Fixture::memory().new_session() };
            let session = decode(id(), &encode(&new).unwrap(), 5).unwrap();
            assert_eq!(session.generation, generation);
        }
        for generation in [GENERATIONS + 1, -GENERATIONS - 2, i64::MAX, i64::MIN] {
            let new = NewSession { generation, ..Fixture::memory().new_session() };
            assert!(encode(&new).is_none(), "{generation}");
        }
    }

    #[test]
    fn a_life_of_years_is_kept_to_a_quarter_of_a_second() {
        let day = Duration::from_hours(24);
        for (life, error_ms) in [(day, 0), (30 * day, 0), (365 * day, 8), (12_000 * day, 256)] {
            let ttl = life / 2;
            let new = NewSession { ttl, max_lifetime: life, ..Fixture::memory().new_session() };
            let session = decode(id(), &encode(&new).unwrap(), 0).unwrap();
            let stored = Duration::from_millis(session.absolute_expires_at_ms.try_into().unwrap());
            assert!(
                stored <= life && life.abs_diff(stored) <= Duration::from_millis(error_ms),
                "{stored:?}"
            );
            let idle = session.expires_in;
            assert!(
                idle <= ttl && ttl.abs_diff(idle) <= Duration::from_millis(error_ms),
                "{idle:?}"
            );
        }
    }

    #[test]
    fn each_bit_of_a_digest_counts() {
        let stored = stored_digest(&SecretDigest::from_bytes([0x5a; 32]));
        for bit in 0..256 {
            let mut changed = [0x5a; 32];
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(stored_digest(&SecretDigest::from_bytes(changed)), stored, "{bit}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_without_a_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300), versioned: bool,
        ) {
            if let (true, Some(first)) = (versioned, bytes.first_mut()) {
                *first = VERSION;
            }
            let _ = decode(id(), &bytes, 5);
            let _ = decode_values(&bytes);
        }

        #[test]
        fn a_record_cut_short_is_none(cut in 0_usize..1000) {
            let bytes = encode(&Fixture::memory().new_session()).unwrap();
            if cut < bytes.len() {
                prop_assert!(decode(id(), &bytes[..cut], 5).is_none());
            }
        }
    }
}
