//! The changes of sessions, in the order in which they were made to each of them, for the task that
//! writes them down. It knows no file and no SQL.
//!
//! INVARIANT: a change of a session is put in under the lock of the session's shard, so that two
//! changes of one session are written in the order in which memory made them. Uses alone need not
//! be: they are written only where they are more than what is written, and the session is there.
//! INVARIANT: the journal's own locks are taken last, and nothing is locked while one is held.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, SetOnce};

use super::rotation::LatestRotation;
use crate::{AttemptKey, Event, SecretDigest, SessionId, StoreError};

/// How many changes that somebody waits for are written together at most: a commit that takes long
/// is then one that the disk holds up.
pub(crate) const BATCH_LIMIT: usize = 8192;

/// A session as it is written.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) record: Box<[u8]>,
    pub(crate) used_ms: u64,
    pub(crate) uses: u32,
}

/// One change of one session, or of what the store knows beside them.
pub(crate) enum Change {
    /// It was opened.
    Opened(SessionId, Row, Box<Event>),
    /// It has another secret.
    Rotated(SessionId, Row, Box<(BeforeRotation, Event)>),
    /// It ends as soon as this is written: a use of it, or its user's cap, used it up.
    UsedUp(SessionId, Box<Event>),
    /// Its generation was raised.
    Raised(SessionId, Row),
    /// Its values are these.
    Valued(SessionId, Box<[u8]>, Box<BeforeWrite>),
    /// It ended, which is an event unless a use, or the cap, ended it before.
    Ended(SessionId, Option<Box<Event>>),
    /// Something happened that changed no session.
    Happened(Box<Event>),
    /// It was used.
    Used(SessionId, u64, u32),
    /// From somewhere, an account was logged in to.
    Remembered(AttemptKey, u64),
    /// Something that the store knows of itself; `None` where it has forgotten it.
    Described(Cow<'static, str>, Option<String>),
}

/// What a rotation is taken back to.
pub(crate) struct BeforeRotation {
    pub(super) digest: SecretDigest,
    pub(super) rotation: Option<Box<LatestRotation>>,
    pub(super) role: u8,
}

/// What the write of a value is taken back to.
pub(crate) struct BeforeWrite {
    pub(super) key: Box<str>,
    pub(super) value: Option<(u64, Box<str>)>,
}

/// Changes that are written together, or not at all.
#[derive(Default)]
pub(crate) struct Batch {
    outcome: SetOnce<Result<(), StoreError>>,
}

/// Which changes a batch took.
pub(crate) struct Taken {
    pub(crate) batch: Arc<Batch>,
    pub(crate) changes: Vec<Change>,
}

impl Taken {
    /// Takes the event from each end of what was used up by one of `before` or in this batch: its
    /// event is that of the use. What this batch uses up.
    pub(crate) fn leave_one_event_an_end(
        &mut self,
        before: &HashSet<SessionId>,
    ) -> HashSet<SessionId> {
        let mut used_up = HashSet::new();
        for change in &mut self.changes {
            match change {
                Change::UsedUp(id, _) => drop(used_up.insert(*id)),
                Change::Ended(id, event) if before.contains(id) || used_up.contains(id) => {
                    *event = None;
                }
                _ => {}
            }
        }
        used_up
    }

    /// The sessions that it opens.
    pub(crate) fn opened(&self) -> impl Iterator<Item = SessionId> {
        self.changes.iter().filter_map(|change| match change {
            Change::Opened(id, ..) => Some(*id),
            _ => None,
        })
    }

    /// The events of the changes, in their order.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.changes.iter().filter_map(Change::event)
    }

    /// The same, when the changes are written.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        self.events().cloned().collect()
    }

    /// Those of ends, when the changes were not written.
    pub(crate) fn take_events_of_ends(&self) -> Vec<(SessionId, Event)> {
        let used_up: HashMap<SessionId, &Event> = self
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::UsedUp(id, event) => Some((*id, &**event)),
                _ => None,
            })
            .collect();
        let ends = self.changes.iter().filter_map(|change| match change {
            Change::Ended(id, event) => {
                let event = event.as_deref().or_else(|| used_up.get(id).copied());
                event.map(|event| (*id, event.clone()))
            }
            _ => None,
        });
        ends.collect()
    }
}

impl Change {
    fn event(&self) -> Option<&Event> {
        match self {
            Self::Opened(_, _, event) | Self::UsedUp(_, event) | Self::Happened(event) => {
                Some(event)
            }
            Self::Rotated(_, _, changed) => Some(&changed.1),
            Self::Ended(_, event) => event.as_deref(),
            _ => None,
        }
    }
}

/// What of a session is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Its secret, or its end.
    Session,
    /// Its values.
    Values,
}

/// Changes that wait to be written, and which sessions have some.
#[derive(Default)]
pub(crate) struct Journal {
    queue: Mutex<Queue>,
    writing: Mutex<HashMap<(SessionId, Part), Arc<Batch>>>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    /// Batches that take no more, the oldest first. Where there are any, `facts` is not empty.
    full: VecDeque<Taken>,
    /// What has an order.
    facts: Vec<Change>,
    /// Uses, which no request waits for.
    later: VecDeque<Change>,
    batch: Arc<Batch>,
    /// The batch that was taken last.
    taken: Option<Arc<Batch>>,
    is_closed: bool,
}

impl Queue {
    /// Puts in what has an order; the batch that it will be in.
    fn push(&mut self, change: Change) -> Arc<Batch> {
        if self.facts.len() >= BATCH_LIMIT && !self.is_closed {
            let (batch, changes) =
                (std::mem::take(&mut self.batch), std::mem::take(&mut self.facts));
            self.full.push_back(Taken { batch, changes });
        }
        self.facts.push(change);
        Arc::clone(&self.batch)
    }

    /// The oldest batch, without uses; an empty one where nothing has an order.
    fn pop(&mut self) -> Taken {
        if let Some(taken) = self.full.pop_front() {
            return taken;
        }
        let changes = std::mem::take(&mut self.facts);
        let batch =
            if self.is_closed { Arc::clone(&self.batch) } else { std::mem::take(&mut self.batch) };
        Taken { batch, changes }
    }

    fn facts(&self) -> usize {
        self.full.len() * BATCH_LIMIT + self.facts.len()
    }
}

impl Batch {
    /// Waits until it is written.
    ///
    /// # Errors
    ///
    /// It was not.
    pub(crate) async fn written(&self) -> Result<(), StoreError> {
        self.outcome.wait().await.clone()
    }

    /// Sets its outcome, which wakes the requests that wait for it.
    pub(crate) fn settle(&self, outcome: Result<(), StoreError>) {
        // It is set once: a batch has one taker.
        let _ = self.outcome.set(outcome);
    }
}

impl Journal {
    /// Puts in a change that a request waits for; the batch that it will be in.
    pub(crate) fn push(&self, change: Change) -> Arc<Batch> {
        let batch = self.queue.lock().push(change);
        self.arrived.notify_one();
        batch
    }

    /// Puts in changes that no request waits for, but whose order counts.
    pub(crate) fn push_all(&self, changes: impl IntoIterator<Item = Change>) {
        let mut queue = self.queue.lock();
        let before = queue.facts();
        for change in changes {
            queue.push(change);
        }
        if queue.facts() > before {
            drop(queue);
            self.arrived.notify_one();
        }
    }

    /// Waits until what is in by now is written or refused, if it is more than `limit`.
    pub(super) async fn let_up(&self, limit: usize) {
        let batch = {
            let queue = self.queue.lock();
            (queue.facts() > limit).then(|| Arc::clone(&queue.batch))
        };
        if let Some(batch) = batch {
            // Whether it was written is the business of those who wait for it.
            let _ = batch.written().await;
        }
    }

    /// Puts in a change of a session that others of its part wait for, too, until
    /// [`is_written`](Self::is_written).
    pub(super) fn hold(&self, id: SessionId, part: Part, change: Change) -> Arc<Batch> {
        let batch = self.push(change);
        self.writing.lock().insert((id, part), Arc::clone(&batch));
        batch
    }

    /// Puts in uses, which no request waits for.
    pub(super) fn push_later(&self, changes: impl IntoIterator<Item = Change>) {
        let mut queue = self.queue.lock();
        if !queue.is_closed {
            queue.later.extend(changes);
        }
    }

    /// The batch in which this part of the session is being written.
    pub(super) fn batch_of(&self, id: SessionId, part: Part) -> Option<Arc<Batch>> {
        self.writing.lock().get(&(id, part)).map(Arc::clone)
    }

    /// This part of the session is written, unless it is in a later batch by now.
    pub(super) fn is_written(&self, id: SessionId, part: Part, batch: &Arc<Batch>) -> bool {
        let mut writing = self.writing.lock();
        let is_this = writing.get(&(id, part)).is_some_and(|held| Arc::ptr_eq(held, batch));
        if is_this {
            writing.remove(&(id, part));
        }
        is_this
    }

    /// Waits until there is a change that a request waits for.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes the oldest batch, and with it so many uses at most; `None` where there is nothing.
    pub(crate) fn take(&self, uses: usize) -> Option<Taken> {
        let mut queue = self.queue.lock();
        if queue.facts.is_empty() && queue.later.is_empty() {
            return None;
        }
        let mut taken = queue.pop();
        queue.taken = Some(Arc::clone(&taken.batch));
        let uses = queue.later.len().min(uses);
        taken.changes.extend(queue.later.drain(..uses));
        Some(taken)
    }

    /// Takes all uses.
    pub(crate) fn take_uses(&self) -> Vec<Change> {
        std::mem::take(&mut self.queue.lock().later).into()
    }

    /// The batch by which all that is in by now is written or refused; `None` where nothing was.
    pub(crate) fn latest(&self) -> Option<Arc<Batch>> {
        let queue = self.queue.lock();
        if queue.facts.is_empty() { queue.taken.clone() } else { Some(Arc::clone(&queue.batch)) }
    }

    /// Whether there is nothing to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.facts.is_empty() && queue.later.is_empty()
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_closed = true;
        queue.batch.settle(Err(StoreError("the session file is closed".to_owned())));
    }
}
