//! Verdicts: a head with their number, then one after the other, each with its length before it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use super::{Rest, VERSION, length, write_head, write_text};
use crate::session::owned;
use crate::{Kind, Reason, SessionUser, SessionView, Timestamp, Transport, UserId, Verdict};

/// What a verdict says, its first byte.
const ALIVE: u8 = 1;
const DEAD: u8 = 2;
const UNAVAILABLE: u8 = 3;

/// Bits of a live session's flags: which of its texts there are, and whether it is the caller's own.
const SCOPES: u8 = 1;
const NAME: u8 = 1 << 1;
const USER_AGENT: u8 = 1 << 2;
const OTHERS: u8 = 1 << 3;
const CURRENT: u8 = 1 << 4;
const KNOWN: u8 = SCOPES | NAME | USER_AGENT | OTHERS | CURRENT;

/// What stands before an address.
const NO_ADDRESS: u8 = 0;
const V4: u8 = 4;
const V6: u8 = 6;

/// Whose session it is.
const OWN: u8 = 1;
const EXTERNAL: u8 = 2;

/// From this tag on, a field that a reader does not know makes the verdict unreadable to it.
const MANDATORY: u8 = 128;

/// The bytes of most verdicts.
const ROOM: usize = 256;

/// Why the store did not answer.
const STORE: &str = "unavailable";

/// Appends a body with these verdicts. One that is neither a clear yes nor a clear no is written as
/// that: unavailable.
pub fn write_verdicts(verdicts: &[Verdict<'_>], out: &mut Vec<u8>) {
    out.reserve(ROOM * verdicts.len());
    write_head(out, verdicts.len());
    for verdict in verdicts {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        write_verdict(verdict, out);
        let written = length(out.len() - at - 4);
        out[at..at + 4].copy_from_slice(&written);
    }
}

fn write_verdict(verdict: &Verdict<'_>, out: &mut Vec<u8>) {
    match verdict {
        Verdict {
            authenticated: Some(true),
            session: Some(session),
            reason: None,
            error: None,
        } => {
            write_session(session, out);
        }
        Verdict { authenticated: Some(false), session: None, reason, error: None } => {
            out.extend_from_slice(&[DEAD, reason_code(reason.unwrap_or(Reason::Unknown))]);
        }
        Verdict { error, .. } => {
            out.push(UNAVAILABLE);
            write_text(out, error.as_deref().unwrap_or(STORE));
        }
    }
}

fn write_session(session: &SessionView<'_>, out: &mut Vec<u8>) {
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let flags = bit(session.scopes.is_some(), SCOPES)
        | bit(session.name.is_some(), NAME)
        | bit(session.user_agent.is_some(), USER_AGENT)
        | bit(session.current.is_some(), OTHERS)
        | bit(session.current == Some(true), CURRENT);
    let (whose, user, external) = match &session.user.id {
        UserId::Own(id) => (OWN, *id, None),
        UserId::External(id) => (EXTERNAL, Uuid::nil(), Some(id)),
    };
    let (family, address) = match session.ip {
        None => (NO_ADDRESS, [0; 16]),
        Some(IpAddr::V4(ip)) => {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&ip.octets());
            (V4, address)
        }
        Some(IpAddr::V6(ip)) => (V6, ip.octets()),
    };
    let (kind, transport) = (kind_code(session.kind), transport_code(session.transport));
    out.extend_from_slice(&[ALIVE, kind, transport, whose, flags, family]);
    for bytes in [session.id.as_bytes(), user.as_bytes(), &address] {
        out.extend_from_slice(bytes);
    }
    for moment in
        [session.created_at, session.last_used_at, session.expires_at, session.absolute_expires_at]
    {
        out.extend_from_slice(&moment.unix_ms().to_le_bytes());
    }
    out.extend_from_slice(&session.expires_in.to_le_bytes());
    out.extend_from_slice(&session.refresh_count.to_le_bytes());
    if let Some(id) = external {
        write_text(out, id);
    }
    write_text(out, &session.user.username);
    write_text(out, &session.role);
    write_texts(out, &session.user.roles);
    if let Some(scopes) = &session.scopes {
        write_texts(out, scopes);
    }
    for text in [&session.name, &session.user_agent].into_iter().flatten() {
        write_text(out, text);
    }
}

fn write_texts(out: &mut Vec<u8>, texts: &[Cow<'_, str>]) {
    out.extend_from_slice(&length(texts.len()));
    for text in texts {
        write_text(out, text);
    }
}

/// Reads a body with as many verdicts as questions, in their order; `None` for any other: its verdicts
/// cannot be matched to them. A verdict that cannot be read is neither a yes nor a no, and says nothing
/// of the others.
pub fn read_verdicts(
    bytes: &[u8],
    questions: usize,
) -> Option<impl ExactSizeIterator<Item = Verdict<'static>>> {
    let mut rest = Rest(bytes);
    let [version, flags] = rest.array()?;
    if version != VERSION || flags != 0 || usize::from(rest.u16()?) != questions {
        return None;
    }
    let mut items = rest;
    for _ in 0..questions {
        rest.part()?;
    }
    let read = move |_| items.part().and_then(read_verdict).unwrap_or_default();
    rest.is_empty().then(|| (0..questions).map(read))
}

fn read_verdict(item: &[u8]) -> Option<Verdict<'static>> {
    let mut rest = Rest(item);
    let nothing = Verdict::default();
    let verdict = match rest.u8()? {
        ALIVE => {
            let session = Some(read_session(&mut rest)?);
            Verdict { authenticated: Some(true), session, ..nothing }
        }
        DEAD => {
            let reason = Some(reason(rest.u8()?));
            Verdict { authenticated: Some(false), reason, ..nothing }
        }
        UNAVAILABLE => {
            let error = match rest.text()? {
                STORE => Cow::Borrowed(STORE),
                other => Cow::Owned(other.to_owned()),
            };
            Verdict { error: Some(error), ..nothing }
        }
        _ => return None,
    };
    skip_fields(rest)?;
    Some(verdict)
}

/// Passes over fields of a later release, unless one of them must not be passed over.
fn skip_fields(mut rest: Rest<'_>) -> Option<()> {
    while !rest.is_empty() {
        let tag = rest.u8()?;
        rest.part()?;
        if tag >= MANDATORY {
            return None;
        }
    }
    Some(())
}

fn read_session(rest: &mut Rest<'_>) -> Option<SessionView<'static>> {
    let [kind_code, transport_code, whose, flags, family] = rest.array()?;
    if flags & !KNOWN != 0 {
        return None;
    }
    let (id, user, address) = (rest.array()?, rest.array()?, rest.array::<16>()?);
    let [a, b, c, d, ..] = address;
    let ip = match family {
        NO_ADDRESS => None,
        V4 => Some(Ipv4Addr::new(a, b, c, d).into()),
        V6 => Some(Ipv6Addr::from(address).into()),
        _ => return None,
    };
    let mut moment = || rest.array().map(i64::from_le_bytes).map(Timestamp::from_unix_ms);
    let (created_at, last_used_at) = (moment()?, moment()?);
    let (expires_at, absolute_expires_at) = (moment()?, moment()?);
    let expires_in = rest.array().map(u64::from_le_bytes)?;
    let refresh_count = rest.array().map(u64::from_le_bytes)?;
    let user_id = match whose {
        OWN => UserId::Own(Uuid::from_bytes(user)),
        EXTERNAL => UserId::External(Cow::Owned(rest.text()?.to_owned())),
        _ => return None,
    };
    let username = Cow::Owned(rest.text()?.to_owned());
    let role = owned(rest.text()?);
    let roles = texts(rest)?;
    let has = |bit: u8| flags & bit != 0;
    let scopes = if has(SCOPES) { Some(texts(rest)?) } else { None };
    let name = if has(NAME) { Some(owned(rest.text()?)) } else { None };
    let user_agent = if has(USER_AGENT) { Some(owned(rest.text()?)) } else { None };
    Some(SessionView {
        id: Uuid::from_bytes(id),
        kind: kind(kind_code)?,
        transport: transport(transport_code)?,
        user: SessionUser { id: user_id, username, roles },
        role,
        scopes,
        name,
        created_at,
        last_used_at,
        expires_at,
        expires_in,
        absolute_expires_at,
        refresh_count,
        ip,
        user_agent,
        current: has(OTHERS).then_some(has(CURRENT)),
    })
}

fn texts(rest: &mut Rest<'_>) -> Option<Vec<Cow<'static, str>>> {
    let count = rest.length()?;
    // Each has a length of its own, so that a wrong number takes no more memory than a body has.
    let mut texts = Vec::with_capacity(count.min(rest.0.len() / 4));
    for _ in 0..count {
        texts.push(owned(rest.text()?));
    }
    Some(texts)
}

const fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Sliding => 1,
        Kind::Fixed => 2,
        Kind::SingleUse => 3,
    }
}

const fn kind(code: u8) -> Option<Kind> {
    Some(match code {
        1 => Kind::Sliding,
        2 => Kind::Fixed,
        3 => Kind::SingleUse,
        _ => return None,
    })
}

const fn transport_code(transport: Transport) -> u8 {
    match transport {
        Transport::Bearer => 1,
        Transport::Cookie => 2,
    }
}

const fn transport(code: u8) -> Option<Transport> {
    Some(match code {
        1 => Transport::Bearer,
        2 => Transport::Cookie,
        _ => return None,
    })
}

const fn reason_code(reason: Reason) -> u8 {
    match reason {
        Reason::Unknown => 0,
        Reason::Malformed => 1,
        Reason::Expired => 2,
        Reason::Revoked => 3,
    }
}

/// One that is not known is a reason all the same: the token is dead.
const fn reason(code: u8) -> Reason {
    match code {
        1 => Reason::Malformed,
        2 => Reason::Expired,
        3 => Reason::Revoked,
        _ => Reason::Unknown,
    }
}
