//! The fields of a record: a session's user, and where it came from.
//!
//! The first byte of a field with the tag for rare ones is what it is: 1 the name of a token, 2 the
//! age of the login, 3 the latest rotation; 4 is reserved for what the session was issued for. One that
//! is unknown is skipped and preserved.
//!
//! INVARIANT: a field that restricts what a session may do, or states that its subject is not one of our
//! users, has 128 or more there, and a record with one that is unknown is unreadable: a node that
//! does not understand a restriction lets no token pass. 128 is for scopes (each a length in one byte and
//! so many characters), 129 for the text id of an external subject, of which the subject's id is then
//! the `UUIDv8`; 130 is reserved for a service user, with nothing behind it.

use std::net::IpAddr;
use std::time::Duration;

use super::milliseconds;
use super::packed::{unpack_name, unpack_phrases, unpack_title};
use crate::{ExternalId, NewSession, Origin, Scopes};

const RARE: u8 = 0;
const USERNAME: u8 = 1;
const DISPLAY_NAME: u8 = 2;
const ROLE: u8 = 3;
const IP: u8 = 4;
const USER_AGENT: u8 = 5;
/// Written by nodes of version 1 only, as the next one.
const PACKED_USERNAME: u8 = 6;
const PACKED_DISPLAY_NAME: u8 = 7;

const RARE_NAME: u8 = 1;
const RARE_LOGIN_AGE: u8 = 2;
/// From here on, what is unknown makes a record unreadable.
const RARE_RESTRICTIONS: u8 = 128;
const RARE_SCOPES: u8 = 128;
const RARE_EXTERNAL: u8 = 129;

/// The role that an empty field means.
const DEFAULT_ROLE: &str = "user";

/// The value of a field's first byte that says that the length is in the next two bytes.
const LONG: u8 = 31;

/// The fields that this version reads.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) username: Box<str>,
    /// The user name, where there is no other.
    pub(super) display_name: Option<Box<str>>,
    pub(super) roles: Vec<Box<str>>,
    pub(super) origin: Origin,
    pub(super) name: Option<Box<str>>,
    pub(super) login_age: Duration,
    pub(super) scopes: Option<Scopes>,
    pub(super) external: Option<ExternalId>,
}

impl Fields {
    /// Reads them all; `None` where one makes no sense.
    pub(super) fn read(fields: &mut Reader<'_>) -> Option<Self> {
        let mut read = Self::default();
        while !fields.0.is_empty() {
            let (tag, length) = fields.field()?;
            let mut field = Reader(fields.take(usize::try_from(length).ok()?)?);
            match tag {
                USERNAME => read.username = field.text(length)?,
                PACKED_USERNAME => read.username = unpack_name(field.0)?.into(),
                DISPLAY_NAME => read.display_name = Some(field.text(length)?),
                PACKED_DISPLAY_NAME => read.display_name = Some(unpack_title(field.0)?.into()),
                ROLE if length == 0 => read.roles.push(DEFAULT_ROLE.into()),
                ROLE => read.roles.push(field.text(length)?),
                IP => read.origin.ip = Some(field.address()?),
                USER_AGENT => read.origin.user_agent = Some(unpack_phrases(field.0)?.into()),
                _ => read.read_rare(&mut field)?,
            }
        }
        Some(read)
    }

    fn read_rare(&mut self, field: &mut Reader<'_>) -> Option<()> {
        match field.array::<1>() {
            Some([RARE_NAME]) => self.name = Some(field.text(field.0.len() as u64)?),
            Some([RARE_LOGIN_AGE]) => self.login_age = Duration::from_millis(field.number(5)?),
            Some([RARE_SCOPES]) => self.scopes = Some(field.scopes()?),
            Some([RARE_EXTERNAL]) => {
                self.external = Some(ExternalId::parse(&field.text(field.0.len() as u64)?)?);
            }
            Some([RARE_RESTRICTIONS..=u8::MAX]) => return None,
            _ => {}
        }
        Some(())
    }
}

/// The subject's id and all fields of a new session; `None` where it has what no field can express.
pub(super) fn fields_of(new: &NewSession) -> Option<Vec<u8>> {
    let subject = &new.subject;
    let mut fields = subject.id.as_bytes().to_vec();
    push_field(&mut fields, USERNAME, subject.username.as_bytes());
    if subject.display_name != subject.username {
        push_field(&mut fields, DISPLAY_NAME, subject.display_name.as_bytes());
    }
    for role in &subject.roles {
        if role.is_empty() {
            return None;
        }
        let role = if **role == *DEFAULT_ROLE { "" } else { role };
        push_field(&mut fields, ROLE, role.as_bytes());
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
        push_field(&mut fields, RARE, &[&[RARE_NAME], name.as_bytes()].concat());
    }
    if !new.login_age.is_zero() {
        let mut age = vec![RARE_LOGIN_AGE];
        push(&mut age, milliseconds(new.login_age), 5);
        push_field(&mut fields, RARE, &age);
    }
    if let Some(scopes) = &new.scopes {
        let mut field = vec![RARE_SCOPES];
        for scope in scopes.iter() {
            field.push(u8::try_from(scope.len()).ok()?);
            field.extend(scope.as_bytes());
        }
        push_field(&mut fields, RARE, &field);
    }
    if let Some(external) = &subject.external {
        push_field(&mut fields, RARE, &[&[RARE_EXTERNAL], external.as_str().as_bytes()].concat());
    }
    Some(fields)
}

/// Puts a field behind others.
pub(super) fn push_field(bytes: &mut Vec<u8>, tag: u8, field: &[u8]) {
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
pub(super) fn push(bytes: &mut Vec<u8>, number: u64, width: usize) {
    for index in (0..width).rev() {
        let shifted = number.checked_shr(u32::try_from(index * 8).unwrap_or(u32::MAX));
        bytes.push(shifted.unwrap_or_default().to_le_bytes()[0]);
    }
}

/// Bytes that are yet to be read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn number(&mut self, width: usize) -> Option<u64> {
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

    pub(super) fn text(&mut self, length: u64) -> Option<Box<str>> {
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok().map(Box::from)
    }

    fn scopes(&mut self) -> Option<Scopes> {
        let mut scopes = Vec::new();
        while !self.0.is_empty() {
            let length = self.number(1)?;
            scopes.push(self.text(length)?);
        }
        Scopes::parse(&scopes)
    }

    fn address(&self) -> Option<IpAddr> {
        match self.0.len() {
            4 => Some(IpAddr::from(*self.0.first_chunk::<4>()?)),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(self.0).ok()?)),
        }
    }
}
