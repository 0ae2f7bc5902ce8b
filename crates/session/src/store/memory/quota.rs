//! How many live sessions one subject may have.

use clock::Moment;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::flags::{ENDING, WRITING};
use super::journal::{Change, Part};
use super::key::Key;
use super::promises::Operation;
use super::steps::live;
use super::{Insertion, MemoryStore, subjects};
use crate::{Cause, Dead, Intent, NewSession, Presented, SessionId};

const STRIPES: usize = 256;

/// One insert of a subject at a time, where there is a quota: of two at once, each would end the
/// other's session.
pub(super) struct Quotas {
    stripes: Box<[Mutex<()>]>,
}

impl Quotas {
    pub(super) fn new() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::default()).collect() }
    }

    fn lock(&self, subject: Uuid) -> MutexGuard<'_, ()> {
        self.stripes[subjects::part(subject, STRIPES)].lock()
    }
}

impl MemoryStore {
    /// Takes in a session and ends what its subject has past `cap`; 0 is no limit.
    pub(crate) fn insert_within(
        &self,
        new: &NewSession,
        cap: usize,
        operation: &mut Operation<'_>,
    ) -> Insertion {
        let _alone = (cap > 0).then(|| self.quotas.lock(new.subject.id));
        let Some((session, keys)) = self.create(new, operation) else {
            return Insertion::Taken;
        };
        if let Some(dead) = self.dead_maker(new) {
            operation.with_cause(Cause::Undone, |undoing| self.take(new.id, undoing));
            return Insertion::Refused(dead);
        }
        let fits = cap == 0 || keys <= cap;
        let ended = if fits {
            Vec::new()
        } else {
            operation.with_cause(Cause::Limit, |ending| {
                self.enforce(new.subject.id, new.id, cap, ending)
            })
        };
        Insertion::Created { session, ended }
    }

    fn dead_maker(&self, new: &NewSession) -> Option<Dead> {
        let maker = Presented { intent: Intent::Look, ..new.maker? };
        let shard = self.shard(Key::of(maker.id)).lock();
        match live(&shard, &maker, self.wall_clock.moment()) {
            Ok(index) if shard.at(index).flags.has(ENDING) => Some(Dead::Unknown),
            found => found.err(),
        }
    }

    /// Ends the others of a subject's sessions that would end soonest, until no more than `cap`
    /// live. Those that are over already are taken out on the way.
    fn enforce(
        &self,
        subject: Uuid,
        newest: SessionId,
        cap: usize,
        operation: &mut Operation<'_>,
    ) -> Vec<SessionId> {
        let keys = self.subjects.keys(subject);
        let ids = keys.into_iter().flat_map(|key| self.ids(key)).filter(|id| *id != newest);
        let mut live: Vec<(Moment, SessionId)> =
            ids.filter_map(|id| Some((self.end_of(subject, id)?, id))).collect();
        let excess = (live.len() + 1).saturating_sub(cap);
        live.sort_unstable();
        let soonest = live.into_iter().take(excess).map(|(_, id)| id);
        soonest.filter(|id| self.end_for_cap(subject, *id, operation)).collect()
    }

    /// Ends a session for its user's cap. Where sessions are written down, it ends in the same commit as
    /// the new session that it makes room for, or lives on if that fails.
    fn end_for_cap(&self, subject: Uuid, id: SessionId, operation: &mut Operation<'_>) -> bool {
        let Some(journal) = self.journal() else {
            return self.take_if(id, operation, |record, _| record.subject.id == subject);
        };
        let mut shard = self.shard(Key::of(id)).lock();
        let Some(index) = shard.find(id) else {
            return false;
        };
        let now = self.wall_clock.now();
        let record = shard.at_mut(index);
        if record.subject.id != subject
            || record.flags.has(ENDING)
            || record.expiry.is_over(now.moment)
        {
            return false;
        }
        let event = Box::new(record.ended(operation.context, now));
        record.flags.set(WRITING);
        record.flags.set(ENDING);
        operation.promises.add(journal.hold(id, Part::Session, Change::UsedUp(id, event)));
        true
    }

    /// When the session `id` of `subject` ends unused; one that is over is taken out.
    fn end_of(&self, subject: Uuid, id: SessionId) -> Option<Moment> {
        let mut shard = self.shard(Key::of(id)).lock();
        let index = shard.find(id)?;
        let record = shard.at(index);
        if record.subject.id != subject || record.flags.has(ENDING) {
            return None;
        }
        let now = self.wall_clock.now();
        if !record.expiry.is_over(now.moment) {
            return Some(record.expiry.expires_at());
        }
        let record = shard.take(index);
        self.record_expired(std::slice::from_ref(&record), now);
        drop(shard);
        self.forget(&record);
        None
    }
}
