//! Events in Redis: a stream of the newest, each appended by the script that changes the session.
//!
//! They are numbered without gaps, so that a reader learns of every event that was dropped before it was
//! read. What a server lost at a restart or at the takeover by a replica is not known, so that the name
//! of a history says which server it is of, and each of these begins another one.
//!
//! A cluster has none: a session and the stream would be in different slots. What this process does to
//! sessions is told to its own log all the same.

use std::sync::{Arc, OnceLock};

use super::key::Key;
use super::scripts::{APPEND_EVENT, READ_EVENTS};
use super::{RedisStore, record, reply, session_key};
use crate::redis_connection::{Script, ScriptRequest};
use crate::store::events::{EventPage, EventRead, Position, ReadFrom, StoredEvent, new_history};
use crate::{
    Event, EventContext, EventKind, EventSession, EventUser, Kind, Session, SessionId, StoreError,
    Transport,
};
use redis::Value;

/// The stream. Its name is as long as that of a session's key, with which it is named in one request.
const STREAM: Key = *b"known:events:recent-event-list";
/// The number of the latest event, and the name of the history.
const COUNTER: Key = *b"known:events:count-and-history";
/// How much of each name goes into that of a history.
const NAME_CHARS: usize = 12;

/// The position and the page of a read that many readers repeat.
pub(super) type CachedPage = (Box<str>, usize, EventPage);

impl RedisStore {
    /// A request for a script that reports an event of a session.
    pub(super) fn reporting(&self, script: &'static Script, id: SessionId) -> ScriptRequest {
        let key = session_key(id);
        if self.connection.is_cluster() {
            ScriptRequest::on(script, &key)
        } else {
            ScriptRequest::on_all(script, &[&key, &STREAM, &COUNTER])
        }
    }

    /// The last arguments of such a script.
    pub(super) fn with_event(
        &self,
        request: ScriptRequest,
        kind: EventKind,
        id: SessionId,
        context: &EventContext,
    ) -> ScriptRequest {
        if self.connection.is_cluster() {
            return request;
        }
        // What else there is to say of the session is in the record beside it.
        let session =
            EventSession { id, kind: Kind::Sliding, transport: Transport::Bearer, name: None };
        let event = Event::of_session(kind, session, None, context, 0);
        self.with_encoded(request, &event)
    }

    fn with_encoded(&self, request: ScriptRequest, event: &Event) -> ScriptRequest {
        let keep_ms = u64::try_from(self.retention.keep.as_millis()).unwrap_or(u64::MAX);
        let request = request.arg(event.encode()).arg(self.retention.limit);
        request.arg(keep_ms).arg(&*new_history())
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

    /// Appends an event that is about no session.
    pub(super) async fn append(&self, event: Event) -> Result<(), StoreError> {
        let mut at_ms = 0;
        if !self.connection.is_cluster() {
            let request = ScriptRequest::on_all(&APPEND_EVENT, &[&COUNTER, &STREAM, &COUNTER]);
            at_ms =
                reply::number(&self.connection.run_one(self.with_encoded(request, &event)).await?)?;
        }
        self.made_here.push_all([Event { at_ms, ..event }]);
        self.newest_event.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Reads a page, or takes the one that another reader has just read.
    pub(super) async fn read_stream(
        &self,
        from: ReadFrom<'_>,
        limit: usize,
    ) -> Result<EventRead, StoreError> {
        if self.connection.is_cluster() {
            return Err(StoreError("events are not stored in a Redis Cluster".to_owned()));
        }
        let ReadFrom::After(position) = from else {
            return self.request_events(from, limit).await;
        };
        let mut cached = self.cached_page.lock().await;
        if let Some((after, count, page)) = &*cached
            && (&**after, *count) == (position, limit)
        {
            return Ok(EventRead::Page(page.clone()));
        }
        let read = self.request_events(from, limit).await?;
        if let EventRead::Page(page) = &read
            && !page.events.is_empty()
        {
            *cached = Some((position.into(), limit, page.clone()));
        }
        Ok(read)
    }

    async fn request_events(
        &self,
        from: ReadFrom<'_>,
        limit: usize,
    ) -> Result<EventRead, StoreError> {
        let position = match from {
            ReadFrom::After(text) => Position::read(text),
            ReadFrom::Oldest | ReadFrom::Now => None,
        };
        let first = match (from, position) {
            (ReadFrom::Oldest, _) => "-".to_owned(),
            (_, Some(position)) => position.number.saturating_add(1).to_string(),
            (_, None) => String::new(),
        };
        let request = ScriptRequest::on_all(&READ_EVENTS, &[&STREAM, &COUNTER]);
        let request = request.arg(first).arg(limit).arg(&*new_history());
        let stream = Stream::read(&self.connection.run_one(request).await?)?;
        let after = match from {
            ReadFrom::Now => Some(stream.latest),
            ReadFrom::Oldest => Some(stream.oldest - 1),
            ReadFrom::After(_) => position.and_then(|position| stream.goes_on_from(position)),
        };
        let Some(after) = after else {
            return Ok(EventRead::Gone { oldest: stream.position(stream.oldest - 1) });
        };
        Ok(EventRead::Page(stream.page(after)))
    }

    /// Looks whether other nodes have appended events, and wakes the readers here.
    pub(super) async fn look_for_others(&self) -> Result<(), StoreError> {
        if self.connection.is_cluster() {
            return Ok(());
        }
        let request = ScriptRequest::command("HGET", &COUNTER).arg("number");
        let answer = self.connection.run_one(request).await?;
        let latest = Some(answer);
        let before = std::mem::replace(&mut *self.latest_seen.lock(), latest.clone());
        if before != latest {
            *self.cached_page.lock().await = None;
            self.newest_event.send_modify(|version| *version += 1);
        }
        Ok(())
    }
}

/// What the script replied.
struct Stream {
    history: String,
    latest: u64,
    /// The number of the oldest event that is stored; the next one where there is none.
    oldest: u64,
    events: Vec<(u64, Event)>,
}

impl Stream {
    fn read(value: &Value) -> Result<Self, StoreError> {
        let [history, server, replication, latest, oldest, entries] = reply::array(value)? else {
            return Err(unreadable());
        };
        let mut name = String::new();
        for part in [history, server, replication] {
            name.extend(text(part)?.chars().take(NAME_CHARS));
        }
        let latest = text(latest)?.parse().map_err(|_| unreadable())?;
        let oldest = match text(oldest)? {
            "" => latest + 1,
            id => number_of(id)?,
        };
        let entries = reply::array(entries)?;
        let events = entries.iter().map(event).collect::<Result<_, _>>()?;
        Ok(Self { history: name, latest, oldest, events })
    }

    /// The number of the event that the position is behind, if no event behind that is missing.
    fn goes_on_from(&self, position: Position<'_>) -> Option<u64> {
        let number = position.number;
        let follows = match self.events.first() {
            Some((first, _)) => *first == number + 1,
            None => number == self.latest,
        };
        // The date of an event is in no position of ours.
        let is_ours = position.history == self.history && position.at_ms.is_none();
        (is_ours && number <= self.latest && follows).then_some(number)
    }

    fn page(self, after: u64) -> EventPage {
        let last = self.events.last().map_or(after, |(number, _)| *number);
        let next = self.position(last);
        let positions: Vec<_> =
            self.events.iter().map(|(number, _)| self.position(*number)).collect();
        let stored = |(position, (_, event))| {
            Arc::new(StoredEvent { position, event, rendered: OnceLock::new() })
        };
        EventPage { events: positions.into_iter().zip(self.events).map(stored).collect(), next }
    }

    fn position(&self, number: u64) -> Box<str> {
        Position { history: &self.history, number, at_ms: None }.written()
    }
}

/// An entry of the stream: its id, and its fields by turns with what they are.
fn event(entry: &Value) -> Result<(u64, Event), StoreError> {
    let [id, fields] = reply::array(entry)? else {
        return Err(unreadable());
    };
    let [_, at, _, event, _, record] = reply::array(fields)? else {
        return Err(unreadable());
    };
    let at_ms: i64 = text(at)?.parse().map_err(|_| unreadable())?;
    let event = Event::decode(reply::bytes(event)?).ok_or_else(unreadable)?;
    let event = Event { at_ms, ..event };
    let record = reply::bytes(record)?;
    let number = number_of(text(id)?)?;
    let Some(session) = event.session.as_ref().filter(|_| !record.is_empty()) else {
        return Ok((number, event));
    };
    let session = record::decode(session.id, record, 0).ok_or_else(unreadable)?;
    let user = Some(EventUser::of(&session.subject));
    Ok((number, Event { session: Some(EventSession::of(&session)), user, ..event }))
}

fn number_of(id: &str) -> Result<u64, StoreError> {
    id.split('-').next().and_then(|number| number.parse().ok()).ok_or_else(unreadable)
}

fn text(value: &Value) -> Result<&str, StoreError> {
    std::str::from_utf8(reply::bytes(value)?).map_err(|_| unreadable())
}

fn unreadable() -> StoreError {
    StoreError("stored event is unreadable".to_owned())
}
