//! Sessions that a version before put into a cluster, whose keys had no tag. They are found under the key
//! that they have, and end there; none is opened. Their events are appended a step later, since their
//! stream is in another slot. Whoever removes the last of this reads in `docs/scaling.md` since when none
//! of these sessions can be alive.

use redis::Value;

use super::events::appending;
use super::key::{Key, session_key, tagged_session_key};
use super::{RedisStore, reply};
use crate::redis_connection::{Reply, ScriptRequest};
use crate::{SessionId, StoreError};

/// Which trait of a record says that values stand behind it; a reply has none.
const HAS_VALUES: u8 = 128;

/// The requests that found nothing, about the keys that were used before.
#[derive(Default)]
struct Former {
    /// Where each stands among all.
    indices: Vec<usize>,
    requests: Vec<ScriptRequest>,
}

impl RedisStore {
    /// The key of a session that is opened now.
    pub(super) fn key_of(&self, id: SessionId) -> Key {
        if self.connection.is_cluster() { tagged_session_key(id) } else { session_key(id) }
    }

    /// The key that a session has if a version before has opened it, where that is another one.
    pub(super) fn former_key_of(&self, id: SessionId) -> Option<Key> {
        self.connection.is_cluster().then(|| session_key(id))
    }

    /// Sends requests about these sessions, whose scripts reply 0 where there is none.
    pub(super) async fn run_about(
        &self,
        ids: &[SessionId],
        requests: &[ScriptRequest],
    ) -> Vec<Reply> {
        let mut replies = self.connection.run(requests).await;
        let former = self.former(ids, requests, &replies);
        if !former.indices.is_empty() {
            let others = self.connection.run(&former.requests).await;
            self.take_former(ids, requests, former, others, &mut replies).await;
        }
        replies
    }

    /// The same for what must not come undone.
    pub(super) async fn run_about_durably(
        &self,
        ids: &[SessionId],
        requests: &[ScriptRequest],
    ) -> Vec<Reply> {
        let mut replies = self.connection.run_durably(requests).await;
        let former = self.former(ids, requests, &replies);
        if !former.indices.is_empty() {
            let others = self.connection.run_durably(&former.requests).await;
            self.take_former(ids, requests, former, others, &mut replies).await;
        }
        replies
    }

    /// Sends one request about a session.
    pub(super) async fn run_one_about(&self, id: SessionId, request: ScriptRequest) -> Reply {
        self.run_about(&[id], &[request]).await.pop().unwrap_or_else(|| Err(reply::unreadable()))
    }

    /// The same for what must not come undone.
    pub(super) async fn run_one_about_durably(
        &self,
        id: SessionId,
        request: ScriptRequest,
    ) -> Reply {
        let mut replies = self.run_about_durably(&[id], &[request]).await;
        replies.pop().unwrap_or_else(|| Err(reply::unreadable()))
    }

    /// Appends the event of a session that has changed under its former key. Where that fails the change
    /// stays: it is in the log of this process alone then.
    pub(super) async fn append_late(&self, appends: &[ScriptRequest]) {
        for reply in self.connection.run(appends).await {
            if let Err(StoreError(error)) = reply {
                tracing::warn!(error, "the event of a session of a version before is not stored");
            }
        }
    }

    fn former(&self, ids: &[SessionId], requests: &[ScriptRequest], replies: &[Reply]) -> Former {
        let mut former = Former::default();
        for (at, reply) in replies.iter().enumerate() {
            if let (Ok(Value::Int(0)), Some(key)) = (reply, self.former_key_of(ids[at])) {
                former.indices.push(at);
                former.requests.push(requests[at].about(&key));
            }
        }
        former
    }

    async fn take_former(
        &self,
        ids: &[SessionId],
        requests: &[ScriptRequest],
        former: Former,
        others: Vec<Reply>,
        replies: &mut [Reply],
    ) {
        let mut appends = Vec::new();
        for (at, other) in former.indices.into_iter().zip(others) {
            let changed = other.as_ref().ok().and_then(|value| reply::state(value).ok()?.ok());
            if let (Some((_, record)), Some(event)) = (changed, requests[at].last_argument()) {
                appends.push(self.late_event(ids[at], record, event));
            }
            replies[at] = other;
        }
        self.append_late(&appends).await;
    }

    /// The request to append an event to the stream of its session.
    pub(super) fn late_event(&self, id: SessionId, record: &[u8], event: &[u8]) -> ScriptRequest {
        let mut record = record.to_vec();
        if let Some(traits) = record.get_mut(1) {
            *traits &= !HAS_VALUES;
        }
        appending(self.streams.of(id.uuid()), &record, event)
    }
}
