//! The ring in which a process has the newest events.
//!
//! The newest of them are shared by readers, with what the first of them has made of it; those before are
//! encoded, which takes a fraction of the memory, and decoded for each reader.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{EventPage, EventRead, EventRetention, Position, ReadFrom, StoredEvent};
use crate::Event;

/// The newest events, as far as the retention goes. Numbers have no gaps.
pub(crate) struct EventRing {
    history: Box<str>,
    retention: EventRetention,
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

/// How many events are shared with readers as they are.
const SHARED: usize = 1_024;

struct State {
    /// Before those, the oldest first.
    encoded: VecDeque<Arc<[u8]>>,
    shared: VecDeque<Arc<StoredEvent>>,
    /// The number that the next event gets.
    next: u64,
}

/// Events that were found, before those of them are decoded that must be.
struct Found {
    encoded: Vec<Arc<[u8]>>,
    shared: Vec<Arc<StoredEvent>>,
    /// The number of the event before them.
    after: u64,
    /// Behind the last of them.
    next: Box<str>,
    is_end: bool,
}

impl EventRing {
    /// An empty ring, whose history has no other.
    pub(crate) fn new(history: &str, retention: EventRetention) -> Self {
        let state = State { encoded: VecDeque::new(), shared: VecDeque::new(), next: 1 };
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
        match self.look_up(from, limit) {
            Ok(found) => EventRead::Page(self.page(found)),
            Err(oldest) => EventRead::Gone { oldest },
        }
    }

    /// # Errors
    ///
    /// The position is not good any more; the one before the oldest event is.
    fn look_up(&self, from: ReadFrom<'_>, limit: usize) -> Result<Found, Box<str>> {
        let state = self.state.lock();
        let oldest = state.oldest();
        let after = match from {
            ReadFrom::Oldest => oldest - 1,
            ReadFrom::Now => state.next - 1,
            ReadFrom::After(text) => match self.find(&state, text) {
                Some(number) => number,
                None => return Err(self.position(&state, oldest - 1)),
            },
        };
        let first = usize::try_from(after + 1 - oldest).unwrap_or(usize::MAX).min(state.len());
        let end = first.saturating_add(limit).min(state.len());
        let middle = state.encoded.len();
        let encoded = state.encoded.range(first.min(middle)..end.min(middle)).cloned().collect();
        let shared = first.saturating_sub(middle)..end.saturating_sub(middle);
        let shared = state.shared.range(shared).cloned().collect();
        let next = self.position(&state, after + (end - first) as u64);
        Ok(Found { encoded, shared, after, next, is_end: end == state.len() })
    }

    /// The events that were found. The lock is not held while they are decoded.
    fn page(&self, found: Found) -> EventPage {
        let Found { encoded, shared, after, next, is_end } = found;
        // What this process has encoded is readable.
        let decoded = encoded.iter().zip(after + 1..).filter_map(|(bytes, number)| {
            Event::decode(bytes).map(|event| self.stored(number, event))
        });
        EventPage { events: decoded.chain(shared).collect(), next, is_end }
    }

    fn stored(&self, number: u64, event: Event) -> Arc<StoredEvent> {
        let at_ms = Some(event.at_ms);
        let position = Position { history: &self.history, number, at_ms }.written();
        Arc::new(StoredEvent { position, event, rendered: OnceLock::new() })
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
        let stored = state.at_ms(position.number);
        (stored.is_none() || stored == position.at_ms).then_some(position.number)
    }

    fn position(&self, state: &State, number: u64) -> Box<str> {
        let at_ms = state.at_ms(number);
        Position { history: &self.history, number, at_ms }.written()
    }

    /// INVARIANT: the newest event stays, however old it is, so that numbers go on behind it.
    fn add(&self, state: &mut State, event: Event) {
        let at_ms = event.at_ms;
        state.shared.push_back(self.stored(state.next, event));
        state.next += 1;
        if state.shared.len() > SHARED {
            let oldest = state.shared.pop_front();
            state.encoded.extend(oldest.map(|stored| stored.event.encode().into()));
        }
        let keep_ms = i64::try_from(self.retention.keep.as_millis()).unwrap_or(i64::MAX);
        let is_over =
            |state: &State| state.at_ms(state.oldest()) < Some(at_ms.saturating_sub(keep_ms));
        while state.len() > self.retention.limit.max(1) || state.len() > 1 && is_over(state) {
            state.drop_oldest();
        }
    }
}

impl State {
    fn len(&self) -> usize {
        self.encoded.len() + self.shared.len()
    }

    fn oldest(&self) -> u64 {
        self.next - self.len() as u64
    }

    /// When the event of this number was, if it is there.
    fn at_ms(&self, number: u64) -> Option<i64> {
        let index = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        match self.encoded.get(index) {
            Some(bytes) => Event::encoded_at_ms(bytes),
            None => Some(self.shared.get(index - self.encoded.len())?.event.at_ms),
        }
    }

    fn drop_oldest(&mut self) {
        if self.encoded.pop_front().is_none() {
            self.shared.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{Cause, EventContext, EventKind, EventSession, EventUser, SeenAt};

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

    /// `cargo test --release -p session bytes_of_an_event -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn bytes_of_an_event_in_memory() {
        const EVENTS: u64 = 100_000;
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
        let logout = |number: u64| {
            let id = uuid::Uuid::from_u128(number.into());
            let client = SeenAt {
                ip: Some([192, 0, 2, 7].into()),
                user_agent: Some(agent.into()),
                request_id: Some(id.to_string().into()),
            };
            let (kind, transport) = (crate::Kind::Sliding, crate::Transport::Cookie);
            let session = EventSession { id: id.into(), kind, transport, name: None };
            let username = format!("user{number:06}@example.com").into();
            let user = Some(EventUser { id: Some(id), external: None, username });
            let context = EventContext::of_client(Cause::Logout, client);
            Event::of_session(EventKind::SessionEnded, session, user, &context, 1)
        };
        let ring = EventRing::new("0123456789abcdef", EventRetention::default());
        let before = crate::store::memory::measure::resident_bytes();
        (0..EVENTS).for_each(|number| ring.push_all([logout(number)]));
        let bytes = crate::store::memory::measure::resident_bytes() - before;
        eprintln!("{} bytes an event, {} encoded", bytes / EVENTS, logout(1).encode().len());
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
