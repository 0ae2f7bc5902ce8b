//! A subject's sessions: a sorted set of their ids, each scored with the second by which it is over in any
//! case.
//!
//! The set only says where to look. An entry is written before its session and settled after it,
//! which gives it another score: an entry without a session is taken out only if it
//! still has the score that it was seen with, so that no session loses its entry to somebody who
//! looked a moment too early. That of a minted session gets a score in between, while its maker is
//! looked at: from then on whatever ends all of a subject's sessions finds it, and no cap counts it.

use redis::Value;
use uuid::Uuid;

use super::key::{self, Key};
use super::scripts::{END, ENTER, ENTRIES, FORGET, LOOK, SETTLE};
use super::{RedisStore, record, reply};
use crate::redis_connection::{Reply, ScriptRequest};
use crate::{Cause, Ending, EventContext, EventKind, NewSession, Session, SessionId, StoreError};

/// How much longer an entry stays than its session can: clocks of two servers differ.
const MARGIN_MS: u64 = 60_000;
/// How many sessions are looked up in one go.
const LOOKED_UP: usize = 512;

/// An id, and the score that it was seen with.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: SessionId,
    pub(super) score: Vec<u8>,
}

/// What `LOOK` found.
pub(super) enum Seen {
    Live(Session),
    Over,
    /// Something else, or a session of a later version: its entry must stay.
    Unreadable,
}

/// What `END` did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Live,
    Nothing,
    Spared,
}

impl RedisStore {
    /// Enters a session that is about to be created.
    pub(super) async fn enter(&self, new: &NewSession) -> Result<(), StoreError> {
        let request = ScriptRequest::on(&ENTER, &subject_key(new.subject.id));
        self.connection.run_one(with_entry(request, new).arg("")).await.map(|_| ())
    }

    /// Makes sure of the entry of a session that was created, and may yet be undone.
    pub(super) async fn enter_made(&self, new: &NewSession) -> Result<(), StoreError> {
        let request = ScriptRequest::on(&ENTER, &subject_key(new.subject.id));
        self.connection.run_one(with_entry(request, new).arg("made")).await.map(|_| ())
    }

    /// Settles the entry of a session that was created and stays, and ends what is past the cap.
    ///
    /// In a cluster the entry is most often on another server than its session. A replica that took
    /// over there without it would hide the session from whatever ends all of the subject's, so that
    /// a replica must have it where one is waited for.
    pub(super) async fn settle(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let request =
            with_entry(ScriptRequest::on(&SETTLE, &subject_key(new.subject.id)), new).arg(cap);
        let settled = if self.connection.is_cluster() {
            self.connection.run_one_durably(request).await?
        } else {
            self.connection.run_one(request).await?
        };
        let mut entries = entries(&settled)?;
        entries.retain(|entry| entry.id != new.id);
        let limit = context.side_effect(Cause::Limit);
        Ok(self.enforce(new.subject.id, &entries, cap, &limit).await)
    }

    /// Ends those of the other sessions that would end soonest, until `cap` live, the new one
    /// included. One that cannot be ended is skipped: it is no reason to refuse a login.
    ///
    /// Of two inserts at once, the one that settles first sees nothing of the other, so that each
    /// cannot end the other's session.
    async fn enforce(
        &self,
        subject: Uuid,
        entries: &[Entry],
        cap: usize,
        context: &EventContext,
    ) -> Vec<SessionId> {
        let mut live = Vec::new();
        let mut over = Vec::new();
        for (entry, seen) in self.look_up(subject, entries).await {
            match seen {
                Ok(Seen::Live(session)) => live.push((session.expires_at_ms, session.id)),
                Ok(Seen::Over) => over.push(entry),
                Ok(Seen::Unreadable) | Err(_) => {}
            }
        }
        self.forget(subject, &over).await;
        let excess = (live.len() + 1).saturating_sub(cap);
        live.sort_unstable();
        let ids: Vec<SessionId> = live.into_iter().take(excess).map(|(_, id)| id).collect();
        let ended = self.end_many(subject, Ending::default(), &ids, context).await;
        let ended = ids.into_iter().zip(ended);
        ended.filter(|(_, ended)| matches!(ended, Ok(Ended::Live))).map(|(id, _)| id).collect()
    }

    /// A subject's live sessions.
    pub(super) async fn list_live(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        let entries = self.entries(subject).await?;
        let (mut live, mut over) = (Vec::new(), Vec::new());
        for (entry, seen) in self.look_up(subject, &entries).await {
            match seen? {
                Seen::Live(session) => live.push(session),
                Seen::Over => over.push(entry),
                Seen::Unreadable => {}
            }
        }
        self.forget(subject, &over).await;
        Ok(live)
    }

    /// Ends a subject's sessions, all that answer even where some do not.
    pub(super) async fn end_all(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let entries = self.entries(subject).await?;
        let ids: Vec<SessionId> = entries.iter().map(|entry| entry.id).collect();
        let (mut ended, mut over, mut failed) = (Vec::new(), Vec::new(), None);
        let done = self.end_many(subject, ending, &ids, context).await;
        for (entry, done) in entries.into_iter().zip(done) {
            match done {
                Ok(Ended::Live) => {
                    ended.push(entry.id);
                    over.push(entry);
                }
                Ok(Ended::Nothing) => over.push(entry),
                Ok(Ended::Spared) => {}
                Err(error) => failed = Some(error),
            }
        }
        self.forget(subject, &over).await;
        failed.map_or(Ok(ended), Err)
    }

    async fn end_many(
        &self,
        subject: Uuid,
        ending: Ending,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<Ended, StoreError>> {
        let mut done = Vec::with_capacity(ids.len());
        for ids in ids.chunks(LOOKED_UP) {
            let requests: Vec<ScriptRequest> =
                ids.iter().map(|id| self.end(subject, ending, *id, context)).collect();
            let replies = self.run_about_durably(ids, &requests).await;
            let ended = ids.iter().zip(replies).map(|(id, reply)| self.ended(*id, reply, context));
            done.extend(ended);
        }
        done
    }

    /// The request that ends a session if it is the subject's and `ending` means it.
    pub(super) fn end(
        &self,
        subject: Uuid,
        ending: Ending,
        id: SessionId,
        context: &EventContext,
    ) -> ScriptRequest {
        let clamp = |below: i64| record::clamped(below).to_string();
        let below = ending.below_generation.map(clamp).unwrap_or_default();
        let keep = if ending.keep == Some(id) { "keep" } else { "" };
        let request = self.reporting(&END, id).arg(subject.as_bytes()).arg(keep).arg(below);
        Self::with_event(request, EventKind::SessionEnded, id, context)
    }

    /// What became of it.
    pub(super) fn ended(
        &self,
        id: SessionId,
        reply: Reply,
        context: &EventContext,
    ) -> Result<Ended, StoreError> {
        match reply? {
            Value::Int(2) => Ok(Ended::Spared),
            Value::Int(_) => Ok(Ended::Nothing),
            value => {
                self.report_end(id, &value, context)?;
                Ok(Ended::Live)
            }
        }
    }

    /// Looks at the session of each entry.
    async fn look_up(
        &self,
        subject: Uuid,
        entries: &[Entry],
    ) -> Vec<(Entry, Result<Seen, StoreError>)> {
        let mut seen = Vec::with_capacity(entries.len());
        for entries in entries.chunks(LOOKED_UP) {
            let request = |entry: &Entry| {
                ScriptRequest::on(&LOOK, &self.key_of(entry.id)).arg(subject.as_bytes())
            };
            let requests: Vec<ScriptRequest> = entries.iter().map(request).collect();
            let ids: Vec<SessionId> = entries.iter().map(|entry| entry.id).collect();
            let answers = self.run_about(&ids, &requests).await;
            for (entry, answer) in entries.iter().zip(answers) {
                seen.push((entry.clone(), found(entry.id, answer)));
            }
        }
        seen
    }

    async fn entries(&self, subject: Uuid) -> Result<Vec<Entry>, StoreError> {
        let request = ScriptRequest::on(&ENTRIES, &subject_key(subject));
        entries(&self.connection.run_one(request).await?)
    }

    /// Takes entries out that no session was found for. That it fails does no harm.
    async fn forget(&self, subject: Uuid, over: &[Entry]) {
        for over in over.chunks(LOOKED_UP) {
            let request = ScriptRequest::on(&FORGET, &subject_key(subject));
            let request = over.iter().fold(request, |request, entry| {
                request.arg(entry.id.uuid().as_bytes()).arg(&entry.score)
            });
            if let Err(error) = self.connection.run_one(request).await {
                tracing::debug!(%error, "entries of ended sessions stay until they are over");
            }
        }
    }
}

/// The key of a subject's index.
pub(super) fn subject_key(subject: Uuid) -> Key {
    key::key(*b"subject:", subject)
}

fn with_entry(request: ScriptRequest, new: &NewSession) -> ScriptRequest {
    let stays = record::life_ms(new).saturating_add(MARGIN_MS);
    request.arg(new.id.uuid().as_bytes()).arg(stays)
}

pub(super) fn found(id: SessionId, answer: Reply) -> Result<Seen, StoreError> {
    Ok(match answer? {
        Value::Int(0) => Seen::Over,
        Value::Int(_) => Seen::Unreadable,
        value => match reply::state(&value)? {
            Ok((now, bytes)) => record::decode(id, bytes, now).map_or(Seen::Unreadable, Seen::Live),
            Err(_) => Seen::Over,
        },
    })
}

/// The entries in a list of ids and scores by turns.
pub(super) fn entries(value: &Value) -> Result<Vec<Entry>, StoreError> {
    let items = reply::array(value)?;
    let mut entries = Vec::with_capacity(items.len() / 2);
    for pair in items.chunks_exact(2) {
        let id = Uuid::from_slice(reply::bytes(&pair[0])?);
        entries.extend(id.ok().map(|id| Entry {
            id: id.into(),
            score: reply::bytes(&pair[1]).map(<[u8]>::to_vec).unwrap_or_default(),
        }));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{Fixture, held, logout, use_of};
    use crate::store::redis::server::fresh_database;
    use crate::{Dead, Insertion, SessionStore as _};

    #[tokio::test]
    async fn the_entry_of_a_session_that_was_made_survives_who_looked_before_it_was() {
        let Some(connection) = fresh_database().await else { return };
        let (store, fixture) = (RedisStore::new(connection), Fixture::memory());
        let new = fixture.new_session();
        let subject = new.subject.id;
        store.enter(&new).await.unwrap();
        let seen = store.entries(subject).await.unwrap();
        store.enter_made(&new).await.unwrap();
        store.forget(subject, &seen).await;
        assert_eq!(store.entries(subject).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_minted_session_is_entered_as_made_before_its_maker_is_looked_at() {
        let Some(connection) = fresh_database().await else { return };
        let (store, fixture) = (RedisStore::new(connection), Fixture::memory());
        let maker = Some(use_of(held(&fixture.new_session())));
        let new = NewSession { maker, ..fixture.new_session() };
        let refused = store.insert(&new, 0, &logout()).await.unwrap();
        assert!(matches!(refused, Insertion::Refused(Dead::Unknown)), "{refused:?}");
        let entries = store.entries(new.subject.id).await.unwrap();
        assert!(entries[0].score.starts_with(b"-") && entries[0].score.ends_with(b".5"));
    }

    #[tokio::test]
    async fn the_cap_does_not_count_a_session_that_may_yet_be_undone() {
        let Some(connection) = fresh_database().await else { return };
        let (store, fixture) = (RedisStore::new(connection), Fixture::memory());
        let (old, new) = (fixture.new_session(), fixture.new_session());
        let minted = NewSession { subject: Arc::clone(&old.subject), ..fixture.new_session() };
        let new = NewSession { subject: Arc::clone(&old.subject), ..new };
        for session in [&old, &minted, &new] {
            store.enter(session).await.unwrap();
        }
        store.settle(&old, 2, &logout()).await.unwrap();
        store.enter_made(&minted).await.unwrap();
        let request =
            with_entry(ScriptRequest::on(&SETTLE, &subject_key(old.subject.id)), &new).arg(2);
        let counted = entries(&store.connection.run_one(request).await.unwrap()).unwrap();
        assert!(counted.is_empty(), "two are within the cap");
    }
}
