//! An event as it is stored: its parts, texts and ids, each with its length before it.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::{By, Cause, Event, EventKind, EventSession, EventUser};
use crate::{ExternalId, Kind, SeenAt, SessionId, Transport};

/// The version of the encoding.
const VERSION: u8 = 1;
/// What begins the event of a use that used its session up, which a script puts together.
const USE: u8 = 0;
/// The length of a part that is absent.
const ABSENT: u16 = u16::MAX;

impl Event {
    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(VERSION);
        out.extend(self.at_ms.to_be_bytes());
        part(&mut out, Some(self.kind.as_str()));
        part(&mut out, self.cause.map(Cause::as_str));
        let session = self.session.as_ref();
        id(&mut out, session.map(|session| session.id.uuid()));
        part(&mut out, session.map(|session| session.kind.as_str()));
        part(&mut out, session.map(|session| session.transport.as_str()));
        part(&mut out, session.and_then(|session| session.name.as_deref()));
        let user = self.user.as_ref();
        id(&mut out, user.and_then(|user| user.id));
        external(&mut out, user.and_then(|user| user.external.as_ref()));
        part(&mut out, user.map(|user| &*user.username));
        let by = self.by.as_ref();
        id(&mut out, by.map(|by| by.user_id));
        external(&mut out, by.and_then(|by| by.external.as_ref()));
        id(&mut out, by.map(|by| by.session_id.uuid()));
        client(&mut out, &self.client);
        out
    }

    /// The event of a use that used its session up: [`USE`], the session's id, and the client as
    /// [`encoded_client`] writes it. What else there is to say is in the session's record.
    pub(crate) fn decode_use(bytes: &[u8]) -> Option<Self> {
        let (mark, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let mut parts = Parts(rest);
        let client = parts.client()?;
        let id = SessionId::from(Uuid::from_bytes(*id));
        let (kind, transport, name) = (Kind::SingleUse, Transport::Bearer, None);
        (*mark == USE && parts.0.is_empty()).then_some(Self {
            kind: EventKind::SessionEnded,
            at_ms: 0,
            cause: Some(Cause::Used),
            session: Some(EventSession { id, kind, transport, name }),
            user: None,
            by: None,
            client,
        })
    }

    /// When an encoded event was.
    pub(crate) fn encoded_at_ms(bytes: &[u8]) -> Option<i64> {
        let (_version, rest) = bytes.split_first()?;
        rest.first_chunk().map(|at_ms| i64::from_be_bytes(*at_ms))
    }

    /// What was stored; `None` if it is anything else, or of a later version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (at_ms, rest) = rest.split_first_chunk()?;
        if *version != VERSION {
            return None;
        }
        let mut parts = Parts(rest);
        let kind = EventKind::parse(parts.next()??)?;
        let cause = match parts.next()? {
            Some(text) => Some(Cause::parse(text)?),
            None => None,
        };
        let session_id = parts.id()?;
        let (session_kind, transport, name) = (parts.next()?, parts.next()?, parts.text()?);
        let session = match session_id {
            Some(id) => Some(EventSession {
                id: id.into(),
                kind: kind_of(session_kind?)?,
                transport: transport_of(transport?)?,
                name,
            }),
            None => None,
        };
        let (user_id, external, username) = (parts.id()?, parts.external()?, parts.text()?);
        let (by_user, by_external, by_session) = (parts.id()?, parts.external()?, parts.id()?);
        let client = parts.client()?;
        parts.0.is_empty().then(|| Self {
            kind,
            at_ms: i64::from_be_bytes(*at_ms),
            cause,
            session,
            user: username.map(|username| EventUser { id: user_id, external, username }),
            by: by_user.zip(by_session).map(|(user_id, session_id)| By {
                user_id,
                external: by_external,
                session_id: SessionId::from(session_id),
            }),
            client,
        })
    }
}

/// A client as it is in an encoded event.
pub(crate) fn encoded_client(seen_at: &SeenAt) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    client(&mut out, seen_at);
    out
}

fn client(out: &mut Vec<u8>, client: &SeenAt) {
    part(out, client.ip.map(|ip| ip.to_string()).as_deref());
    part(out, client.user_agent.as_deref());
    part(out, client.request_id.as_deref());
}

fn kind_of(name: &str) -> Option<Kind> {
    [Kind::Sliding, Kind::Fixed, Kind::SingleUse].into_iter().find(|kind| kind.as_str() == name)
}

fn transport_of(name: &str) -> Option<Transport> {
    [Transport::Bearer, Transport::Cookie].into_iter().find(|one| one.as_str() == name)
}

/// Writes a text. One that is longer than can be counted is cut at a character.
fn part(out: &mut Vec<u8>, text: Option<&str>) {
    let text = text.map(|text| &text[..text.floor_char_boundary(usize::from(ABSENT) - 1)]);
    bytes(out, text.map(str::as_bytes));
}

fn id(out: &mut Vec<u8>, id: Option<Uuid>) {
    bytes(out, id.as_ref().map(|id| id.as_bytes().as_slice()));
}

/// Writes what is shorter than [`ABSENT`].
fn bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(ABSENT, |bytes| u16::try_from(bytes.len()).unwrap_or(ABSENT));
    out.extend(length.to_be_bytes());
    out.extend(bytes.unwrap_or_default());
}

fn external(out: &mut Vec<u8>, id: Option<&ExternalId>) {
    part(out, id.map(ExternalId::as_str));
}

/// The parts that were not read yet.
struct Parts<'a>(&'a [u8]);

#[expect(clippy::option_option, reason = "unreadable, absent or there: the outer one is for `?`")]
impl<'a> Parts<'a> {
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let length = u16::from_be_bytes(*length);
        if length == ABSENT {
            return Some(None);
        }
        let (bytes, rest) = rest.split_at_checked(length.into())?;
        self.0 = rest;
        Some(Some(bytes))
    }

    fn next(&mut self) -> Option<Option<&'a str>> {
        match self.bytes()? {
            Some(bytes) => std::str::from_utf8(bytes).ok().map(Some),
            None => Some(None),
        }
    }

    fn text(&mut self) -> Option<Option<Arc<str>>> {
        self.next().map(|text| text.map(Arc::from))
    }

    fn client(&mut self) -> Option<SeenAt> {
        let ip = match self.next()? {
            Some(text) => Some(text.parse::<IpAddr>().ok()?),
            None => None,
        };
        Some(SeenAt { ip, user_agent: self.text()?, request_id: self.text()? })
    }

    fn id(&mut self) -> Option<Option<Uuid>> {
        match self.bytes()? {
            Some(bytes) => Uuid::from_slice(bytes).ok().map(Some),
            None => Some(None),
        }
    }

    fn external(&mut self) -> Option<Option<ExternalId>> {
        match self.next()? {
            Some(text) => ExternalId::parse(text).map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Event {
        let session_id = Uuid::from_u128(7).into();
        Event {
            kind: EventKind::SessionEnded,
            at_ms: 1_795_176_000_000,
            cause: Some(Cause::RevokedByAdmin),
            session: Some(EventSession {
                id: session_id,
                kind: Kind::Fixed,
                transport: Transport::Bearer,
                name: Some("ci · ü".into()),
            }),
            user: Some(EventUser {
                id: Some(Uuid::from_u128(8)),
                external: ExternalId::parse("crm/8"),
                username: "ann@example.com".into(),
            }),
            by: Some(By {
                user_id: Uuid::from_u128(9),
                external: ExternalId::parse("crm/9"),
                session_id,
            }),
            client: SeenAt {
                ip: Some("2001:db8::1".parse().unwrap()),
                user_agent: Some("curl/8.5".into()),
                request_id: Some("r-1".into()),
            },
        }
    }

    #[test]
    fn what_is_stored_is_read_and_nothing_else() {
        let bare = Event::of_user(EventKind::LoginFailed, None, None, None, SeenAt::default());
        for event in [full(), bare] {
            let bytes = event.encode();
            let read = Event::decode(&bytes).unwrap();
            assert_eq!(format!("{read:?}"), format!("{event:?}"));
            for end in 0..bytes.len() {
                assert!(Event::decode(&bytes[..end]).is_none(), "{end}");
            }
            assert!(Event::decode(&[&bytes[..], &[0]].concat()).is_none());
            assert!(Event::decode(&[&[VERSION + 1], &bytes[1..]].concat()).is_none());
        }
    }

    #[test]
    fn the_event_of_a_use_says_whose_it_was_and_from_where() {
        let (id, client) = (Uuid::from_u128(7), full().client);
        let bytes = [&[USE], id.as_bytes().as_slice(), &encoded_client(&client)].concat();
        let read = Event::decode_use(&bytes).unwrap();
        assert_eq!((read.kind, read.cause), (EventKind::SessionEnded, Some(Cause::Used)));
        assert_eq!((read.session.unwrap().id, read.client.ip), (id.into(), client.ip));
        assert_eq!(read.client.request_id, client.request_id);
        for end in 0..bytes.len() {
            assert!(Event::decode_use(&bytes[..end]).is_none(), "{end}");
        }
        assert!(Event::decode_use(&full().encode()).is_none());
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_the_rest_is_whole() {
        let mut event = full();
        event.client.user_agent = Some("ü".repeat(50_000).into());
        let read = Event::decode(&event.encode()).unwrap();
        assert_eq!(read.client.user_agent.unwrap().chars().count(), 32_767);
        assert_eq!(read.client.request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn every_name_is_read_as_what_it_was_written_for() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
        }
        assert_eq!(Cause::parse("Login"), None);
    }
}
