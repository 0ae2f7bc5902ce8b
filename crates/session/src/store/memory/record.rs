//! A session as it is in memory: 136 bytes, with what is rare behind a pointer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Moment;

use super::flags::Flags;
use super::journal::BeforeRotation;
use super::rotation::LatestRotation;
use super::stored::Stored;
use super::user_agents::UserAgent;
use super::values::StoredValues;
use super::wall_clock::Now;
use super::wheel::Links;
use crate::expiry::{Expiry, Ms};
use crate::{
    ClientDigest, Event, EventContext, EventKind, Kind, NewSession, Origin, Scopes, SecretDigest,
    Session, SessionId, Subject,
};

/// A role that no subject has.
const NO_ROLE: u8 = u8::MAX;

/// A session. Field order is the compiler's; its size is watched by a test.
pub(super) struct Record {
    pub(super) id: SessionId,
    pub(super) digest: SecretDigest,
    pub(super) subject: Arc<Subject>,
    agent: Option<Arc<UserAgent>>,
    extra: Option<Box<Extra>>,
    pub(super) generation: i64,
    pub(super) uses: u32,
    /// Where the wheel has filed it.
    pub(super) links: Links,
    pub(super) ip: Option<IpAddr>,
    pub(super) created: Ms,
    pub(super) expiry: Expiry,
    pub(super) role: u8,
    pub(super) kind: Kind,
    pub(super) flags: Flags,
}

/// What few sessions have.
#[derive(Default)]
struct Extra {
    name: Option<Arc<str>>,
    scopes: Option<Scopes>,
    /// The age of the login when the session was opened.
    login_age: Duration,
    values: Option<Box<StoredValues>>,
    rotation: Option<Box<LatestRotation>>,
}

impl Record {
    /// The record of a new session, with what it shares with others.
    pub(super) fn new(
        new: &NewSession,
        subject: Arc<Subject>,
        agent: Option<Arc<UserAgent>>,
        now: Moment,
    ) -> Self {
        let expiry = match new.kind {
            Kind::Sliding => Expiry::sliding(now, new.ttl, new.max_lifetime),
            Kind::Fixed | Kind::SingleUse => Expiry::fixed(now, new.max_lifetime),
        };
        Self {
            id: new.id,
            digest: new.digest,
            subject,
            agent,
            extra: Extra::of(new),
            generation: new.generation,
            uses: 0,
            links: Links::NONE,
            ip: new.origin.ip,
            created: Ms::of(now),
            expiry,
            role: packed_role(new.role),
            kind: new.kind,
            flags: Flags::of(new.transport),
        }
    }

    /// The record of a stored session, with what it shares with others.
    pub(super) fn stored(
        stored: Stored,
        subject: Arc<Subject>,
        agent: Option<Arc<UserAgent>>,
    ) -> Self {
        let Stored { name, scopes, login_age, values, rotation, .. } = stored;
        let rare = name.is_some()
            || scopes.is_some()
            || !login_age.is_zero()
            || values.is_some()
            || rotation.is_some();
        Self {
            id: stored.id,
            digest: stored.digest,
            subject,
            agent,
            extra: rare.then(|| Box::new(Extra { name, scopes, login_age, values, rotation })),
            generation: stored.generation,
            uses: stored.uses,
            links: Links::NONE,
            ip: stored.ip,
            created: stored.created,
            expiry: stored.expiry,
            role: stored.role,
            kind: stored.kind,
            flags: Flags::of(stored.transport),
        }
    }

    /// Notes a use: counts it, and moves the end of a sliding session.
    pub(super) fn use_at(&mut self, now: Moment) {
        self.uses = self.uses.saturating_add(1);
        self.expiry = self.expiry.slid(now);
    }

    /// Gives it another secret, and another role if one is given, and remembers the secret that this
    /// replaces; what it was before.
    pub(super) fn rotate_at(
        &mut self,
        now: Moment,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
    ) -> BeforeRotation {
        let replaced = std::mem::replace(&mut self.digest, digest);
        let rotation = Box::new(LatestRotation { replaced, at: now, client });
        let rotation = self.extra.get_or_insert_default().rotation.replace(rotation);
        let before = BeforeRotation { digest: replaced, rotation, role: self.role };
        self.role = role.map_or(self.role, packed_role);
        before
    }

    /// Takes a rotation back.
    pub(super) fn put_back(&mut self, before: BeforeRotation) {
        self.digest = before.digest;
        self.role = before.role;
        self.extra.get_or_insert_default().rotation = before.rotation;
    }

    /// Whether the digest is that of the secret before the latest rotation.
    pub(super) fn has_replaced(&self, digest: &SecretDigest) -> bool {
        self.rotation().is_some_and(|rotation| rotation.replaced.matches(digest))
    }

    /// Whether the latest rotation was more than `grace` ago, or came from another client.
    pub(super) fn is_reuse(&self, now: Moment, client: ClientDigest, grace: Duration) -> bool {
        self.rotation().is_some_and(|rotation| {
            now.saturating_sub(rotation.at) > grace || rotation.client.differs(client)
        })
    }

    pub(super) fn rotation(&self) -> Option<&LatestRotation> {
        self.extra.as_ref()?.rotation.as_deref()
    }

    /// The user agent that it was opened with.
    pub(super) fn agent(&self) -> Option<&str> {
        self.agent.as_ref().map(|agent| &*agent.text)
    }

    /// The name of a minted token.
    pub(super) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name.as_deref()
    }

    /// What it is narrowed to.
    pub(super) fn scopes(&self) -> Option<&Scopes> {
        self.extra.as_ref()?.scopes.as_ref()
    }

    /// The age of the login when the session was opened.
    pub(super) fn login_age(&self) -> Duration {
        self.extra.as_ref().map_or(Duration::ZERO, |extra| extra.login_age)
    }

    /// The values that backends stored in it, if any.
    pub(super) fn values(&self) -> Option<&StoredValues> {
        self.extra.as_ref()?.values.as_deref()
    }

    /// The values that backends store in it, for writing.
    pub(super) fn values_mut(&mut self) -> &mut StoredValues {
        self.extra.get_or_insert_default().values.get_or_insert_default()
    }

    /// The event of its end at `now`.
    pub(super) fn ended(&self, context: &EventContext, now: Now) -> Event {
        Event::of(EventKind::SessionEnded, &self.view(now), context, now.date())
    }

    /// The session as it is at `now`.
    pub(super) fn view(&self, now: Now) -> Session {
        let created = Duration::from_millis(self.created.get());
        Session {
            id: self.id,
            kind: self.kind,
            transport: self.flags.transport(),
            subject: Arc::clone(&self.subject),
            role: if self.role == NO_ROLE { usize::MAX } else { usize::from(self.role) },
            generation: self.generation,
            scopes: self.scopes().cloned(),
            name: self.extra.as_ref().and_then(|extra| extra.name.clone()),
            origin: Origin {
                ip: self.ip,
                user_agent: self.agent.as_ref().map(|agent| Arc::clone(&agent.text)),
            },
            created_at_ms: now.date_of(created),
            last_used_at_ms: now.date_of(self.expiry.last_used()),
            expires_at_ms: now.date_of(self.expiry.expires_at()),
            absolute_expires_at_ms: now.date_of(self.expiry.absolute_end()),
            expires_in: self.expiry.remaining(now.moment),
            login_age: self.login_age().saturating_add(now.moment.saturating_sub(created)),
            refresh_count: u64::from(self.uses),
        }
    }
}

impl Extra {
    fn of(new: &NewSession) -> Option<Box<Self>> {
        let rare = new.name.is_some() || new.scopes.is_some() || !new.login_age.is_zero();
        rare.then(|| {
            let (name, scopes, login_age) = (new.name.clone(), new.scopes.clone(), new.login_age);
            Box::new(Self { name, scopes, login_age, ..Self::default() })
        })
    }
}

/// A role's index in one byte; an index that does not fit is no role at all.
fn packed_role(role: usize) -> u8 {
    u8::try_from(role).unwrap_or(NO_ROLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_as_small_as_it_is() {
        assert_eq!(size_of::<Record>(), 136);
    }

    #[test]
    fn a_role_beyond_the_byte_is_none_rather_than_another() {
        assert_eq!(packed_role(254), 254);
        assert_eq!(packed_role(255), NO_ROLE);
        assert_eq!(packed_role(256), NO_ROLE);
    }
}
