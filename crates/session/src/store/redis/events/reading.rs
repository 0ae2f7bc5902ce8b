//! Reading the streams, and merging what is read.
//!
//! Events are numbered without gaps in each stream, so that a reader learns of every event that was dropped
//! before it was read. What a server lost at a restart or at the takeover by a replica is not known, so that
//! the name of a history says which servers it is of, and each of these begins another one.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use redis::Value;
use sha2::{Digest as _, Sha256};

use super::position::{StreamPosition, written};
use super::{EventPage, EventRead, ReadFrom};
use crate::redis_connection::{Common, ScriptRequest};
use crate::store::events::StoredEvent;
use crate::store::redis::scripts::READ_EVENTS;
use crate::store::redis::{RedisStore, record, reply};
use crate::{Event, EventSession, EventUser, StoreError};

/// How much of a digest names a history.
const HISTORY_BYTES: usize = 8;
/// Of how many streams the next events are expected to be where there are many, and how many of each are
/// read at least.
const SHARE: usize = 8;
const FEWEST: usize = 16;

/// A page that many readers ask for.
pub(in crate::store::redis) struct CachedPage {
    after: Box<str>,
    limit: usize,
    /// How often there had been news when it was read.
    version: u64,
    page: EventPage,
}

impl CachedPage {
    pub(super) fn new(after: &str, limit: usize, version: u64, page: &EventPage) -> Self {
        Self { after: after.into(), limit, version, page: page.clone() }
    }

    /// The page, if it is that one, and what it says is so still.
    pub(super) fn good_at(&self, after: &str, limit: usize, version: u64) -> Option<EventPage> {
        let is_so = !self.page.events.is_empty() || self.version == version;
        (is_so && &*self.after == after && self.limit == limit).then(|| self.page.clone())
    }
}

impl RedisStore {
    pub(super) async fn request_events(
        &self,
        from: ReadFrom<'_>,
        limit: usize,
    ) -> Result<EventRead, StoreError> {
        let streams = &self.streams.all;
        let position = match from {
            ReadFrom::After(text) => StreamPosition::read(text, streams.len()),
            ReadFrom::Oldest | ReadFrom::Now => None,
        };
        let count = if streams.len() == 1 { limit } else { limit.min((limit / SHARE).max(FEWEST)) };
        let request = |(at, stream): (usize, &Arc<Common>)| {
            let first = match (from, &position) {
                (ReadFrom::Oldest, _) => "-".to_owned(),
                (_, Some(position)) => position.numbers[at].saturating_add(1).to_string(),
                (_, None) => String::new(),
            };
            let request = ScriptRequest::on_all(&READ_EVENTS, &[&stream.keys[0], &stream.keys[1]]);
            request.arg(first).arg(count).arg(&stream.arguments[2])
        };
        let requests: Vec<ScriptRequest> = streams.iter().enumerate().map(request).collect();
        let replies = self.connection.run(&requests).await;
        let streams = replies.into_iter().map(|reply| Stream::read(&reply?, count));
        let streams = Streams { all: streams.collect::<Result<_, _>>()? };
        Ok(streams.answer(from, position, limit))
    }
}

/// What the streams replied.
struct Streams {
    all: Vec<Stream>,
}

impl Streams {
    fn answer(
        self,
        from: ReadFrom<'_>,
        position: Option<StreamPosition<'_>>,
        limit: usize,
    ) -> EventRead {
        let history = self.history();
        let numbers = |of: fn(&Stream) -> u64| self.all.iter().map(of).collect::<Vec<u64>>();
        let before_oldest = numbers(|stream| stream.oldest - 1);
        let after = match from {
            ReadFrom::Now => Some(numbers(|stream| stream.latest)),
            ReadFrom::Oldest => Some(before_oldest.clone()),
            ReadFrom::After(_) => position
                .filter(|position| {
                    let mut streams = self.all.iter().zip(&position.numbers);
                    position.history == history
                        && streams.all(|(stream, at)| stream.goes_on_from(*at))
                })
                .map(|position| position.numbers),
        };
        match after {
            Some(after) => EventRead::Page(self.merged(&history, after, limit)),
            None => EventRead::Gone { oldest: written(&history, &before_oldest) },
        }
    }

    /// One name for what all servers are called.
    fn history(&self) -> String {
        let names = self.all.iter().fold(Sha256::new(), |names, stream| {
            names.chain_update(&stream.name).chain_update(b",")
        });
        names.finalize()[..HISTORY_BYTES].iter().fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    /// The events in the order of their dates, those of a stream in its own. It ends where more of a
    /// stream may come before what was read of the others.
    fn merged(mut self, history: &str, mut numbers: Vec<u64>, limit: usize) -> EventPage {
        let mut events = Vec::new();
        while events.len() < limit {
            let next = self.all.iter().enumerate();
            let next = next.filter_map(|(at, stream)| Some((stream.events.front()?.1.at_ms, at)));
            let Some((_, at)) = next.min() else { break };
            let Some((number, event)) = self.all[at].events.pop_front() else { break };
            numbers[at] = number;
            let position = written(history, &numbers);
            events.push(Arc::new(StoredEvent { position, event, rendered: OnceLock::new() }));
            if self.all[at].has_more && self.all[at].events.is_empty() {
                break;
            }
        }
        EventPage { events, next: written(history, &numbers) }
    }
}

/// What the script replied of one stream.
struct Stream {
    /// What its history and its server are called.
    name: String,
    latest: u64,
    /// The number of the oldest event that is stored; the next one where there is none.
    oldest: u64,
    events: VecDeque<(u64, Event)>,
    /// Whether there may be more events than were read.
    has_more: bool,
}

impl Stream {
    fn read(value: &Value, count: usize) -> Result<Self, StoreError> {
        let [history, server, replication, latest, oldest, entries] = reply::array(value)? else {
            return Err(unreadable());
        };
        let name = [text(history)?, text(server)?, text(replication)?].join(".");
        let latest = text(latest)?.parse().map_err(|_| unreadable())?;
        let oldest = match text(oldest)? {
            "" => latest + 1,
            id => number_of(id)?,
        };
        let entries = reply::array(entries)?;
        let events = entries.iter().map(event).collect::<Result<_, _>>()?;
        Ok(Self { name, latest, oldest, events, has_more: entries.len() == count })
    }

    /// Whether no event behind that of this number is missing.
    fn goes_on_from(&self, number: u64) -> bool {
        match self.events.front() {
            Some((first, _)) => *first == number + 1,
            None => number == self.latest,
        }
    }
}

/// An entry of a stream: its id, and its fields by turns with what they are.
fn event(entry: &Value) -> Result<(u64, Event), StoreError> {
    let [id, fields] = reply::array(entry)? else {
        return Err(unreadable());
    };
    let [_, at, _, event, _, record] = reply::array(fields)? else {
        return Err(unreadable());
    };
    let at_ms: i64 = text(at)?.parse().map_err(|_| unreadable())?;
    let event = reply::bytes(event)?;
    let event = Event::decode(event).or_else(|| Event::decode_use(event)).ok_or_else(unreadable)?;
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
