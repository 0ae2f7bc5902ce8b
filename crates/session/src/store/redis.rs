//! The store in Redis or Valkey (7 or newer), a single one or a cluster, which many nodes share.
//!
//! A session is a string of bytes under `session:{id}`, with its time to live; every operation on it
//! is one step of a script on that one key, by the server's own clock. `subject:{id}` lists where to
//! look for a user's sessions, and nothing rests on its being exact.
//!
//! INVARIANT: only `CREATE` makes a session's key, and only where there is none. Everything else
//! changes in the same step in which it found it there.

mod count;
mod database;
mod index;
mod key;
mod record;
mod reply;
mod scan;
mod scripts;

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
use redis::Value;
use uuid::Uuid;

use self::key::Key;
use self::scripts::{CREATE, END_REUSED, REMOVE, ROTATE, TOUCH, VALUES, WRITE_VALUE};
use super::{
    Condition, Ending, Insertion, Outcome, SessionStore, StoreError, Swept, ValueChange,
    ValueWrite, Values,
};
use crate::redis_connection::{RedisConnection, Reply, ScriptReply, ScriptRequest};
use crate::{
    ClientDigest, Cursor, Dead, Intent, Kind, NewSession, Page, Presented, SecretDigest, Session,
    SessionId, VALUES_LIMIT, Verdict,
};

/// What the key of a session begins with.
const SESSION: &[u8; 8] = b"session:";

/// Sessions in Redis.
pub struct RedisStore {
    connection: RedisConnection,
}

impl RedisStore {
    /// A store there.
    pub const fn new(connection: RedisConnection) -> Self {
        Self { connection }
    }

    /// Undoes a session that was created, and returns why, if its maker does not live. It was not
    /// settled yet: it has ended no other, and no cap has counted it.
    async fn undo_unless_maker_lives(&self, new: &NewSession) -> Result<Option<Dead>, StoreError> {
        let Some(maker) = new.maker else {
            return Ok(None);
        };
        // Before the look: who ends the maker after it must find the new one.
        self.enter_made(new).await?;
        let look = Presented { intent: Intent::Look, ..maker };
        let refused = match self.touch(&[look]).await.pop() {
            Some(Ok(Verdict::Alive(_))) => return Ok(None),
            Some(Ok(Verdict::Dead(dead))) => Ok(Some(dead)),
            Some(Err(error)) => Err(error),
            None => Err(reply::unreadable()),
        };
        self.remove(new.id).await?;
        refused
    }

    /// Where replicas are waited for, what is reported as over must be over there as well: a
    /// single-use token that was used up could be used once more after a failover, and a logout
    /// that failed for want of a replica would succeed when it is tried again, because the token
    /// is dead by then.
    async fn confirm_endings(&self, batch: &[Presented], outcomes: &mut [Outcome]) {
        if !self.connection.waits_for_replica() {
            return;
        }
        let reports_end = |at: &usize| match (batch[*at].intent, &outcomes[*at]) {
            (Intent::Use, Ok(Verdict::Alive(session))) => session.kind == Kind::SingleUse,
            (Intent::Look, Ok(Verdict::Dead(_))) | (Intent::End, Ok(_)) => true,
            _ => false,
        };
        let ended: Vec<usize> = (0..batch.len().min(outcomes.len())).filter(reports_end).collect();
        let request = |at: &usize| ScriptRequest::command("EXISTS", &session_key(batch[*at].id));
        let requests: Vec<ScriptRequest> = ended.iter().map(request).collect();
        for (at, reply) in ended.into_iter().zip(self.connection.run_durably(&requests).await) {
            if let Err(error) = reply {
                outcomes[at] = Err(error);
            }
        }
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    /// # Cancel safety
    ///
    /// Cancelled, it may have created a session whose token no client has.
    async fn insert(&self, new: &NewSession, cap: usize) -> Result<Insertion, StoreError> {
        let bytes = record::encode(new)
            .ok_or_else(|| StoreError("session is too large to be stored".to_owned()))?;
        self.enter(new).await?;
        let request = ScriptRequest::on(&CREATE, &session_key(new.id)).arg(bytes);
        let answer = self.connection.run_one(request).await?;
        let Ok((now, bytes)) = reply::state(&answer)? else {
            return Ok(Insertion::Taken);
        };
        let session = record::decode(new.id, bytes, now).ok_or_else(reply::unreadable)?;
        if let Some(dead) = self.undo_unless_maker_lives(new).await? {
            return Ok(Insertion::Refused(dead));
        }
        let ended = self.settle(new, cap).await?;
        Ok(Insertion::Created { session, ended })
    }

    async fn touch(&self, batch: &[Presented]) -> Vec<Outcome> {
        if batch.is_empty() {
            return Vec::new();
        }
        let mut requests = self.connection.batch(&TOUCH);
        for presented in batch {
            requests.push(&session_key(presented.id), &touch_argument(presented));
        }
        let replies = self.connection.run_batch(requests).await.into_iter();
        let mut outcomes: Vec<Outcome> =
            batch.iter().zip(replies).map(|(presented, reply)| touched(presented, reply)).collect();
        self.confirm_endings(batch, &mut outcomes).await;
        outcomes
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
    ) -> Outcome {
        let role: Vec<u8> = role.map(record::role_byte).into_iter().collect();
        let request = ScriptRequest::on(&ROTATE, &session_key(presented.id))
            .arg(&record::stored_digest(&presented.digest))
            .arg(&record::stored_digest(&digest))
            .arg(role)
            .arg(&client.to_bytes());
        // The old secret must not come back with an old copy of the record.
        let answer = self.connection.run_one_durably(request).await;
        verdict(presented.id, answer)
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
    ) -> Result<Option<Session>, StoreError> {
        let request = ScriptRequest::on(&END_REUSED, &session_key(presented.id))
            .arg(&record::stored_digest(&presented.digest))
            .arg(&client.to_bytes())
            .arg(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        let answer = self.connection.run_one_durably(request).await;
        Ok(match verdict(presented.id, answer)? {
            Verdict::Alive(session) => Some(session),
            Verdict::Dead(_) => None,
        })
    }

    async fn remove(&self, id: SessionId) -> Result<bool, StoreError> {
        let request = ScriptRequest::on(&REMOVE, &session_key(id));
        let answer = self.connection.run_one_durably(request).await?;
        Ok(reply::number(&answer)? == 1)
    }

    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.end_all(subject, ending).await
    }

    async fn remove_many(&self, ids: &[SessionId]) -> Vec<Result<bool, StoreError>> {
        self.end_ids(ids).await
    }

    /// # Cancel safety
    ///
    /// Cancelled, it may have ended some of the sessions only.
    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        self.end_subjects(endings).await
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        self.page(cursor).await
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        self.list_live(subject).await
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        let answer = self.connection.run_one(ScriptRequest::on(&VALUES, &session_key(id))).await?;
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
        let request =
            write(ScriptRequest::on(&WRITE_VALUE, &session_key(id)).arg(key), &change, condition);
        match reply::number(&self.connection.run_one(request).await?)? {
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

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }

    fn backend(&self) -> &'static str {
        "redis"
    }
}

fn session_key(id: SessionId) -> Key {
    key::key(*SESSION, id.uuid())
}

/// The argument of the script for one use or look.
fn touch_argument(presented: &Presented) -> [u8; 17] {
    let mut argument = [0; 17];
    argument[..16].copy_from_slice(&record::stored_digest(&presented.digest));
    argument[16] = match presented.intent {
        Intent::Use => 0,
        Intent::Look => 1,
        Intent::End => 2,
    };
    argument
}

fn touched(presented: &Presented, reply: Result<ScriptReply, StoreError>) -> Outcome {
    let reply = reply?;
    let (now, id) = (reply.now_ms(), presented.id);
    let session = match (reply.content(), presented.intent) {
        ([0], _) => return Ok(Verdict::Dead(Dead::Unknown)),
        ([1], _) => return Ok(Verdict::Dead(Dead::Expired)),
        ([3], _) => return Ok(Verdict::Dead(Dead::Replaced)),
        (record, Intent::Use) => record::decode_used(id, record, now),
        (record, Intent::Look | Intent::End) => record::decode(id, record, now),
    };
    session.map(Verdict::Alive).ok_or_else(reply::unreadable)
}

fn write(request: ScriptRequest, change: &ValueChange, condition: Condition) -> ScriptRequest {
    let request = match change {
        ValueChange::Put(text) => request.arg("put").arg(&**text),
        ValueChange::Delete => request.arg("delete").arg(""),
    };
    let (condition, versions) = match condition {
        Condition::None => ("none", Vec::new()),
        Condition::Present => ("present", Vec::new()),
        Condition::Absent => ("absent", Vec::new()),
        Condition::Version(versions) => ("version", versions),
    };
    let request = request.arg(condition).arg(VALUES_LIMIT);
    versions.into_iter().fold(request, ScriptRequest::arg)
}

fn verdict(id: SessionId, answer: Reply) -> Outcome {
    Ok(match reply::state(&answer?)? {
        Ok((now, bytes)) => {
            Verdict::Alive(record::decode(id, bytes, now).ok_or_else(reply::unreadable)?)
        }
        Err(dead) => Verdict::Dead(dead),
    })
}
