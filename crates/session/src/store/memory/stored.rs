//! A session as bytes that outlive the process, and back. Times are milliseconds of the clock that
//! the store lives by, which goes on where it was when the process comes back.
//!
//! A version, fields of a fixed place, texts with their lengths, a checksum over the id and all of
//! it. The uses stand beside it, since they are written alone, and so do the values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::journal::Row;
use super::record::Record;
use super::rotation::LatestRotation;
use super::values::StoredValues;
use crate::expiry::{Expiry, Ms};
use crate::{ClientDigest, Kind, SecretDigest, SessionId, Subject, Transport};

/// The version of these bytes.
const VERSION: u8 = 1;

/// A session that was stored, to be put into a record with what it shares with others.
pub(super) struct Stored {
    pub(super) id: SessionId,
    pub(super) digest: SecretDigest,
    pub(super) subject: Arc<Subject>,
    pub(super) agent: Option<Arc<str>>,
    pub(super) generation: i64,
    pub(super) uses: u32,
    pub(super) ip: Option<IpAddr>,
    pub(super) created: Ms,
    pub(super) expiry: Expiry,
    pub(super) role: u8,
    pub(super) kind: Kind,
    pub(super) transport: Transport,
    pub(super) name: Option<Arc<str>>,
    pub(super) login_age: Duration,
    pub(super) rotation: Option<Box<LatestRotation>>,
    pub(super) values: Option<Box<StoredValues>>,
}

/// The row of a record as it stands.
pub(super) fn row(record: &Record) -> Row {
    let (expiry, subject) = (&record.expiry, &*record.subject);
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    out.push(match record.kind {
        Kind::Sliding => 0,
        Kind::Fixed => 1,
        Kind::SingleUse => 2,
    });
    out.push(u8::from(record.flags.transport() == Transport::Cookie));
    out.push(record.role);
    out.extend(record.generation.to_be_bytes());
    for ms in [record.created, expiry.idle(), Ms::of(expiry.absolute_end())] {
        out.extend(ms.to_bytes());
    }
    out.extend(Ms::of(record.login_age()).to_bytes());
    out.extend(record.digest.as_bytes());
    out.extend(subject.id.as_bytes());
    match record.ip {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    text(&mut out, &subject.username);
    text(&mut out, &subject.display_name);
    out.push(u8::try_from(subject.roles.len()).unwrap_or(u8::MAX));
    subject.roles.iter().take(usize::from(u8::MAX)).for_each(|role| text(&mut out, role));
    optional_text(&mut out, record.agent());
    optional_text(&mut out, record.name());
    match record.rotation() {
        None => out.push(0),
        Some(rotation) => {
            out.push(1);
            out.extend(rotation.replaced.as_bytes());
            out.extend(Ms::of(rotation.at).to_bytes());
            out.extend(rotation.client.to_bytes());
        }
    }
    let checksum = checksum(record.id, &out);
    out.extend(checksum);
    let used_ms = Ms::of(expiry.last_used()).get();
    Row { record: out.into(), used_ms, uses: record.uses }
}

/// The values as bytes: what the last write was numbered, then each key, its version and its text.
pub(super) fn values(values_of_session: &StoredValues) -> Box<[u8]> {
    let mut out = Vec::new();
    out.extend(values_of_session.version().to_be_bytes());
    for (key, (version, value)) in values_of_session.values() {
        text(&mut out, key);
        out.extend(version.to_be_bytes());
        text(&mut out, value);
    }
    out.into()
}

impl Stored {
    /// Reads what was written under this id; `None` if it is anything else.
    pub(super) fn read(id: SessionId, row: &Row, values: Option<&[u8]>) -> Option<Self> {
        let (record, stored) = row.record.split_last_chunk::<4>()?;
        if checksum(id, record) != *stored {
            return None;
        }
        let mut from = Reader(record);
        if from.byte()? != VERSION {
            return None;
        }
        let kind = match from.byte()? {
            0 => Kind::Sliding,
            1 => Kind::Fixed,
            2 => Kind::SingleUse,
            _ => return None,
        };
        let transport = if from.byte()? == 0 { Transport::Bearer } else { Transport::Cookie };
        let role = from.byte()?;
        let generation = i64::from_be_bytes(from.array()?);
        let (created, idle, absolute) = (from.ms()?, from.ms()?, from.ms()?);
        let login_age = Duration::from_millis(from.ms()?.get());
        let digest = SecretDigest::from_bytes(from.array()?);
        let subject = Uuid::from_bytes(from.array()?);
        let ip = from.ip()?;
        let (username, display_name) = (from.text()?.into(), from.text()?.into());
        let roles = (0..from.byte()?).map(|_| from.text().map(Into::into));
        let roles = roles.collect::<Option<_>>()?;
        let subject = Arc::new(Subject { id: subject, username, display_name, roles });
        let (agent, name) = (from.optional_text()?, from.optional_text()?);
        let rotation = from.rotation()?;
        let expiry = Expiry::stored(idle, Ms::new(row.used_ms), absolute);
        let values = match values {
            Some(bytes) => Some(Box::new(read_values(bytes)?)),
            None => None,
        };
        from.0.is_empty().then_some(Self {
            id,
            digest,
            subject,
            agent: agent.map(Into::into),
            generation,
            uses: row.uses,
            ip,
            created,
            expiry,
            role,
            kind,
            transport,
            name: name.map(Into::into),
            login_age,
            rotation,
            values,
        })
    }
}

fn read_values(bytes: &[u8]) -> Option<StoredValues> {
    let mut from = Reader(bytes);
    let last = u64::from_be_bytes(from.array()?);
    let mut values = crate::Values::new();
    while !from.0.is_empty() {
        let key = from.text()?.to_owned();
        let version = u64::from_be_bytes(from.array()?);
        values.insert(key, (version, from.text()?.into()));
    }
    Some(StoredValues::stored(values, last))
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

fn optional_text(out: &mut Vec<u8>, optional: Option<&str>) {
    out.push(u8::from(optional.is_some()));
    if let Some(present) = optional {
        text(out, present);
    }
}

fn checksum(id: SessionId, record: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.uuid().as_bytes());
    hasher.update(record);
    hasher.finalize().to_be_bytes()
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

#[expect(clippy::option_option, reason = "unreadable, absent or there: the outer one is for `?`")]
impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn ms(&mut self) -> Option<Ms> {
        self.array().map(Ms::from_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        if self.byte()? == 0 { Some(None) } else { self.text().map(Some) }
    }

    fn ip(&mut self) -> Option<Option<IpAddr>> {
        Some(match self.byte()? {
            0 => None,
            4 => Some(Ipv4Addr::from_octets(self.array()?).into()),
            6 => Some(Ipv6Addr::from_octets(self.array()?).into()),
            _ => return None,
        })
    }

    fn rotation(&mut self) -> Option<Option<Box<LatestRotation>>> {
        if self.byte()? == 0 {
            return Some(None);
        }
        let replaced = SecretDigest::from_bytes(self.array()?);
        let at = Duration::from_millis(self.ms()?.get());
        let client = ClientDigest::from_bytes(self.array()?);
        Some(Some(Box::new(LatestRotation { replaced, at, client })))
    }
}
