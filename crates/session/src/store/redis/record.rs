//! A session as Redis keeps it: a string of bytes under one key, which scripts change in place.
//!
//! Big-endian, places from 1 as in the scripts: version 1 (1), kind + 4 × transport (2), role (3),
//! digest (4–35), when it began in ms since 1970 (36–41), and as ms from there its life (42–46), idle
//! time or 0 (47–51) and last use (52–56), how often it was used (57–60), generation (61–64), the
//! length of what follows up to the values (65–66), the subject's id (67–82), then fields: a tag × 32
//! and the field's length in one byte, or 31 there and the length in two bytes more. Tag 0 is for what
//! later versions add, and says by its first byte what that is; fields that are not known are skipped
//! here, and kept there.
//!
//! After them, if there ever was one, stand the values: the latest version (4), and for each a
//! key's length (1), the key, its version (4), the value's length (2) and the value.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::{Kind, NewSession, Origin, Session, SessionId, Subject, Transport, Values};

/// The only version there has been.
const VERSION: u8 = 1;
/// How many bytes stand before the subject's id.
const HEAD: usize = 66;
/// The longest life and idle time in milliseconds: 34 years.
const LONGEST_MS: u64 = (1 << 40) - 1;
/// A role that no subject has.
const NO_ROLE: u8 = u8::MAX;

const USERNAME: u8 = 1;
const DISPLAY_NAME: u8 = 2;
const ROLE: u8 = 3;
const IP: u8 = 4;
const USER_AGENT: u8 = 5;
const NAME: u8 = 6;
const LOGIN_AGE: u8 = 7;

/// Roles that are so frequent that their place here, from 1, stands for them. Only ever add to it.
const FREQUENT_ROLES: [&str; 2] = ["user", "admin"];

/// The length in a field's first byte that says that two more bytes tell it.
const LONG: u8 = 31;

/// The record of a new session, for the script that dates it; `None` if it says too much.
pub(super) fn encode(new: &NewSession) -> Option<Vec<u8>> {
    let idle = match new.kind {
        Kind::Sliding => milliseconds(new.ttl).max(1),
        Kind::Fixed | Kind::SingleUse => 0,
    };
    let fields = fields_of(new);
    let mut bytes = Vec::with_capacity(HEAD + fields.len());
    bytes.extend([VERSION, traits(new), role_byte(new.role)]);
    bytes.extend(new.digest.as_bytes());
    push(&mut bytes, 0, 6);
    push(&mut bytes, life_ms(new), 5);
    push(&mut bytes, idle, 5);
    push(&mut bytes, 0, 5 + 4);
    bytes.extend(generation_bytes(new.generation)?);
    bytes.extend(u16::try_from(fields.len()).ok()?.to_be_bytes());
    bytes.extend(fields);
    Some(bytes)
}

/// How many milliseconds a session may live.
pub(super) fn life_ms(new: &NewSession) -> u64 {
    milliseconds(new.max_lifetime).max(1)
}

/// A role as one byte: one whose place does not fit is no role at all.
pub(super) fn role_byte(role: usize) -> u8 {
    u8::try_from(role).unwrap_or(NO_ROLE)
}

/// The session that a record tells of, as it stands at `now_ms`; `None` if it tells of none.
pub(super) fn decode(id: SessionId, bytes: &[u8], now_ms: u64) -> Option<Session> {
    let mut rest = Reader(bytes);
    let [version, traits, role] = *rest.array::<3>()?;
    let _digest = rest.take(32)?;
    let created = rest.number(6)?;
    let (life, idle, used) = (rest.number(5)?, rest.number(5)?, rest.number(5)?);
    let count = rest.number(4)?;
    let generation = i32::from_be_bytes(*rest.array::<4>()?);
    let length = usize::try_from(rest.number(2)?).ok()?;
    let mut fields = Reader(rest.take(length)?);
    let subject_id = Uuid::from_bytes(*fields.array::<16>()?);
    let known = Known::read(&mut fields)?;
    let ends = if idle > 0 { life.min(used + idle) } else { life };
    let date = |offset: u64| i64::try_from(created + offset).unwrap_or(i64::MAX);
    (version == VERSION).then(|| Session {
        id,
        kind: kind_of(traits),
        transport: transport_of(traits),
        role: if role == NO_ROLE { usize::MAX } else { role.into() },
        generation: generation.into(),
        created_at_ms: date(0),
        last_used_at_ms: date(used),
        expires_at_ms: date(ends),
        absolute_expires_at_ms: date(life),
        expires_in: Duration::from_millis((created + ends).saturating_sub(now_ms)),
        login_age: known.login_age + Duration::from_millis(now_ms.saturating_sub(created)),
        refresh_count: count,
        name: known.name.map(Arc::from),
        origin: known.origin,
        subject: Arc::new(Subject {
            id: subject_id,
            display_name: known.display_name.unwrap_or_else(|| known.username.clone()),
            username: known.username,
            roles: known.roles.into(),
        }),
    })
}

/// The values at the end of a record; `None` if they are damaged.
pub(super) fn decode_values(bytes: &[u8]) -> Option<Values> {
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

/// The fields that are known here.
#[derive(Default)]
struct Known {
    username: Box<str>,
    /// The user name, where nothing else is said.
    display_name: Option<Box<str>>,
    roles: Vec<Box<str>>,
    origin: Origin,
    name: Option<Box<str>>,
    login_age: Duration,
}

impl Known {
    fn read(fields: &mut Reader<'_>) -> Option<Self> {
        let mut known = Self::default();
        while !fields.0.is_empty() {
            let (tag, length) = fields.field()?;
            let mut field = Reader(fields.take(usize::try_from(length).ok()?)?);
            match tag {
                USERNAME => known.username = field.text(length)?,
                DISPLAY_NAME => known.display_name = Some(field.text(length)?),
                ROLE => known.roles.push(role_of(&field.text(length)?)),
                IP => known.origin.ip = Some(field.address()?),
                USER_AGENT => known.origin.user_agent = Some(field.text(length)?.into()),
                NAME => known.name = Some(field.text(length)?),
                LOGIN_AGE => known.login_age = Duration::from_millis(field.number(5)?),
                _ => {}
            }
        }
        Some(known)
    }
}

fn fields_of(new: &NewSession) -> Vec<u8> {
    let subject = &new.subject;
    let mut fields = subject.id.as_bytes().to_vec();
    push_field(&mut fields, USERNAME, subject.username.as_bytes());
    if subject.display_name != subject.username {
        push_field(&mut fields, DISPLAY_NAME, subject.display_name.as_bytes());
    }
    for role in &subject.roles {
        let frequent = FREQUENT_ROLES.iter().position(|frequent| **frequent == **role);
        match frequent.and_then(|place| u8::try_from(place + 1).ok()) {
            Some(number) => push_field(&mut fields, ROLE, &[number]),
            None => push_field(&mut fields, ROLE, role.as_bytes()),
        }
    }
    match new.origin.ip {
        Some(IpAddr::V4(ip)) => push_field(&mut fields, IP, &ip.octets()),
        Some(IpAddr::V6(ip)) => push_field(&mut fields, IP, &ip.octets()),
        None => {}
    }
    if let Some(agent) = &new.origin.user_agent {
        push_field(&mut fields, USER_AGENT, agent.as_bytes());
    }
    if let Some(name) = &new.name {
        push_field(&mut fields, NAME, name.as_bytes());
    }
    if !new.login_age.is_zero() {
        let mut age = Vec::new();
        push(&mut age, milliseconds(new.login_age), 5);
        push_field(&mut fields, LOGIN_AGE, &age);
    }
    fields
}

/// The role that a field names; a number that is none of ours stays what it is.
fn role_of(text: &str) -> Box<str> {
    let frequent = match text.as_bytes() {
        [number] => FREQUENT_ROLES.get(usize::from(*number).wrapping_sub(1)),
        _ => None,
    };
    frequent.map_or_else(|| text.into(), |role| (*role).into())
}

fn push_field(bytes: &mut Vec<u8>, tag: u8, field: &[u8]) {
    match u8::try_from(field.len()) {
        Ok(length) if length < LONG => bytes.push(tag * 32 + length),
        _ => {
            bytes.push(tag * 32 + LONG);
            push(bytes, field.len() as u64, 2);
        }
    }
    bytes.extend(field);
}

/// The last `width` bytes of a number.
fn push(bytes: &mut Vec<u8>, number: u64, width: usize) {
    for place in (0..width).rev() {
        let shifted = number.checked_shr(u32::try_from(place * 8).unwrap_or(u32::MAX));
        bytes.push(shifted.unwrap_or_default().to_le_bytes()[0]);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(LONGEST_MS)
}

/// A generation in four bytes; `None` if it does not fit, since a cut one would end the wrong
/// sessions.
fn generation_bytes(generation: i64) -> Option<[u8; 4]> {
    i32::try_from(generation).ok().map(i32::to_be_bytes)
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

/// Bytes that are yet to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?.iter();
        Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The tag and the length of the next field.
    fn field(&mut self) -> Option<(u8, u64)> {
        let [first] = *self.array::<1>()?;
        let length = match first % 32 {
            LONG => self.number(2)?,
            length => length.into(),
        };
        Some((first / 32, length))
    }

    fn text(&mut self, length: u64) -> Option<Box<str>> {
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok().map(Box::from)
    }

    fn address(&self) -> Option<IpAddr> {
        match self.0.len() {
            4 => Some(IpAddr::from(*self.0.first_chunk::<4>()?)),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(self.0).ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::conformance::Bench;

    fn id() -> SessionId {
        crate::store::conformance::fresh_id()
    }

    #[test]
    fn a_field_that_is_not_known_is_skipped() {
        let new = Bench::memory().new_session();
        let mut bytes = encode(&new).unwrap();
        push_field(&mut bytes, 0, &[7; 300]);
        let length = u16::try_from(bytes.len() - HEAD).unwrap();
        bytes[64..66].copy_from_slice(&length.to_be_bytes());
        assert_eq!(decode(id(), &bytes, 5).unwrap().subject, new.subject);
    }

    #[test]
    fn a_record_of_another_version_is_none() {
        let mut bytes = encode(&Bench::memory().new_session()).unwrap();
        bytes[0] = 2;
        assert!(decode(id(), &bytes, 5).is_none());
    }

    #[test]
    fn a_generation_that_does_not_fit_is_refused_rather_than_cut() {
        for generation in [0, 1, -1, i32::MAX, i32::MIN] {
            assert_eq!(generation_bytes(generation.into()), Some(generation.to_be_bytes()));
        }
        assert_eq!(generation_bytes(1 << 31), None);
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
            let bytes = encode(&Bench::memory().new_session()).unwrap();
            if cut < bytes.len() {
                prop_assert!(decode(id(), &bytes[..cut], 5).is_none());
            }
        }
    }
}
