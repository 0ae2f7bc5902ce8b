//! The store in Redis or Valkey (7 or newer), a single one or a cluster, which many nodes share.
//!
//! A session is a string of bytes under `session:ID`, with its time to live; every operation on it
//! is one step of a script on that one key, by the server's own clock. In a cluster the key is
//! `session:{TAG}:ID`, with one of 64 tags. `subject:ID` lists where to
//! look for a user's sessions, and nothing rests on its being exact.
//!
//! INVARIANT: only `CREATE` makes a session's key, and only where there is none. Everything else
//! changes in the same step in which it found it there.

mod count;
mod database;
mod events;
mod former;
mod index;
mod key;
pub(crate) mod record;
mod reply;
mod scan;
mod scripts;
mod touch;
mod values;

#[cfg(test)]
mod batched;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod replicas;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::Either;
use redis::Value;
use tokio::sync::watch;
use uuid::Uuid;

use self::events::Streams;
pub(super) use self::events::only_number;
use self::key::SESSION;
#[cfg(test)]
use self::key::session_key;
use self::scripts::{CREATE, END_REUSED, ROTATE, VALUES, WRITE_VALUE};
use super::events::{EventRead, EventRetention, EventRing, ReadFrom, new_history};
use super::{
    Condition, Ending, Insertion, Outcome, Outcomes, SessionStore, StoreError, Swept, TouchContext,
    ValueChange, ValueWrite, Values,
};
use crate::redis_connection::{RedisConnection, Reply, ScriptRequest};
use crate::{
    Cause, ClientDigest, Cursor, Dead, Event, EventContext, EventKind, Intent, NewSession, Page,
    Presented, SecretDigest, Session, SessionId, Verdict,
};

/// Sessions in Redis.
pub struct RedisStore {
    connection: RedisConnection,
    streams: Streams,
    /// The events of this process, for its log.
    made_here: EventRing,
    /// Changes when there may be more events.
    newest_event: watch::Sender<u64>,
}

/// How many of its own events a process has for its log.
const OWN_EVENTS: usize = 10_000;

impl RedisStore {
    /// A store there.
    pub fn new(connection: RedisConnection) -> Self {
        Self::retaining(connection, EventRetention::default())
    }

    /// The same, with events stored like this.
    pub fn retaining(connection: RedisConnection, retention: EventRetention) -> Self {
        let own = EventRetention { limit: OWN_EVENTS, ..retention };
        Self {
            streams: Streams::new(connection.is_cluster(), retention),
            connection,
            made_here: EventRing::new(&new_history(), own),
            newest_event: watch::Sender::new(0),
        }
    }

    /// The verdict in a reply, whose event is reported where it was changed.
    fn verdict(
        &self,
        kind: EventKind,
        id: SessionId,
        reply: Reply,
        context: &EventContext,
    ) -> Outcome {
        Ok(match reply::state(&reply?)? {
            Ok((now, bytes)) => {
                let session = record::decode(id, bytes, now).ok_or_else(reply::unreadable)?;
                self.reported(kind, &session, context, now);
                Verdict::Alive(session)
            }
            Err(dead) => Verdict::Dead(dead),
        })
    }

    /// Reports the end of a session whose record was replied.
    fn report_end(
        &self,
        id: SessionId,
        reply: &Value,
        context: &EventContext,
    ) -> Result<(), StoreError> {
        if let Ok((now, bytes)) = reply::state(reply)?
            && let Some(session) = record::decode(id, bytes, now)
        {
            self.reported(EventKind::SessionEnded, &session, context, now);
        }
        Ok(())
    }

    /// Undoes a session that was created, and returns why, if its maker does not live. It was not
    /// settled yet: it has ended no other, and no cap has counted it.
    async fn undo_unless_maker_lives(
        &self,
        new: &NewSession,
        context: &EventContext,
    ) -> Result<Option<Dead>, StoreError> {
        let Some(maker) = new.maker else {
            return Ok(None);
        };
        // Before the look: who ends the maker after it must find the new one.
        self.enter_made(new).await?;
        let look = Presented { intent: Intent::Look, ..maker };
        let refused = match self.touch(&[look], TouchContext::default()).await.pop() {
            Some(Ok(Verdict::Alive(_))) => return Ok(None),
            Some(Ok(Verdict::Dead(dead))) => Ok(Some(dead)),
            Some(Err(error)) => Err(error),
            None => Err(reply::unreadable()),
        };
        self.remove(new.id, &context.side_effect(Cause::Undone)).await?;
        refused
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    /// # Cancel safety
    ///
    /// Cancelled, it may have created a session whose token no client has.
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError> {
        let bytes = record::encode(new)
            .ok_or_else(|| StoreError("session is too large to be stored".to_owned()))?;
        if let Some(key) = self.former_key_of(new.id) {
            let request = ScriptRequest::command("EXISTS", &key);
            if reply::number(&self.connection.run_one(request).await?)? > 0 {
                return Ok(Insertion::Taken);
            }
        }
        self.enter(new).await?;
        let request = self.reporting(&CREATE, new.id).arg(bytes);
        let request = Self::with_event(request, EventKind::SessionIssued, new.id, context);
        let answer = self.connection.run_one(request).await?;
        let Ok((now, bytes)) = reply::state(&answer)? else {
            return Ok(Insertion::Taken);
        };
        let session = record::decode(new.id, bytes, now).ok_or_else(reply::unreadable)?;
        self.reported(EventKind::SessionIssued, &session, context, now);
        if let Some(dead) = self.undo_unless_maker_lives(new, context).await? {
            return Ok(Insertion::Refused(dead));
        }
        let ended = self.settle(new, cap, context).await?;
        Ok(Insertion::Created { session, ended })
    }

    fn touch<'a>(&'a self, batch: &'a [Presented], context: TouchContext<'a>) -> Outcomes<'a> {
        Either::Right(Box::pin(self.touch_all(batch, context)))
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome {
        let role: Vec<u8> = role.map(record::role_byte).into_iter().collect();
        let request = self
            .reporting(&ROTATE, presented.id)
            .arg(&record::stored_digest(&presented.digest))
            .arg(&record::stored_digest(&digest))
            .arg(role)
            .arg(&client.to_bytes());
        let request = Self::with_event(request, EventKind::SessionRotated, presented.id, context);
        // The old secret must not come back with an old copy of the record.
        let reply = self.run_one_about_durably(presented.id, request).await;
        self.verdict(EventKind::SessionRotated, presented.id, reply, context)
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError> {
        let request = self
            .reporting(&END_REUSED, presented.id)
            .arg(&record::stored_digest(&presented.digest))
            .arg(&client.to_bytes())
            .arg(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        let request = Self::with_event(request, EventKind::SessionEnded, presented.id, context);
        let reply = self.run_one_about_durably(presented.id, request).await;
        Ok(match self.verdict(EventKind::SessionEnded, presented.id, reply, context)? {
            Verdict::Alive(session) => Some(session),
            Verdict::Dead(_) => None,
        })
    }

    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        let reply = self.run_one_about_durably(id, self.removal(id, context)).await;
        self.removed(id, reply, context)
    }

    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.end_all(subject, ending, context).await
    }

    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        self.end_ids(ids, context).await
    }

    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        self.end_subjects(endings, context).await
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        self.page(cursor).await
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        self.list_live(subject).await
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        let request = ScriptRequest::on(&VALUES, &self.key_of(id));
        let answer = self.run_one_about(id, request).await?;
        match &answer {
            Value::Int(0) => Ok(None),
            Value::Array(items) if items.len() == 1 => {
                let values = record::decode_values(reply::bytes(&items[0])?);
                values.map(Some).ok_or_else(reply::unreadable)
            }
            _ => Err(reply::unreadable()),
        }
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        if key.len() > usize::from(u8::MAX) {
            return Err(StoreError("key of a value is too long to be stored".to_owned()));
        }
        let request = values::write(
            ScriptRequest::on(&WRITE_VALUE, &self.key_of(id)).arg(key),
            &change,
            condition,
        );
        match reply::number(&self.run_one_about(id, request).await?)? {
            0 => Ok(ValueWrite::SessionDead),
            -1 => Ok(ValueWrite::Deleted),
            -2 => Ok(ValueWrite::ConditionFailed),
            -3 => Ok(ValueWrite::TooLarge),
            version => u64::try_from(version).map(ValueWrite::Put).map_err(|_| reply::unreadable()),
        }
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.estimate().await
    }

    /// There is nothing to do: what has expired goes by itself. Where a connection broke, this is
    /// who finds out, and not the next request.
    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.connection.reconnect().await.map(|()| Swept::default())
    }

    async fn append_event(&self, event: Event) -> Result<(), StoreError> {
        self.append(event).await
    }

    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError> {
        self.read_stream(from, limit).await
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.newest_event.subscribe()
    }

    async fn look_for_events(&self) -> Result<(), StoreError> {
        self.look_for_others().await
    }

    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        self.made_here.read(from, limit)
    }

    fn outlives_process(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn identity(&self) -> Result<Option<Uuid>, StoreError> {
        self.read_identity().await
    }

    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError> {
        self.adopt_identity(id).await
    }

    async fn reassign(&self, id: Uuid) -> Result<(), StoreError> {
        self.replace_identity(id).await
    }

    async fn history(&self) -> Option<String> {
        self.replication_ids().await
    }

    async fn bookmark(&self) -> Result<Option<String>, StoreError> {
        self.read_bookmark().await
    }

    async fn set_bookmark(&self, text: &str) -> Result<(), StoreError> {
        self.write_bookmark(text).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read_checkpoint(name).await
    }

    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        self.replace_checkpoint(name, before, text).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }

    fn backend(&self) -> &'static str {
        "redis"
    }
}
