//! What every session store does. The crates above do not depend on which store it is.

#[cfg(test)]
pub(crate) mod conformance;
pub(crate) mod durable;
pub(crate) mod events;
pub(crate) mod memory;
pub(crate) mod redis;
pub(crate) mod scan;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, Ready};
use tokio::sync::watch;
use uuid::Uuid;

use self::events::{EventRead, ReadFrom};

use crate::{
    Cause, ClientDigest, Cursor, Dead, Event, EventContext, Intent, NewSession, Page, Presented,
    SecretDigest, SeenAt, Session, SessionId, Verdict,
};

/// The most bytes of keys and values that one session keeps.
pub const VALUES_LIMIT: usize = 16 * 1024;

/// The store failed to answer. This says nothing about any session: never take it for "no".
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store does not answer: {0}")]
pub struct StoreError(
    /// What happened, for the operator's log: no key, no digest.
    pub String,
);

/// The answer for one item of a batch.
pub type Outcome = Result<Verdict, StoreError>;

/// The answers to a batch of presented tokens, in order. A store that waits for nothing has them at
/// once, and no future is boxed for its busiest operation.
pub type Outcomes<'a> = Either<Ready<Vec<Outcome>>, BoxFuture<'a, Vec<Outcome>>>;

/// What became of an insert.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, and soon moved out"
)]
pub enum Insertion {
    /// The session lives; its subject's cap ended these others.
    Created {
        /// Its state now.
        session: Session,
        /// Ended because the user had too many.
        ended: Vec<SessionId>,
    },
    /// The id is in use. Nothing was changed.
    Taken,
    /// Its maker is dead. It was undone, and ended no other.
    Refused(Dead),
}

/// Which of a subject's sessions to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// Only those opened with a lower generation; all where it is `None`.
    pub below_generation: Option<i64>,
    /// The one that lives on, whatever its generation; it is raised to `below_generation`.
    pub keep: Option<SessionId>,
}

/// The values that backends store in a session: JSON text by key, each with the version of its last write.
pub type Values = BTreeMap<String, (u64, Box<str>)>;

/// What to write under a key.
#[derive(Clone, Debug)]
pub enum ValueChange {
    /// This JSON text.
    Put(Box<str>),
    /// Nothing any more.
    Delete,
}

/// Under which condition a value is written; checked and written in one step.
#[derive(Clone, Debug)]
pub enum Condition {
    /// In any case.
    None,
    /// Only where there is a value.
    Present,
    /// Only where there is no value.
    Absent,
    /// Only where the value has one of these versions.
    Version(Vec<u64>),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueWrite {
    /// It is stored, with this version, which no value of this session had before.
    Put(u64),
    /// The key has no value (any more).
    Deleted,
    /// The condition did not hold. Nothing was changed.
    ConditionFailed,
    /// It would be more than [`VALUES_LIMIT`] bytes in all. Nothing was changed.
    TooLarge,
    /// The session does not live.
    SessionDead,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired sessions whose memory was given back.
    pub removed: u64,
}

/// What the events say that presented tokens may cause.
#[derive(Clone, Copy, Debug)]
pub struct TouchContext<'a> {
    /// Where each token of the batch was presented from; shorter than the batch where the rest is
    /// unknown.
    pub seen_at: &'a [SeenAt],
    /// For what a session ends by [`Intent::End`](crate::Intent::End).
    pub end: &'a EventContext,
}

/// An end that nobody requested.
static NO_END: EventContext = EventContext {
    cause: Cause::Logout,
    by: None,
    client: SeenAt { ip: None, user_agent: None, request_id: None },
};

impl Default for TouchContext<'_> {
    fn default() -> Self {
        Self { seen_at: &[], end: &NO_END }
    }
}

impl TouchContext<'_> {
    /// The context in which the token of this index ends its session.
    pub(crate) fn ending(&self, index: usize, intent: Intent) -> EventContext {
        match intent {
            Intent::End => self.end.clone(),
            Intent::Use | Intent::Look => {
                let client = self.seen_at.get(index).cloned().unwrap_or_default();
                EventContext::of_client(Cause::Used, client)
            }
        }
    }
}

/// Where sessions live. Every operation on one session is one atomic step on one key.
///
/// INVARIANT: there is no `save` and no upsert. [`insert`](Self::insert) only creates, everything
/// else changes only what is there, so that nothing brings an ended session back.
/// INVARIANT: a session is over when its time is over, whether or not it has been swept.
/// INVARIANT: [`StoreError`] is never an answer about a session.
/// INVARIANT: what issues, rotates or ends a session stores its event in the same step; a use stores
/// none.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Takes in a session, unless its id is in use, which an unswept expired session's is. Past
    /// `cap` live sessions of its subject (0: no limit), ends those others that would end soonest,
    /// which may be its maker.
    ///
    /// A maker is looked at once the session is there, so that whatever ends all of a subject's
    /// sessions finds the new one or has ended the maker before. Where it is dead, the new one is
    /// undone; the cap is enforced after that, and no other ends for one that does not stay.
    ///
    /// `context` is that of the new session; what ends for it, or is undone, says so by its cause.
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError>;

    /// For each presented token, in order, in one atomic step each: find it, compare the secret,
    /// check that it lives, and do what its [`Intent`](crate::Intent) and its kind ask for:
    /// nothing, slide and count, count, or end it with this one success. The same token twice is
    /// used twice. A wrong secret is `Dead::Unknown`, whatever else is known of the session.
    ///
    /// The secret from before the latest rotation ends a session with `Intent::End`, is
    /// `Dead::Replaced` to a use and `Dead::Unknown` to a look, while the session lives.
    fn touch<'a>(&'a self, batch: &'a [Presented], context: TouchContext<'a>) -> Outcomes<'a>;

    /// Uses a live session and gives it another secret, and another role if one is given, in one
    /// step; values, id and absolute end stay. The old secret opens nothing from then on, and is
    /// stored with the time and the `client` of this rotation until the next one. The intent is
    /// ignored.
    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome;

    /// Ends a live session for which the secret from before its latest rotation is presented, if
    /// that rotation was more than `grace` ago or came from another `client`, in one step; the
    /// session as it stood. `None` where nothing was ended. The intent is ignored.
    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError>;

    /// Ends a session. `true` if it was live.
    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError>;

    /// Ends a subject's sessions; returns those that were live. A session that is inserted
    /// meanwhile may live on.
    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Ends each of these, also what cannot be read, in as few round trips as it takes. `true` for
    /// one that was live.
    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>>;

    /// [`remove_subject`](Self::remove_subject) for many, in as few round trips as it takes; names
    /// those that were live, with whose they were.
    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError>;

    /// A part of the sessions of all subjects. What lives from the beginning of a walk to its end is
    /// shown at least once; what comes or goes meanwhile may be. A page ends as the cursor says. Only
    /// looks.
    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError>;

    /// A subject's live sessions, in no order. Only looks.
    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError>;

    /// The values of a session; `None` if it does not live. Only looks.
    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError>;

    /// Writes one value of a live session if the condition holds. Not a use.
    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError>;

    /// How many sessions live, approximately: what has expired counts until it is swept.
    async fn count(&self) -> Result<u64, StoreError>;

    /// Gives back the memory of what has expired, in slices that hold no lock long.
    async fn sweep(&self) -> Result<Swept, StoreError>;

    /// Stores an event that is about no session.
    async fn append_event(&self, event: Event) -> Result<(), StoreError>;

    /// Reads no more than `limit` events, of all processes that use the store. A position is good
    /// for the store that gave it out, also after a restart where events are durable.
    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError>;

    /// Changes when there may be more events.
    fn event_signal(&self) -> watch::Receiver<u64>;

    /// Looks for events that other processes stored, so that the signal changes.
    async fn look_for_events(&self) -> Result<(), StoreError>;

    /// The events that this process stored: the newest of them, for its log.
    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead;

    /// Whether its sessions live on when this process has ended. Where they do not, it need not
    /// remember what the operations below are about.
    fn outlives_process(&self) -> bool;

    /// Whether other processes may keep sessions in it at the same time.
    fn is_shared(&self) -> bool;

    /// The id of the users' database that its sessions belong to, if it was given one.
    async fn identity(&self) -> Result<Option<Uuid>, StoreError>;

    /// Gives it the id of a users' database if it has none; the one that it has then.
    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError>;

    /// Gives it another id, and forgets its bookmark. What was inserted before it is shown to a scan
    /// that begins after it, so that a look at [`identity`](Self::identity) after an insert tells
    /// whether the new session ends with the others.
    async fn reassign(&self, id: Uuid) -> Result<(), StoreError>;

    /// Names the history of what it keeps. Under another name it may lack what was done before, as
    /// where a replica took over; `None` where the store cannot name it.
    async fn history(&self) -> Option<String>;

    /// What a follower of changes to users last wrote down. It is lost where the sessions are lost.
    async fn bookmark(&self) -> Result<Option<String>, StoreError>;

    /// Writes that down.
    async fn set_bookmark(&self, text: &str) -> Result<(), StoreError>;

    /// What was last written under this name, of at most 64 plain characters. It is lost where the
    /// sessions and their events are lost.
    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Writes `text`, which is not empty, under this name if `before` is written there, in one step;
    /// whether it did.
    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What the store is called in metrics and messages: `memory`, `redis`.
    fn backend(&self) -> &'static str;
}
