//! A walk over all sessions, and what ends many of them in few round trips.
//!
//! A walk goes from one master to the next. What is there from its beginning to its end is shown at
//! least once, as `SCAN` promises, unless the cluster moves it meanwhile.

use redis::Value;
use uuid::Uuid;

use super::index::{Ended, Seen, found};
use super::scripts::{ENTRIES, FORGET, REMOVE, SCANNED};
use super::{RedisStore, SESSION, index, key, reply};
use crate::redis_connection::{Reply, ScriptRequest};
use crate::store::scan::{Cursor, Extent, PAGE, Page};
use crate::{Ending, EventContext, EventKind, SessionId, StoreError};

/// How many keys one round trip is about.
const AT_ONCE: usize = 512;

impl RedisStore {
    /// The page at `cursor`, where `at` is the server's own. It ends with a bucket of the server's
    /// table in any case, which is a unit while that table keeps its size.
    pub(super) async fn page(&self, cursor: Cursor) -> Result<Page, StoreError> {
        let request = ScriptRequest::command("SCAN", cursor.at.to_string().as_bytes());
        let pattern = [SESSION.as_slice(), b"*"].concat();
        let count = match cursor.extent {
            Extent::Page => PAGE,
            Extent::Units(at_least) => at_least.clamp(1, PAGE),
        };
        let request = request.arg("MATCH").arg(pattern).arg("COUNT").arg(count);
        let Some(answer) = self.connection.run_on(cursor.part, request).await else {
            return Ok(Page::default());
        };
        let (at, ids) = scanned(&answer?)?;
        let mut page = self.look_at(&ids).await?;
        page.next = match at {
            0 => Some(Cursor::at(cursor.part + 1, at)),
            at => Some(Cursor::at(cursor.part, at)),
        };
        page.next = page.next.filter(|next| next.part < self.connection.servers());
        Ok(page)
    }

    async fn look_at(&self, ids: &[SessionId]) -> Result<Page, StoreError> {
        let mut page = Page::default();
        for ids in ids.chunks(AT_ONCE) {
            let requests: Vec<ScriptRequest> =
                ids.iter().map(|id| ScriptRequest::on(&SCANNED, &self.key_of(*id))).collect();
            for (id, answer) in ids.iter().zip(self.run_about(ids, &requests).await) {
                match found(*id, answer)? {
                    Seen::Live(session) => page.sessions.push(session),
                    Seen::Unreadable => page.unreadable.push(*id),
                    Seen::Over => {}
                }
            }
        }
        Ok(page)
    }

    /// Ends each of these, as many in one round trip as it takes.
    pub(super) async fn end_ids(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        let mut ended = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_ONCE) {
            let requests: Vec<ScriptRequest> =
                ids.iter().map(|id| self.removal(*id, context)).collect();
            let replies = self.run_about_durably(ids, &requests).await;
            let removed = ids.iter().zip(replies);
            ended.extend(removed.map(|(id, reply)| self.removed(*id, reply, context)));
        }
        ended
    }

    /// The request that ends a session, whatever is under its key.
    pub(super) fn removal(&self, id: SessionId, context: &EventContext) -> ScriptRequest {
        Self::with_event(self.reporting(&REMOVE, id), EventKind::SessionEnded, id, context)
    }

    /// Whether that was live.
    pub(super) fn removed(
        &self,
        id: SessionId,
        reply: Reply,
        context: &EventContext,
    ) -> Result<bool, StoreError> {
        Ok(self.ended(id, reply, context)? == Ended::Live)
    }

    /// Ends sessions of many subjects and names those that were live; all that answer end, even
    /// where some do not.
    pub(super) async fn end_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        let (mut ended, mut failed) = (Vec::new(), None);
        for endings in endings.chunks(AT_ONCE) {
            let mut entries = Vec::new();
            let requests: Vec<ScriptRequest> = endings
                .iter()
                .map(|(subject, _)| ScriptRequest::on(&ENTRIES, &index::subject_key(*subject)))
                .collect();
            for (ending, answer) in endings.iter().zip(self.connection.run(&requests).await) {
                match answer.and_then(|answer| index::entries(&answer)) {
                    Ok(found) => entries.extend(found.into_iter().map(|entry| (ending, entry))),
                    Err(error) => failed = Some(error),
                }
            }
            for entries in entries.chunks(AT_ONCE) {
                if let Err(error) = self.end_entries(entries, context, &mut ended).await {
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    async fn end_entries(
        &self,
        entries: &[(&(Uuid, Ending), index::Entry)],
        context: &EventContext,
        ended: &mut Vec<(Uuid, SessionId)>,
    ) -> Result<(), StoreError> {
        let request = |((subject, ending), entry): &(&(Uuid, Ending), index::Entry)| {
            self.end(*subject, *ending, entry.id, context)
        };
        let requests: Vec<ScriptRequest> = entries.iter().map(request).collect();
        let ids: Vec<SessionId> = entries.iter().map(|(_, entry)| entry.id).collect();
        let (mut over, mut failed) = (Vec::new(), None);
        for (((subject, _), entry), answer) in
            entries.iter().zip(self.run_about_durably(&ids, &requests).await)
        {
            match self.ended(entry.id, answer, context) {
                Ok(Ended::Spared) => {}
                Ok(done) => {
                    if done == Ended::Live {
                        ended.push((*subject, entry.id));
                    }
                    let request = ScriptRequest::on(&FORGET, &index::subject_key(*subject));
                    over.push(request.arg(entry.id.uuid().as_bytes()).arg(&entry.score));
                }
                Err(error) => failed = Some(error),
            }
        }
        // That it fails does no harm: the entries go with their sessions' time.
        self.connection.run(&over).await;
        failed.map_or(Ok(()), Err)
    }
}

/// What `SCAN` says: its next cursor, and the ids in the keys that it names.
fn scanned(answer: &Value) -> Result<(u64, Vec<SessionId>), StoreError> {
    let [at, keys] = reply::array(answer)? else {
        return Err(reply::unreadable());
    };
    let at = std::str::from_utf8(reply::bytes(at)?).ok().and_then(|at| at.parse().ok());
    let mut ids = Vec::new();
    for name in reply::array(keys)? {
        // What has no id in its name is no session of ours.
        ids.extend(key::session_in(reply::bytes(name)?));
    }
    Ok((at.ok_or_else(reply::unreadable)?, ids))
}
