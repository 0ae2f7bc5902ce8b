//! The stored events of a store: what a reader asks for and gets, and the ring in which a process has
//! the newest ones.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

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

/// The newest events, as far as the retention goes. Numbers have no gaps.
pub(crate) struct EventRing {
    history: Box<str>,
    retention: EventRetention,
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

struct State {
    events: VecDeque<Arc<StoredEvent>>,
    /// The number that the next event gets.
    next: u64,
}

impl EventRing {
    /// An empty ring, whose history has no other.
    pub(crate) fn new(history: &str, retention: EventRetention) -> Self {
        let state = State { events: VecDeque::new(), next: 1 };
        let newest = watch::Sender::new(0);
        Self { history: history.into(), retention, state: Mutex::new(state), newest }
    }

    /// Puts back what was stored, the last of which has this number.
    pub(crate) fn restore(&self, last: u64, events: impl IntoIterator<Item = (u64, Event)>) {
        let mut state = self.state.lock();
        for (number, event) in events {
            state.next = number;
            self.add(&mut state, event);
        }
        state.next = state.next.max(last + 1);
    }

    /// Adds events, which are visible from now on.
    pub(crate) fn push_all(&self, events: impl IntoIterator<Item = Event>) {
        let last = {
            let mut state = self.state.lock();
            for event in events {
                self.add(&mut state, event);
            }
            state.next - 1
        };
        self.newest.send_if_modified(|newest| std::mem::replace(newest, last) != last);
    }

    /// Changes whenever there are more.
    pub(crate) fn signal(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The number that the next event gets, and that of the oldest that is stored.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.next, state.oldest())
    }

    /// No more than `limit` events.
    pub(crate) fn read(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        let state = self.state.lock();
        let oldest = state.oldest();
        let after = match from {
            ReadFrom::Oldest => oldest - 1,
            ReadFrom::Now => state.next - 1,
            ReadFrom::After(text) => match self.find(&state, text) {
                Some(number) => number,
                None => return EventRead::Gone { oldest: self.position(&state, oldest - 1) },
            },
        };
        let skipped = usize::try_from(after + 1 - oldest).unwrap_or(usize::MAX);
        let events: Vec<_> = state.events.iter().skip(skipped).take(limit).cloned().collect();
        let next = after + events.len() as u64;
        EventRead::Page(EventPage { events, next: self.position(&state, next) })
    }

    /// The number of the event that the position is behind, if no event behind that is missing.
    fn find(&self, state: &State, text: &str) -> Option<u64> {
        let position = Position::read(text)?;
        let oldest = state.oldest();
        if position.history != &*self.history
            || position.number >= state.next
            || position.number + 1 < oldest
        {
            return None;
        }
        let stored = state.event(position.number);
        let is_same = match (stored, position.at_ms) {
            (Some(stored), Some(at_ms)) => stored.event.at_ms == at_ms,
            (Some(_), None) => false,
            (None, _) => true,
        };
        is_same.then_some(position.number)
    }

    fn position(&self, state: &State, number: u64) -> Box<str> {
        let at_ms = state.event(number).map(|stored| stored.event.at_ms);
        Position { history: &self.history, number, at_ms }.written()
    }

    /// INVARIANT: the newest event stays, however old it is, so that numbers go on behind it.
    fn add(&self, state: &mut State, event: Event) {
        let (number, at_ms) = (state.next, event.at_ms);
        let position = Position { history: &self.history, number, at_ms: Some(at_ms) }.written();
        state.events.push_back(Arc::new(StoredEvent {
            position,
            event,
            rendered: OnceLock::new(),
        }));
        state.next += 1;
        let keep_ms = i64::try_from(self.retention.keep.as_millis()).unwrap_or(i64::MAX);
        let is_over =
            |stored: &mut Arc<StoredEvent>| stored.event.at_ms < at_ms.saturating_sub(keep_ms);
        while state.events.len() > self.retention.limit.max(1) {
            state.events.pop_front();
        }
        while state.events.len() > 1 && state.events.pop_front_if(is_over).is_some() {}
    }
}

impl State {
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }

    fn event(&self, number: u64) -> Option<&StoredEvent> {
        let index = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        self.events.get(index).map(|stored| &**stored)
    }
}

/// A name that no history had before.
pub(crate) fn new_history() -> Box<str> {
    let mut bytes = [0; 8];
    // Without randomness the process hands out no token either; one name is then as good as another.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, SeenAt};

    fn event(at_ms: i64) -> Event {
        let event = Event::of_user(EventKind::UserCreated, None, None, None, SeenAt::default());
        Event { at_ms, ..event }
    }

    fn ring(limit: usize) -> EventRing {
        EventRing::new("h", EventRetention { keep: Duration::from_secs(100), limit })
    }

    fn page(read: EventRead) -> (Vec<i64>, Box<str>) {
        match read {
            EventRead::Page(page) => {
                (page.events.iter().map(|stored| stored.event.at_ms).collect(), page.next)
            }
            EventRead::Gone { oldest } => panic!("gone; the oldest is {oldest}"),
        }
    }

    fn oldest(read: EventRead) -> Box<str> {
        match read {
            EventRead::Gone { oldest } => oldest,
            EventRead::Page(page) => panic!("{page:?}"),
        }
    }

    #[test]
    fn a_reader_that_goes_on_from_each_position_reads_everything_once() {
        let ring = ring(10_000);
        ring.push_all((0..10_000).map(event));
        let (all, end) = page(ring.read(ReadFrom::Oldest, usize::MAX));
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
        let (first, mut position) = page(ring.read(ReadFrom::Oldest, 0));
        assert!(first.is_empty());
        for at_ms in 0..10_000 {
            let (read, next) = page(ring.read(ReadFrom::After(&position), 1));
            assert_eq!(read, [at_ms]);
            position = next;
        }
        assert_eq!(position, end);
        assert_eq!(page(ring.read(ReadFrom::After(&end), 9)), (vec![], end.clone()));
        assert_eq!(page(ring.read(ReadFrom::Now, 9)), (vec![], end));
    }

    #[test]
    fn what_was_dropped_before_it_was_read_is_gone_and_what_was_read_is_not_missed() {
        let ring = ring(3);
        let (_, start) = page(ring.read(ReadFrom::Now, 1));
        ring.push_all((1..=3).map(event));
        assert_eq!(page(ring.read(ReadFrom::After(&start), 9)).0, [1, 2, 3]);
        let (_, after_one) = page(ring.read(ReadFrom::Oldest, 1));
        ring.push_all([event(4)]);
        assert_eq!(page(ring.read(ReadFrom::After(&after_one), 9)).0, [2, 3, 4]);
        let oldest = oldest(ring.read(ReadFrom::After(&start), 9));
        assert_eq!(page(ring.read(ReadFrom::After(&oldest), 9)).0, [2, 3, 4]);
        ring.push_all([event(5)]);
        assert!(matches!(ring.read(ReadFrom::After(&after_one), 9), EventRead::Gone { .. }));
    }

    #[test]
    fn old_events_are_dropped_but_for_the_newest() {
        let ring = ring(10);
        ring.push_all([event(0), event(1_000)]);
        ring.push_all([event(100_500)]);
        assert_eq!(page(ring.read(ReadFrom::Oldest, 9)).0, [1_000, 100_500]);
        ring.push_all([event(1_000_000)]);
        assert_eq!(page(ring.read(ReadFrom::Oldest, 9)).0, [1_000_000]);
    }

    #[test]
    fn made_up_positions_and_those_of_other_histories_are_gone() {
        let ring = ring(10);
        ring.push_all([event(7), event(8)]);
        let good = page(ring.read(ReadFrom::Oldest, 1)).1;
        assert_eq!(&*good, "h.1.7");
        for text in [
            "",
            "0",
            "h",
            "h.1",
            "h.1.",
            "h.1.8",
            "h.1.7.",
            "h.1.7.9",
            "h.3.9",
            "h.-1.7",
            "g.1.7",
            "h.99999999999999999999.7",
            "h.18446744073709551615.7",
            "h.1.x",
            "é.1.7",
        ] {
            let oldest = oldest(ring.read(ReadFrom::After(text), 9));
            assert_eq!(page(ring.read(ReadFrom::After(&oldest), 9)).0, [7, 8], "{text}");
        }
    }

    #[test]
    fn what_was_stored_goes_on_behind_its_last_number() {
        let ring = ring(10);
        ring.restore(9, [(8, event(80)), (9, event(90))]);
        assert_eq!(ring.numbers(), (10, 8));
        let mut signal = ring.signal();
        ring.push_all([event(100)]);
        assert!(signal.has_changed().unwrap());
        assert_eq!(*signal.borrow_and_update(), 10);
        assert_eq!(&*page(ring.read(ReadFrom::Oldest, 9)).1, "h.10.100");
    }
}
