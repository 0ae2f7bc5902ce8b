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

use super::position::{LARGEST, StreamPosition, written};
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
        let replies = replies.into_iter().zip(streams);
        let streams = replies.map(|(reply, stream)| Stream::read(&reply?, count, &stream.keys[0]));
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
        let before_oldest = numbers(|stream| stream.oldest.saturating_sub(1));
        let after = match from {
            ReadFrom::Now => Ok(numbers(|stream| stream.latest)),
            ReadFrom::Oldest => Ok(before_oldest),
            ReadFrom::After(_) => match position {
                Some(position) if position.history == history => {
                    self.going_on(position.numbers, before_oldest)
                }
                _ => Err(before_oldest),
            },
        };
        match after {
            Ok(after) => EventRead::Page(self.merged(&history, after, limit)),
            Err(oldest) => EventRead::Gone { oldest: written(&history, &oldest) },
        }
    }

    /// The numbers, where no event behind them is missing; else those that reading goes on behind.
    /// Where it is only that somebody took events out of the middle, that is behind the gap: from the
    /// oldest on, a reader would come to the same gap again and again.
    fn going_on(&self, numbers: Vec<u64>, before_oldest: Vec<u64>) -> Result<Vec<u64>, Vec<u64>> {
        let streams = || self.all.iter().zip(&numbers);
        if streams().all(|(stream, at)| stream.goes_on_from(*at)) {
            return Ok(numbers);
        }
        let behind_gaps = streams().map(|(stream, at)| stream.behind_gap(*at));
        Err(behind_gaps.collect::<Option<_>>().unwrap_or(before_oldest))
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
        let is_end = self.all.iter().all(|stream| stream.events.is_empty() && !stream.has_more);
        EventPage { events, next: written(history, &numbers), is_end }
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
    fn read(value: &Value, count: usize, key: &[u8]) -> Result<Self, StoreError> {
        let [history, server, replication, latest, oldest, newest, entries] = reply::array(value)?
        else {
            return Err(unreadable());
        };
        let name = [text(history)?, text(server)?, text(replication)?].join(".");
        let counted = number_of(text(latest)?)?;
        let number_if_there = |id| match text(id)? {
            "" => Ok(None),
            id => number_of(id).map(Some),
        };
        // A count that somebody set back would have what is behind it told as of another history.
        let latest = counted.max(number_if_there(newest)?.unwrap_or_default());
        let oldest = number_if_there(oldest)?.unwrap_or(latest.saturating_add(1));
        let entries = reply::array(entries)?;
        let read = |entry| event(entry).ok_or_else(|| unreadable_entry(key, entry));
        let mut events = entries.iter().map(read).collect::<Result<VecDeque<_>, _>>()?;
        // What is behind a gap is read from there on, so that the reader learns of it.
        let pairs = events.iter().zip(events.iter().skip(1));
        let whole = 1 + pairs.take_while(|(before, next)| next.0 == before.0 + 1).count();
        events.truncate(whole);
        let has_more = entries.len() == count || events.len() < entries.len();
        Ok(Self { name, latest, oldest, events, has_more })
    }

    /// Whether no event behind that of this number is missing.
    fn goes_on_from(&self, number: u64) -> bool {
        match self.events.front() {
            Some((first, _)) => *first == number + 1,
            None => number == self.latest,
        }
    }

    /// The number behind which it goes on, where events in the middle are missing.
    fn behind_gap(&self, number: u64) -> Option<u64> {
        let is_within = self.oldest <= number.saturating_add(1) && number <= self.latest;
        let next = self.events.front().map_or(self.latest, |(first, _)| first.saturating_sub(1));
        is_within.then_some(next)
    }
}

/// An entry of a stream: its id, and its fields by turns with what they are. `None` for any other.
fn event(entry: &Value) -> Option<(u64, Event)> {
    let [id, fields] = reply::array(entry).ok()? else { return None };
    let [_, at, _, event, _, record] = reply::array(fields).ok()? else { return None };
    let at_ms: i64 = text(at).ok()?.parse().ok()?;
    let event = reply::bytes(event).ok()?;
    let event = Event::decode(event).or_else(|| Event::decode_use(event))?;
    let event = Event { at_ms, ..event };
    let record = reply::bytes(record).ok()?;
    let number = number_of(text(id).ok()?).ok()?;
    let Some(session) = event.session.as_ref().filter(|_| !record.is_empty()) else {
        return Some((number, event));
    };
    let session = record::decode(session.id, record, 0)?;
    let user = Some(EventUser::of(&session.subject));
    Some((number, Event { session: Some(EventSession::of(&session)), user, ..event }))
}

/// The number in an id, if it is one that a position can have.
fn number_of(id: &str) -> Result<u64, StoreError> {
    let number = id.split('-').next().and_then(|number| number.parse().ok());
    number.filter(|number| *number <= LARGEST).ok_or_else(unreadable)
}

fn text(value: &Value) -> Result<&str, StoreError> {
    std::str::from_utf8(reply::bytes(value)?).map_err(|_| unreadable())
}

fn unreadable() -> StoreError {
    StoreError("stored event is unreadable".to_owned())
}

/// The error for an entry that somebody else put there, which names it: taken out, it holds up nobody.
fn unreadable_entry(key: &[u8], entry: &Value) -> StoreError {
    let id = reply::array(entry).ok().and_then(|parts| text(parts.first()?).ok());
    let (id, key) = (id.unwrap_or_default(), String::from_utf8_lossy(key));
    StoreError(format!("the entry {id} of {key} is no event"))
}
