//! A session as bytes that outlive the process, and back. Times are milliseconds of the clock that
//! the store lives by, which goes on where it was when the process comes back.
//!
//! A version, fields of a fixed place, texts with their lengths, what few sessions have, a checksum
//! over the id and all of it. The uses stand beside it, since they are written alone, and so do the values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::journal::Row;
use super::journaled::StoredRow;
use super::record::Record;
use super::rotation::LatestRotation;
use super::values::StoredValues;
use crate::expiry::{Expiry, Ms};
use crate::{
    Cause, ClientDigest, Event, EventContext, EventKind, EventSession, EventUser, ExternalId, Kind,
    Scopes, SecretDigest, SessionId, Subject, Transport,
};

/// The version of these bytes.
const VERSION: u8 = 1;

/// What few sessions have stands behind all else: a byte that says what it is, and a text.
///
/// INVARIANT: what restricts a session, or states that its subject is none of our users, has 128 or
/// more there, and a row with one that is unknown is unreadable: a version that does not understand a
/// restriction lets no token pass. One below 128 that is unknown is skipped.
const SCOPES: u8 = 128;
const EXTERNAL: u8 = 129;
const RESTRICTIONS: std::ops::RangeInclusive<u8> = SCOPES..=u8::MAX;

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
    pub(super) scopes: Option<Scopes>,
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
    if let Some(scopes) = record.scopes() {
        out.push(SCOPES);
        text(&mut out, scopes.as_str());
    }
    if let Some(external) = &subject.external {
        out.push(EXTERNAL);
        text(&mut out, external.as_str());
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
    /// The event that its time was up, found at that date.
    pub(super) fn expired(&self, at_ms: i64) -> Event {
        let session = EventSession {
            id: self.id,
            kind: self.kind,
            transport: self.transport,
            name: self.name.clone(),
        };
        let context = EventContext::without_client(Cause::Expired);
        let user = Some(EventUser::of(&self.subject));
        Event::of_session(EventKind::SessionEnded, session, user, &context, at_ms)
    }

    /// Reads what was written under the row's id; `None` if it is anything else.
    pub(super) fn read(row: &StoredRow<'_>) -> Option<Self> {
        let (record, stored) = row.record.split_last_chunk::<4>()?;
        if checksum(row.id, record) != *stored {
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
        let (agent, name) = (from.optional_text()?, from.optional_text()?);
        let rotation = from.rotation()?;
        let Rare { scopes, external } = from.rare()?;
        if external.as_ref().is_some_and(|external| external.subject_id() != subject) {
            return None;
        }
        let subject = Arc::new(Subject { id: subject, external, username, display_name, roles });
        let expiry = Expiry::stored(idle, Ms::new(row.used_ms), absolute);
        let values = match row.values {
            Some(bytes) => Some(Box::new(read_values(bytes)?)),
            None => None,
        };
        Some(Self {
            id: row.id,
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
            scopes,
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

pub(crate) fn checksum(id: SessionId, record: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.uuid().as_bytes());
    hasher.update(record);
    hasher.finalize().to_be_bytes()
}

/// What few sessions have.
#[derive(Default)]
struct Rare {
    scopes: Option<Scopes>,
    external: Option<ExternalId>,
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

    /// All that is left.
    fn rare(&mut self) -> Option<Rare> {
        let mut rare = Rare::default();
        while !self.0.is_empty() {
            let (tag, text) = (self.byte()?, self.text()?);
            match tag {
                SCOPES => rare.scopes = Some(Scopes::parse(&text.split(' ').collect::<Vec<_>>())?),
                EXTERNAL => rare.external = Some(ExternalId::parse(text)?),
                tag if RESTRICTIONS.contains(&tag) => return None,
                _ => {}
            }
        }
        Some(rare)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Fixture, someone};

    /// Whether a row of a session is readable with this behind what all sessions have.
    fn is_readable(extension: &[u8], subject: Arc<Subject>) -> bool {
        let new = crate::NewSession { subject, ..Fixture::memory().new_session() };
        let record = Record::new(&new, Arc::clone(&new.subject), None, Duration::from_secs(5));
        let row = row(&record);
        let mut bytes = row.record.to_vec();
        bytes.truncate(bytes.len() - 4);
        bytes.extend(extension);
        let checksum = checksum(new.id, &bytes);
        bytes.extend(checksum);
        let Row { used_ms, uses, .. } = row;
        let row = StoredRow { id: new.id, record: &bytes, used_ms, uses, values: None };
        Stored::read(&row).is_some()
    }

    #[test]
    fn a_restriction_that_is_not_understood_makes_a_row_unreadable_and_nothing_else_does() {
        let external = ExternalId::parse("42").unwrap();
        let theirs = Arc::new(Subject { id: external.subject_id(), ..(*someone()).clone() });
        for (extension, expected) in [
            (&[][..], true),
            (&[127, 0, 0, 0, 1, b'x'], true),
            (&[128, 0, 0, 0, 1, b'x'], true),
            (&[128, 0, 0, 0, 1, b' '], false),
            (&[128, 0, 0, 0, 0], false),
            (&[129, 0, 0, 0, 2, b'4', b'2'], true),
            (&[129, 0, 0, 0, 2, b'4', b'3'], false),
            (&[130, 0, 0, 0, 0], false),
            (&[255, 0, 0, 0, 0], false),
            (&[128], false),
        ] {
            assert_eq!(is_readable(extension, Arc::clone(&theirs)), expected, "{extension:?}");
        }
        let another = is_readable(&[129, 0, 0, 0, 2, b'4', b'2'], someone());
        assert!(!another, "it is another subject's id");
    }
}
