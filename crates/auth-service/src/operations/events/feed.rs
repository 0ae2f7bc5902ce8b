//! The newest events of some types, which their readers share.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use session::StoredEvent;

use super::turns::Waiter;

/// How many events of a set of types are shared. A reader that is further behind reads the store.
const SHARED: usize = 1_024;

/// Events that several readers send, and what they send of them, made by the first.
#[derive(Debug)]
pub(crate) struct EventPart {
    pub(crate) events: Vec<Arc<StoredEvent>>,
    encoded: OnceLock<Option<Bytes>>,
}

impl EventPart {
    pub(crate) fn new(events: Vec<Arc<StoredEvent>>) -> Self {
        Self { events, encoded: OnceLock::new() }
    }

    /// What `encode` made of them for the first reader.
    pub(crate) fn encoded(
        &self,
        encode: impl FnOnce(&[Arc<StoredEvent>]) -> Option<Bytes>,
    ) -> Option<Bytes> {
        self.encoded.get_or_init(|| encode(&self.events)).clone()
    }
}

/// The events of some types.
#[derive(Default)]
pub(super) struct Feed {
    pub(super) readers: usize,
    /// The newest, the first of which has the number `first`.
    pub(super) items: VecDeque<Item>,
    pub(super) first: u64,
    /// Who has all of them.
    pub(super) waiting: Vec<Waiter>,
    /// What was given last, and from which number on.
    part: Option<(u64, Arc<EventPart>)>,
}

pub(super) enum Item {
    Event(Arc<StoredEvent>),
    /// Events before it were missed; behind this position is the oldest that is stored.
    Reset(Box<str>),
}

impl Feed {
    /// The number of the next item.
    pub(super) fn next(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
        if self.items.len() > SHARED {
            self.items.pop_front();
            self.first += 1;
        }
    }

    /// The events from the number `from` on, which has this index.
    pub(super) fn part(&mut self, from: u64, index: usize, limit: usize) -> Arc<EventPart> {
        let events = || {
            let events = self.items.range(index..).map_while(|item| match item {
                Item::Event(stored) => Some(stored),
                Item::Reset(_) => None,
            });
            events.take(limit)
        };
        let count = events().count();
        match &self.part {
            Some((first, part)) if *first == from && part.events.len() == count => Arc::clone(part),
            _ => {
                let part = Arc::new(EventPart::new(events().cloned().collect()));
                self.part = Some((from, Arc::clone(&part)));
                part
            }
        }
    }
}
