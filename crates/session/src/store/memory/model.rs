//! The memory store against a model so plain that it is right by inspection: whatever is done, in
//! whatever order, with sweeps at any moment, both give the same answers.

mod real;

use std::collections::BTreeMap;

use proptest::prelude::*;

use self::real::Real;
use crate::{Intent, Kind, SessionStore as _};

/// Something that is done. Ids, secrets and subjects are small numbers, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Insert {
        plain: Plain,
        cap: usize,
    },
    /// In one call: what is presented twice is used twice.
    Present(Vec<Shown>),
    Rotate {
        id: u8,
        secret: u8,
        next: u8,
        role: Option<usize>,
    },
    Reuse {
        id: u8,
        secret: u8,
        grace_ms: u64,
    },
    Remove {
        id: u8,
    },
    RemoveSubject {
        subject: u8,
        below: Option<i64>,
        keep: Option<u8>,
    },
    List {
        subject: u8,
    },
    Pass {
        ms: u64,
    },
    JumpDate {
        ms: i64,
    },
    Sweep,
}

/// A token as it is presented.
#[derive(Clone, Debug)]
struct Shown {
    id: u8,
    secret: u8,
    intent: Intent,
}

/// A session as the model keeps it, and as a view is compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    id: u8,
    secret: u8,
    subject: u8,
    kind: Kind,
    role: usize,
    generation: i64,
    ttl_ms: u64,
    max_ms: u64,
    created_ms: u64,
    used_ms: u64,
    expires_ms: u64,
    uses: u64,
}

/// What was answered, as far as it can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Alive(Plain),
    /// Over, or over and swept.
    Dead,
    /// The secret is that from before a rotation.
    Replaced,
    Taken,
    Created(Plain, Vec<u8>),
    Batch(Vec<Answer>),
    Flag(bool),
    Ids(Vec<u8>),
    Sessions(Vec<Plain>),
    Nothing,
}

#[derive(Default)]
struct Model {
    now_ms: u64,
    sessions: BTreeMap<u8, Plain>,
    /// Of each rotated session, the secret before the latest rotation, and when that was.
    rotations: BTreeMap<u8, (u8, u64)>,
}

impl Model {
    fn is_live(&self, plain: &Plain) -> bool {
        self.now_ms < plain.expires_ms
    }

    fn live_of(&self, subject: u8) -> Vec<Plain> {
        let all = self.sessions.values();
        all.filter(|plain| plain.subject == subject && self.is_live(plain)).cloned().collect()
    }

    fn take(&mut self, step: &Step) -> Answer {
        match step {
            Step::Insert { plain, cap } => self.insert(plain.clone(), *cap),
            Step::Present(batch) => {
                let present = |one: &Shown| self.present(one.id, one.secret, one.intent);
                Answer::Batch(batch.iter().map(present).collect())
            }
            Step::Rotate { id, secret, next, role } => {
                let Some(plain) = self.live(*id, *secret) else {
                    return self.dead(*id, *secret);
                };
                plain.secret = *next;
                plain.role = role.unwrap_or(plain.role);
                self.rotations.insert(*id, (*secret, self.now_ms));
                self.used(*id)
            }
            Step::Reuse { id, secret, grace_ms } => {
                Answer::Flag(self.reuse(*id, *secret, *grace_ms))
            }
            Step::Remove { id } => {
                let removed = self.sessions.remove(id);
                Answer::Flag(removed.is_some_and(|plain| self.is_live(&plain)))
            }
            Step::RemoveSubject { subject, below, keep } => self.end(*subject, *below, *keep),
            Step::List { subject } => Answer::Sessions(self.live_of(*subject)),
            Step::Pass { ms } => {
                self.now_ms += ms;
                Answer::Nothing
            }
            Step::JumpDate { .. } | Step::Sweep => Answer::Nothing,
        }
    }

    fn insert(&mut self, mut plain: Plain, cap: usize) -> Answer {
        if self.sessions.get(&plain.id).is_some_and(|there| self.is_live(there)) {
            return Answer::Taken;
        }
        let mut others = self.live_of(plain.subject);
        others.sort_by_key(|other| (other.expires_ms, other.id));
        (plain.created_ms, plain.used_ms) = (self.now_ms, self.now_ms);
        plain.expires_ms = self.now_ms + plain.lasting();
        self.sessions.insert(plain.id, plain.clone());
        self.rotations.remove(&plain.id);
        let excess = if cap == 0 { 0 } else { (others.len() + 1).saturating_sub(cap) };
        let mut ended: Vec<u8> = others.iter().take(excess).map(|other| other.id).collect();
        ended.sort_unstable();
        self.sessions.retain(|id, _| !ended.contains(id));
        Answer::Created(plain, ended)
    }

    fn live(&mut self, id: u8, secret: u8) -> Option<&mut Plain> {
        let now_ms = self.now_ms;
        let found = self.sessions.get_mut(&id)?;
        (found.secret == secret && now_ms < found.expires_ms).then_some(found)
    }

    /// Why a secret that is not the present one of a live session opens nothing.
    fn dead(&self, id: u8, secret: u8) -> Answer {
        let is_live = self.sessions.get(&id).is_some_and(|plain| self.is_live(plain));
        let replaced = self.rotations.get(&id).is_some_and(|(replaced, _)| *replaced == secret);
        if is_live && replaced { Answer::Replaced } else { Answer::Dead }
    }

    fn reuse(&mut self, id: u8, secret: u8, grace_ms: u64) -> bool {
        let present = self.live(id, secret).is_some();
        if present || self.dead(id, secret) != Answer::Replaced {
            return false;
        }
        let is_late = self.rotations.get(&id).is_some_and(|(_, at)| self.now_ms - at > grace_ms);
        if is_late {
            self.sessions.remove(&id);
        }
        is_late
    }

    fn present(&mut self, id: u8, secret: u8, intent: Intent) -> Answer {
        let found = self.live(id, secret).cloned();
        let replaced = self.dead(id, secret) == Answer::Replaced;
        match (intent, found) {
            (Intent::Look, found) => found.map_or(Answer::Dead, Answer::Alive),
            (Intent::Use, None) => self.dead(id, secret),
            (Intent::Use, Some(plain)) => {
                let used = self.used(id);
                if plain.kind == Kind::SingleUse {
                    self.sessions.remove(&id);
                }
                used
            }
            (Intent::End, None) if !replaced => Answer::Dead,
            (Intent::End, _) => {
                let ended = self.sessions.remove(&id).unwrap();
                Answer::Alive(Plain { secret, ..ended })
            }
        }
    }

    fn used(&mut self, id: u8) -> Answer {
        let now_ms = self.now_ms;
        let plain = self.sessions.get_mut(&id).unwrap();
        (plain.uses, plain.used_ms) = (plain.uses + 1, now_ms);
        if plain.kind == Kind::Sliding {
            let slid = (now_ms + plain.ttl_ms).min(plain.created_ms + plain.max_ms);
            plain.expires_ms = plain.expires_ms.max(slid);
        }
        Answer::Alive(plain.clone())
    }

    fn end(&mut self, subject: u8, below: Option<i64>, keep: Option<u8>) -> Answer {
        let mut ended = Vec::new();
        for plain in self.live_of(subject) {
            if keep == Some(plain.id) {
                let raised = below.unwrap_or(i64::MIN).max(plain.generation);
                self.sessions.get_mut(&plain.id).unwrap().generation = raised;
            } else if below.is_none_or(|below| plain.generation < below) {
                self.sessions.remove(&plain.id);
                ended.push(plain.id);
            }
        }
        Answer::Ids(ended)
    }
}

impl Plain {
    fn lasting(&self) -> u64 {
        if self.kind == Kind::Sliding { self.ttl_ms.min(self.max_ms) } else { self.max_ms }
    }
}

/// An answer of the model without what no view shows.
fn shown(answer: Answer) -> Answer {
    let hide = |plain: Plain| Plain { ttl_ms: 0, ..plain };
    match answer {
        Answer::Alive(plain) => Answer::Alive(hide(plain)),
        Answer::Created(plain, ended) => Answer::Created(hide(plain), ended),
        Answer::Batch(all) => Answer::Batch(all.into_iter().map(shown).collect()),
        Answer::Sessions(all) => Answer::Sessions(
            all.into_iter().map(|plain| Plain { secret: u8::MAX, ..hide(plain) }).collect(),
        ),
        other => other,
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let kind =
        prop_oneof![3 => Just(Kind::Sliding), 1 => Just(Kind::Fixed), 1 => Just(Kind::SingleUse)];
    let times = (1_u64..200, prop_oneof![1_u64..500, 1_u64..100_000]);
    (0_u8..8, 0_u8..2, 0_u8..2, kind, 0_usize..3, 0_i64..3, times).prop_map(
        |(id, secret, subject, kind, role, generation, (ttl_ms, max_ms))| Plain {
            id,
            secret,
            subject,
            kind,
            role,
            generation,
            ttl_ms,
            max_ms,
            created_ms: 0,
            used_ms: 0,
            expires_ms: 0,
            uses: 0,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let intent =
        prop_oneof![6 => Just(Intent::Use), 2 => Just(Intent::Look), 1 => Just(Intent::End)];
    let presented =
        (0_u8..8, 0_u8..2, intent).prop_map(|(id, secret, intent)| Shown { id, secret, intent });
    let role = proptest::option::of(0_usize..3);
    let below = proptest::option::of(0_i64..4);
    prop_oneof![
        6 => (plain(), 0_usize..5).prop_map(|(plain, cap)| Step::Insert { plain, cap }),
        8 => proptest::collection::vec(presented, 1..20).prop_map(Step::Present),
        2 => (0_u8..8, 0_u8..2, 0_u8..2, role)
            .prop_map(|(id, secret, next, role)| Step::Rotate { id, secret, next, role }),
        2 => (0_u8..8, 0_u8..2, 0_u64..300)
            .prop_map(|(id, secret, grace_ms)| Step::Reuse { id, secret, grace_ms }),
        2 => (0_u8..8).prop_map(|id| Step::Remove { id }),
        1 => (0_u8..2, below, proptest::option::of(0_u8..8))
            .prop_map(|(subject, below, keep)| Step::RemoveSubject { subject, below, keep }),
        2 => (0_u8..2).prop_map(|subject| Step::List { subject }),
        5 => (0_u64..150).prop_map(|ms| Step::Pass { ms }),
        1 => (0_u64..100_000).prop_map(|ms| Step::Pass { ms }),
        1 => (-4_000_000_i64..4_000_000).prop_map(|ms| Step::JumpDate { ms }),
        3 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_model_does(steps in proptest::collection::vec(step(), 1..120)) {
        let (mut model, real) = (Model::default(), Real::new());
        for step in &steps {
            let answer = real.take(step);
            // An id whose session is over may still be in use: until a sweep, or a full quota, has
            // come past. Then the model has nothing to say.
            let over = matches!(step, Step::Insert { plain, .. }
                if model.sessions.get(&plain.id).is_some_and(|there| !model.is_live(there)));
            if over && answer == Answer::Taken {
                continue;
            }
            prop_assert_eq!(answer, shown(model.take(step)), "{:?}", step);
        }
        let live = model.live_of(0).len() + model.live_of(1).len();
        real.take(&Step::Sweep);
        prop_assert_eq!(real.runtime.block_on(real.store.count()).unwrap(), live as u64);
    }
}
