//! The memory store, spoken to in the model's terms.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock as _, ManualClock};
use uuid::Uuid;

use super::{Answer, Plain, Shown, Step};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::subject;
use crate::store::memory::MemoryStore;
use crate::{
    ClientDigest, Dead, Ending, Insertion, Intent, NewSession, Origin, Outcome, Presented,
    SecretDigest, Session, SessionId, SessionStore as _, Transport, Verdict,
};

/// The store under test.
pub(super) struct Real {
    pub(super) store: MemoryStore,
    clock: ManualClock,
    beginning: Duration,
    pub(super) runtime: tokio::runtime::Runtime,
}

fn digest(secret: u8) -> SecretDigest {
    SecretDigest::from_bytes([secret; 32])
}

fn id_of(id: u8) -> SessionId {
    Uuid::from_u128(u128::from(id)).into()
}

fn presented(id: u8, secret: u8, intent: Intent) -> Presented {
    Presented { id: id_of(id), digest: digest(secret), intent }
}

fn small(id: SessionId) -> u8 {
    u8::try_from(id.uuid().as_u128()).unwrap()
}

fn subject_id(subject: u8) -> Uuid {
    Uuid::from_u128(u128::from(subject) << 32)
}

impl Real {
    pub(super) fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            store: MemoryStore::new(Arc::new(clock.clone())),
            beginning: clock.now(),
            clock,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    pub(super) fn take(&self, step: &Step) -> Answer {
        let (store, run) = (&self.store, &self.runtime);
        match step {
            Step::Insert { plain, cap } => self.insert(plain, *cap),
            Step::Present(batch) => {
                let tokens: Vec<Presented> =
                    batch.iter().map(|one| presented(one.id, one.secret, one.intent)).collect();
                let touched = run
                    .block_on(store.touch(&tokens, TouchContext::default()))
                    .into_iter()
                    .zip(batch);
                let answer =
                    |(outcome, one): (Outcome, &Shown)| self.verdict(outcome.unwrap(), one.secret);
                Answer::Batch(touched.map(answer).collect())
            }
            Step::Rotate { id, secret, next, role } => {
                let presented = presented(*id, *secret, Intent::Look);
                let (client, context) = (ClientDigest::default(), logout());
                let rotated = store.rotate(&presented, digest(*next), *role, client, &context);
                self.verdict(run.block_on(rotated).unwrap(), *next)
            }
            Step::Reuse { id, secret, grace_ms } => {
                let presented = presented(*id, *secret, Intent::Use);
                let grace = Duration::from_millis(*grace_ms);
                let (client, context) = (ClientDigest::default(), logout());
                let ended = store.end_reused(&presented, client, grace, &context);
                Answer::Flag(run.block_on(ended).unwrap().is_some())
            }
            Step::Remove { id } => {
                Answer::Flag(run.block_on(store.remove(id_of(*id), &logout())).unwrap())
            }
            Step::RemoveSubject { subject, below, keep } => {
                let ending = Ending { below_generation: *below, keep: keep.map(id_of) };
                let ended =
                    run.block_on(store.remove_subject(subject_id(*subject), ending, &logout()));
                Answer::Ids(sorted(&ended.unwrap()))
            }
            Step::List { subject } => {
                let listed = run.block_on(store.list(subject_id(*subject))).unwrap();
                let mut plain: Vec<Plain> =
                    listed.iter().map(|session| self.plain(session, u8::MAX)).collect();
                plain.sort_by_key(|plain| plain.id);
                Answer::Sessions(plain)
            }
            Step::Pass { ms } => {
                self.clock.advance(Duration::from_millis(*ms));
                Answer::Nothing
            }
            Step::JumpDate { ms } => {
                self.clock.jump_date(*ms);
                Answer::Nothing
            }
            Step::Sweep => {
                run.block_on(store.sweep()).unwrap();
                Answer::Nothing
            }
        }
    }

    fn insert(&self, plain: &Plain, cap: usize) -> Answer {
        let new = NewSession {
            id: id_of(plain.id),
            digest: digest(plain.secret),
            kind: plain.kind,
            transport: Transport::Bearer,
            subject: subject(subject_id(plain.subject), "ann@example.com"),
            role: plain.role,
            generation: plain.generation,
            scopes: None,
            name: None,
            ttl: Duration::from_millis(plain.ttl_ms),
            max_lifetime: Duration::from_millis(plain.max_ms),
            login_age: Duration::ZERO,
            origin: Origin::default(),
            maker: None,
        };
        match self.runtime.block_on(self.store.insert(&new, cap, &logout())).unwrap() {
            Insertion::Taken => Answer::Taken,
            Insertion::Refused(dead) => panic!("nobody mints here: {dead:?}"),
            Insertion::Created { session, ended } => {
                Answer::Created(self.plain(&session, plain.secret), sorted(&ended))
            }
        }
    }

    fn verdict(&self, verdict: Verdict, secret: u8) -> Answer {
        match verdict {
            Verdict::Alive(session) => Answer::Alive(self.plain(&session, secret)),
            Verdict::Dead(Dead::Expired | Dead::Unknown) => Answer::Dead,
            Verdict::Dead(Dead::Replaced) => Answer::Replaced,
            Verdict::Dead(Dead::Revoked) => panic!("this store tells no revocations"),
        }
    }

    /// A view in the model's terms; what it does not show is filled in by [`shown`].
    fn plain(&self, session: &Session, secret: u8) -> Plain {
        let now = self.clock.now().saturating_sub(self.beginning);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let expires_ms = ms(now + session.expires_in);
        let before =
            |at_ms: i64| expires_ms - u64::try_from(session.expires_at_ms - at_ms).unwrap();
        let created_ms = before(session.created_at_ms);
        let max_ms = session.absolute_expires_at_ms - session.created_at_ms;
        assert_eq!(ms(session.login_age), ms(now) - created_ms);
        Plain {
            id: small(session.id),
            secret,
            subject: u8::try_from(session.subject.id.as_u128() >> 32).unwrap(),
            kind: session.kind,
            role: session.role,
            generation: session.generation,
            ttl_ms: 0,
            max_ms: u64::try_from(max_ms).unwrap(),
            created_ms,
            used_ms: before(session.last_used_at_ms),
            expires_ms,
            uses: session.refresh_count,
        }
    }
}

fn sorted(ids: &[SessionId]) -> Vec<u8> {
    let mut ids: Vec<u8> = ids.iter().copied().map(small).collect();
    ids.sort_unstable();
    ids
}
