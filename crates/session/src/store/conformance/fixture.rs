//! What a case works with: a store, its time, and sessions to put in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use uuid::Uuid;

use crate::TouchContext;
use crate::{
    Cause, ClientDigest, Dead, EventContext, Insertion, Intent, Kind, MemoryStore, NewSession,
    Origin, Presented, SecretDigest, SeenAt, Session, SessionId, SessionStore, Subject, Transport,
    Verdict,
};

type Wait = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// An empty store and a way to let its time pass.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn SessionStore>,
    /// The shortest time that decides anything in a case.
    pub(crate) unit: Duration,
    wait: Wait,
}

/// A session of which the secret is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) id: SessionId,
    pub(crate) digest: SecretDigest,
}

/// A client as a case names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    ip: Option<&'static str>,
    user_agent: Option<&'static str>,
}

impl Client {
    /// Somebody else, of whom both is known.
    pub(crate) const BOB: Self = Self::new(Some("203.0.113.9"), Some("Lynx"));

    pub(crate) const fn new(ip: Option<&'static str>, user_agent: Option<&'static str>) -> Self {
        Self { ip, user_agent }
    }

    pub(crate) fn digest(self) -> ClientDigest {
        ClientDigest::of(&SeenAt {
            ip: self.ip.map(|ip| ip.parse().unwrap()),
            user_agent: self.user_agent.map(Arc::from),
            request_id: None,
        })
    }
}

impl Fixture {
    /// For a store that goes by `clock`.
    pub(crate) fn manual(store: Arc<dyn SessionStore>, clock: ManualClock) -> Self {
        let wait: Wait = Box::new(move |time| {
            clock.advance(time);
            Box::pin(std::future::ready(()))
        });
        Self { store, unit: Duration::from_secs(10), wait }
    }

    /// For a store whose time is real.
    pub(crate) fn real(store: Arc<dyn SessionStore>, unit: Duration) -> Self {
        let wait: Wait = Box::new(|time| Box::pin(tokio::time::sleep(time)));
        Self { store, unit, wait }
    }

    /// For a memory store.
    pub(crate) fn memory() -> Self {
        let clock = ManualClock::new();
        Self::manual(Arc::new(MemoryStore::new(Arc::new(clock.clone()))), clock)
    }

    /// The same, where the machine sleeps while time passes.
    pub(crate) fn suspended_memory() -> Self {
        let clock = ManualClock::new();
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let wait: Wait = Box::new(move |time| {
            clock.suspend(time);
            Box::pin(std::future::ready(()))
        });
        Self { store, unit: Duration::from_secs(10), wait }
    }

    /// The same, which has something live for as long as the store is used.
    pub(crate) fn keeping(self, thing: impl Send + Sync + 'static) -> Self {
        let wait = self.wait;
        let wait: Wait = Box::new(move |time| {
            let _ = &thing;
            wait(time)
        });
        Self { wait, ..self }
    }

    /// Lets `units` pass.
    pub(crate) async fn pass(&self, units: u32) {
        (self.wait)(self.unit * units).await;
    }

    /// A sliding session of a subject of its own: idle for 4 units at most, living for 10.
    pub(crate) fn new_session(&self) -> NewSession {
        NewSession {
            id: fresh_id(),
            digest: SecretDigest::from_bytes(random()),
            kind: Kind::Sliding,
            transport: Transport::Bearer,
            subject: subject(Uuid::from_bytes(random()), "ann@example.com"),
            role: 0,
            generation: 1,
            scopes: None,
            name: None,
            ttl: self.unit * 4,
            max_lifetime: self.unit * 10,
            login_age: Duration::ZERO,
            origin: Origin::default(),
            maker: None,
        }
    }

    /// The same of another kind, ending after `units`.
    pub(crate) fn ending(&self, kind: Kind, units: u32) -> NewSession {
        let ttl = self.unit * units;
        let max_lifetime = if kind == Kind::Sliding { ttl * 100 } else { ttl };
        NewSession { kind, ttl, max_lifetime, ..self.new_session() }
    }

    /// Puts a session in that must be created, without a cap.
    pub(crate) async fn insert(&self, new: &NewSession) -> Held {
        let insertion = self.store.insert(new, 0, &logout()).await.unwrap();
        assert!(matches!(insertion, Insertion::Created { .. }), "{insertion:?}");
        held(new)
    }

    /// Puts a plain sliding session in.
    pub(crate) async fn open(&self) -> Held {
        self.insert(&self.new_session()).await
    }

    /// Puts a session of `subject` in that ends after `units`.
    pub(crate) async fn open_for(&self, subject: &Arc<Subject>, units: u32) -> Held {
        let new = self.ending(Kind::Sliding, units);
        self.insert(&NewSession { subject: Arc::clone(subject), ..new }).await
    }

    pub(crate) async fn touch(&self, presented: Presented) -> Verdict {
        let mut answers = self.store.touch(&[presented], TouchContext::default()).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0).unwrap()
    }

    /// Uses a session that must be alive.
    pub(crate) async fn use_live(&self, held: Held) -> Session {
        alive(self.touch(use_of(held)).await)
    }

    /// Looks at a session that must be alive.
    pub(crate) async fn look_live(&self, held: Held) -> Session {
        alive(self.touch(look(held)).await)
    }

    /// Whether it lives, by a look.
    pub(crate) async fn lives(&self, held: Held) -> bool {
        matches!(self.touch(look(held)).await, Verdict::Alive(_))
    }

    /// Asserts that it is dead to a look and to a use, and is found nowhere.
    pub(crate) async fn assert_dead(&self, held: Held, subject: Uuid) {
        for presented in [look(held), use_of(held), look(held)] {
            let verdict = self.touch(presented).await;
            assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
        }
        assert!(self.store.values(held.id).await.unwrap().is_none());
        let listed = self.store.list(subject).await.unwrap();
        assert!(listed.iter().all(|session| session.id != held.id));
    }
}

/// What a case ends sessions for, where that does not matter.
pub(crate) fn logout() -> EventContext {
    EventContext::without_client(Cause::Logout)
}

pub(crate) fn held(new: &NewSession) -> Held {
    Held { id: new.id, digest: new.digest }
}

pub(crate) fn use_of(held: Held) -> Presented {
    Presented { id: held.id, digest: held.digest, intent: Intent::Use }
}

pub(crate) fn look(held: Held) -> Presented {
    Presented { intent: Intent::Look, ..use_of(held) }
}

pub(crate) fn end_of(held: Held) -> Presented {
    Presented { intent: Intent::End, ..use_of(held) }
}

/// Presents many at once.
pub(crate) async fn batch(fixture: &Fixture, presented: &[Presented]) -> Vec<Verdict> {
    let answers = fixture.store.touch(presented, TouchContext::default()).await;
    assert_eq!(answers.len(), presented.len());
    answers.into_iter().map(Result::unwrap).collect()
}

/// The same id with a secret that it does not have.
pub(crate) fn mistaken(held: Held) -> Held {
    let mut digest = *held.digest.as_bytes();
    digest[31] ^= 1;
    Held { digest: SecretDigest::from_bytes(digest), ..held }
}

pub(crate) fn fresh_id() -> SessionId {
    SessionId::new(1_795_176_000_000, &random())
}

pub(crate) fn fresh_digest() -> SecretDigest {
    SecretDigest::from_bytes(random())
}

pub(crate) fn subject(id: Uuid, username: &str) -> Arc<Subject> {
    let roles = ["admin".into(), "user".into(), "guest".into()];
    Arc::new(Subject {
        id,
        external: None,
        username: username.into(),
        display_name: "Ann".into(),
        roles: roles.into(),
    })
}

/// A subject that no other session has.
pub(crate) fn someone() -> Arc<Subject> {
    subject(Uuid::from_bytes(random()), "bob@example.com")
}

pub(crate) fn alive(verdict: Verdict) -> Session {
    match verdict {
        Verdict::Alive(session) => session,
        Verdict::Dead(dead) => panic!("dead, and should live: {dead:?}"),
    }
}

/// Asserts that a session's time was up: `Unknown` once the store has let go of it.
pub(crate) fn assert_over(verdict: &Verdict) {
    let over = matches!(verdict, Verdict::Dead(Dead::Expired | Dead::Unknown));
    assert!(over, "{verdict:?}");
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
