//! The stored events of a store: what a reader asks for and gets.

mod ring;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use self::ring::EventRing;

use super::redis::only_number;
use crate::Event;

/// How many events are stored, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct EventRetention {
    /// Older ones are dropped.
    pub keep: Duration,
    /// What is more than so many is dropped, the oldest first.
    pub limit: usize,
}

impl Default for EventRetention {
    /// A week, and 100,000.
    fn default() -> Self {
        Self { keep: Duration::from_hours(7 * 24), limit: 100_000 }
    }
}

/// An event, and where it is in the order of all.
#[derive(Debug)]
pub struct StoredEvent {
    /// Its position, after which the next one comes.
    pub position: Box<str>,
    /// The event.
    pub event: Event,
    /// What its readers send, made by the first of them.
    pub rendered: OnceLock<Arc<str>>,
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug)]
pub enum ReadFrom<'a> {
    /// At the oldest event that is stored.
    Oldest,
    /// Behind the newest.
    Now,
    /// Behind the event of this position.
    After(&'a str),
}

/// What a reader gets.
#[derive(Debug)]
pub enum EventRead {
    /// The next events, or none where there are no more yet.
    Page(EventPage),
    /// The position is of another history, was never given out, or is followed by events that are
    /// no longer stored.
    Gone {
        /// Behind it is the oldest event that is stored.
        oldest: Box<str>,
    },
}

/// A part of the stream.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, in their order.
    pub events: Vec<Arc<StoredEvent>>,
    /// Where the next page begins.
    pub next: Box<str>,
    /// Whether nothing was stored behind it when it was read. Where it is `false` that may be so as well.
    pub is_end: bool,
}

/// A place in the order of a store's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position<'a> {
    pub(crate) history: &'a str,
    /// The number of the event before it.
    pub(crate) number: u64,
    /// When that event was: in a file that was put back, another one may have its number. `None`
    /// where there is no such event.
    pub(crate) at_ms: Option<i64>,
}

impl<'a> Position<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let (history, number, at_ms) = (parts.next()?, parts.next()?, parts.next()?);
        let at_ms = if at_ms.is_empty() { None } else { Some(at_ms.parse().ok()?) };
        let number = number.parse().ok()?;
        parts.next().is_none().then_some(Self { history, number, at_ms })
    }

    pub(crate) fn written(self) -> Box<str> {
        let Self { history, number, at_ms } = self;
        match at_ms {
            Some(at_ms) => format!("{history}.{number}.{at_ms}").into(),
            None => format!("{history}.{number}.").into(),
        }
    }
}

/// Of a position that a store gave out: the name of the history, and the number of the event that it
/// is behind. Numbers of one history have no gaps. `None` of a cluster's, where events of several
/// streams are read together.
pub fn event_number(position: &str) -> Option<(&str, u64)> {
    let in_process = Position::read(position).map(|position| (position.history, position.number));
    in_process.or_else(|| only_number(position))
}

/// A name that no history had before.
pub(crate) fn new_history() -> Box<str> {
    let mut bytes = [0; 8];
    // Without randomness the process hands out no token either; one name is then as good as another.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes)).into()
}
