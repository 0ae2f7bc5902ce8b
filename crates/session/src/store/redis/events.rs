//! Events in Redis: streams of the newest, each appended by the script that changes the session.
//!
//! A single server has one stream. A cluster has one for each tag of sessions' keys, in their slot, and
//! readers merge them: those of one session are in one stream, and so in their order.

mod position;
mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

pub(crate) use self::position::only_number;
use self::reading::CachedPage;
use super::key::{TAGS, tag_of, tag_text};
use super::scripts::APPEND_EVENT;
use super::{RedisStore, reply};
use crate::redis_connection::{Common, Script, ScriptRequest};
use crate::store::events::{EventPage, EventRead, EventRetention, ReadFrom, new_history};
use crate::{
    Event, EventContext, EventKind, EventSession, Kind, Session, SessionId, StoreError, Transport,
};

/// What the names of the two keys of a stream begin with: they are what sessions' keys are not.
const WORD: &[u8] = b"known:events:";
/// The stream.
const STREAM: &[u8] = b"recent-event-list";
/// The number of the latest event, and the name of the history.
const COUNTER: &[u8] = b"count-and-history";
/// How much of a name that nobody else has goes into that of a history that this process begins.
const NAME_CHARS: usize = 8;
/// How long a reader waits for others who read before it.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(1);

/// What a store needs for its events.
pub(super) struct Streams {
    /// For each stream its two keys, and what scripts must know that append to it.
    all: Vec<Arc<Common>>,
    /// The numbers of the latest events, as the servers replied.
    latest_seen: parking_lot::Mutex<Vec<Option<Value>>>,
    cached_page: tokio::sync::Mutex<Option<CachedPage>>,
}

impl Streams {
    /// That of a single server, or those of a cluster.
    pub(super) fn new(is_cluster: bool, retention: EventRetention) -> Self {
        let tags: Vec<Vec<u8>> = if is_cluster {
            (0..TAGS).map(|tag| tag_text(tag).to_vec()).collect()
        } else {
            vec![Vec::new()]
        };
        let limit = retention.limit.div_ceil(tags.len());
        let keep_ms = u64::try_from(retention.keep.as_millis()).unwrap_or(u64::MAX);
        let name: String = new_history().chars().take(NAME_CHARS).collect();
        let arguments =
            [limit.to_string(), keep_ms.to_string(), name].map(String::into_bytes).to_vec();
        let common = |tag: &Vec<u8>| {
            let keys = [STREAM, COUNTER].map(|key| [WORD, tag, key].concat()).to_vec();
            Arc::new(Common { keys, arguments: arguments.clone() })
        };
        Self {
            all: tags.iter().map(common).collect(),
            latest_seen: parking_lot::Mutex::default(),
            cached_page: tokio::sync::Mutex::default(),
        }
    }

    /// The stream of what has this id.
    pub(super) fn of(&self, id: uuid::Uuid) -> &Arc<Common> {
        &self.all[usize::from(tag_of(id)) % self.all.len()]
    }
}

impl RedisStore {
    /// A request for a script that reports an event of a session.
    pub(super) fn reporting(&self, script: &'static Script, id: SessionId) -> ScriptRequest {
        ScriptRequest::on(script, &self.key_of(id)).with_common(self.streams.of(id.uuid()))
    }

    /// The last argument of such a script.
    pub(super) fn with_event(
        request: ScriptRequest,
        kind: EventKind,
        id: SessionId,
        context: &EventContext,
    ) -> ScriptRequest {
        request.arg(Self::encoded_event(kind, id, context))
    }

    /// An event of a session; what else there is to say of that is in the record beside it.
    pub(super) fn encoded_event(kind: EventKind, id: SessionId, context: &EventContext) -> Vec<u8> {
        let session =
            EventSession { id, kind: Kind::Sliding, transport: Transport::Bearer, name: None };
        Event::of_session(kind, session, None, context, 0).encode()
    }

    /// An event that a script has just appended: for this process's log, and for its readers.
    pub(super) fn reported(
        &self,
        kind: EventKind,
        session: &Session,
        context: &EventContext,
        at_ms: u64,
    ) {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        self.made_here.push_all([Event::of(kind, session, context, at_ms)]);
        self.newest_event.send_modify(|version| *version += 1);
    }

    /// Appends an event that is about no session: to the stream of its user.
    pub(super) async fn append(&self, event: Event) -> Result<(), StoreError> {
        let user = event.user.as_ref().and_then(|user| user.id).unwrap_or_default();
        let request = appending(self.streams.of(user), &[], &event.encode());
        let at_ms = reply::number(&self.connection.run_one(request).await?)?;
        self.made_here.push_all([Event { at_ms, ..event }]);
        self.newest_event.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Reads a page, or takes the one that another reader has just read: one with events at any time,
    /// an empty one until there may be more.
    pub(super) async fn read_stream(
        &self,
        from: ReadFrom<'_>,
        limit: usize,
    ) -> Result<EventRead, StoreError> {
        let ReadFrom::After(position) = from else {
            return self.request_events(from, limit).await;
        };
        let others = tokio::time::timeout(OTHERS_TIMEOUT, self.streams.cached_page.lock());
        let Ok(mut cached) = others.await else {
            return Err(StoreError("events could not be read in time".to_owned()));
        };
        let version = *self.newest_event.borrow();
        if let Some(page) = cached.as_ref().and_then(|page| page.good_at(position, limit, version))
        {
            return Ok(EventRead::Page(page));
        }
        let read = self.request_events(from, limit).await?;
        if let EventRead::Page(page) = &read {
            *cached = Some(CachedPage::new(position, limit, version, page));
        }
        Ok(read)
    }

    /// Looks whether other nodes have appended events, and wakes the readers here.
    pub(super) async fn look_for_others(&self) -> Result<(), StoreError> {
        let request =
            |stream: &Arc<Common>| ScriptRequest::command("HGET", &stream.keys[1]).arg("number");
        let requests: Vec<ScriptRequest> = self.streams.all.iter().map(request).collect();
        let (mut latest, mut failed) = (Vec::with_capacity(requests.len()), None);
        for reply in self.connection.run(&requests).await {
            match reply {
                Ok(number) => latest.push(Some(number)),
                Err(error) => {
                    latest.push(None);
                    failed = Some(error);
                }
            }
        }
        let before = std::mem::replace(&mut *self.streams.latest_seen.lock(), latest.clone());
        if before != latest {
            self.newest_event.send_modify(|version| *version += 1);
        }
        failed.map_or(Ok(()), Err)
    }
}

/// A request to append an event by itself, with the record of its session, if it has one.
pub(super) fn appending(stream: &Arc<Common>, record: &[u8], event: &[u8]) -> ScriptRequest {
    ScriptRequest::on(&APPEND_EVENT, &stream.keys[1]).with_common(stream).arg(record).arg(event)
}
