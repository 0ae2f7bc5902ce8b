//! One follower of what happens, for all who wait for it: each event is read from the store once and
//! looked at once for each set of types, and readers of the same types get the same bytes.
//!
//! A reader that waits is not polled: it is woken when there is something for it, in its [turn](Turns).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use session::{EventRead, ReadFrom, SessionStore, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Types;
use super::feed::{EventPart, Feed, Item};
use super::turns::{Reached, Turns, Waiter};

/// How many events are read from the store at a time.
pub(super) const PAGE: usize = 256;
/// How many pages in a row are read: in a cluster there may be more for as long as one looks.
const PAGES: usize = 64;
/// How long the store is left alone after a look at it.
const GAP: Duration = Duration::from_millis(5);
/// The pauses between two looks at a store that does not answer.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many events go into a write that counts as one turn more.
const EVENTS_OF_A_TURN: f64 = 32.0;

/// Reads what happens while somebody waits for it.
pub(crate) struct EventFollower {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) turns: Turns,
    state: Mutex<State>,
    /// Somebody wants to know at once how far the events go.
    requested: Notify,
    looked: watch::Sender<Look>,
}

/// A look at the store that is over.
#[derive(Clone, Default)]
struct Look {
    /// Counted from 1.
    number: u64,
    outcome: Outcome,
}

#[derive(Clone, Default)]
enum Outcome {
    /// It came to the end.
    #[default]
    End,
    /// There may be more.
    Behind,
    /// The store did not answer.
    Failed(StoreError),
}

#[derive(Default)]
struct State {
    /// Behind the last event that was read; `None` while nobody follows.
    end: Option<Arc<str>>,
    feeds: HashMap<Types, Feed>,
    /// The number of the look that is under way, or was the last.
    look: u64,
    /// Since when the store does not answer, and how often it did not.
    failing: Option<(Instant, u32)>,
}

/// What there is for a reader.
pub(super) enum Taken {
    Part(Arc<EventPart>),
    Reset(Box<str>),
    Nothing,
    /// It is too far behind to be served from memory.
    Missed,
}

/// A reader among those that are served together.
pub(super) struct Subscription {
    follower: Arc<EventFollower>,
    types: Types,
    /// The number of the next item.
    next: u64,
    /// Up to where there was nothing else for it.
    pub(super) position: Arc<str>,
}

impl EventFollower {
    /// A follower, which has to [run](Self::run).
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            turns: Turns::new(),
            state: Mutex::default(),
            requested: Notify::new(),
            looked: watch::Sender::default(),
        }
    }

    /// Follows, and serves whoever waits, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let follow = async {
            let mut signal = self.store.event_signal();
            loop {
                self.follow(&mut signal).await;
            }
        };
        let both = async { tokio::join!(follow, self.turns.run()) };
        cancel.run_until_cancelled(both).await;
    }

    /// Looks once, and waits until there may be more.
    async fn follow(&self, signal: &mut watch::Receiver<u64>) {
        while self.state.lock().feeds.is_empty() {
            self.requested.notified().await;
        }
        // INVARIANT: what happens from now on changes the signal again.
        signal.borrow_and_update();
        let number = {
            let mut state = self.state.lock();
            state.look += 1;
            state.look
        };
        let outcome = self.look().await;
        let pause = self.state.lock().note(&outcome);
        let is_behind = matches!(outcome, Outcome::Behind);
        self.looked.send_replace(Look { number, outcome });
        if let Some(pause) = pause {
            // Also where somebody wants to begin: a thousand that do would have no pause left.
            return tokio::time::sleep(pause).await;
        }
        if is_behind {
            return tokio::task::yield_now().await;
        }
        let more = async {
            tokio::time::sleep(GAP).await;
            let _closed = signal.changed().await;
        };
        tokio::select! {
            () = more => {}
            () = self.requested.notified() => {}
        }
    }

    /// Reads on to the end.
    async fn look(&self) -> Outcome {
        for _ in 0..PAGES {
            let from = self.state.lock().end.clone();
            let read = match &from {
                Some(position) => self.store.read_events(ReadFrom::After(position), PAGE),
                None => self.store.read_events(ReadFrom::Now, 1),
            };
            let read = match read.await {
                Ok(read) => read,
                Err(error) => return Outcome::Failed(error),
            };
            let is_end = match &read {
                EventRead::Page(page) => page.is_end || from.is_none(),
                EventRead::Gone { .. } => false,
            };
            self.state.lock().take(&from, read, &self.turns);
            if is_end {
                return Outcome::End;
            }
            tokio::task::yield_now().await;
        }
        Outcome::Behind
    }

    /// Since when the store does not answer, as far as somebody follows it.
    pub(super) fn failing_since(&self) -> Option<Instant> {
        self.state.lock().failing.map(|(since, _)| since)
    }

    /// How many wait for events, with those that have gone and were not forgotten yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().feeds.values().map(|feed| feed.waiting.len()).sum()
    }

    /// Joins the readers of these types: what comes behind all that has happened is for it. `None`
    /// where it is not certain that everything was seen that happened before this call.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        types: Types,
    ) -> Result<Option<Subscription>, StoreError> {
        let (mut subscription, wanted) = {
            let mut state = self.state.lock();
            state.feeds.entry(types).or_default().readers += 1;
            let follower = Arc::clone(self);
            (Subscription { follower, types, next: 0, position: "".into() }, state.look + 1)
        };
        let mut looked = self.looked.subscribe();
        self.requested.notify_one();
        let look = looked.wait_for(|look| look.number >= wanted).await;
        let outcome = look.map_or(Outcome::Behind, |look| look.outcome.clone());
        match outcome {
            Outcome::Failed(error) => return Err(error),
            Outcome::Behind => return Ok(None),
            Outcome::End => {}
        }
        let state = self.state.lock();
        let (Some(feed), Some(end)) = (state.feeds.get(&types), &state.end) else {
            return Ok(None);
        };
        (subscription.next, subscription.position) = (feed.next(), Arc::clone(end));
        drop(state);
        Ok(Some(subscription))
    }
}

impl Subscription {
    /// What there is next, `limit` events at most.
    pub(super) fn take(&mut self, limit: usize) -> Taken {
        let mut state = self.follower.state.lock();
        let State { feeds, end, .. } = &mut *state;
        let (Some(feed), Some(end)) = (feeds.get_mut(&self.types), end) else {
            return Taken::Missed;
        };
        let Some(index) = self.next.checked_sub(feed.first) else { return Taken::Missed };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match feed.items.get(index) {
            None => {
                self.position = Arc::clone(end);
                Taken::Nothing
            }
            Some(Item::Reset(oldest)) => {
                self.next += 1;
                self.position = (**oldest).into();
                Taken::Reset(oldest.clone())
            }
            Some(Item::Event(_)) => {
                let part = feed.part(self.next, index, limit.min(PAGE));
                self.next += part.events.len() as u64;
                if self.next == feed.next() {
                    self.position = Arc::clone(end);
                } else if let Some(last) = part.events.last() {
                    self.position = (*last.position).into();
                }
                drop(state);
                self.follower.turns.charge(cost(part.events.len()));
                Taken::Part(part)
            }
        }
    }

    /// Whether what is behind this position is what it begins with.
    pub(super) fn begins(&self, from: ReadFrom<'_>) -> bool {
        match from {
            ReadFrom::Oldest => false,
            ReadFrom::Now => true,
            ReadFrom::After(position) => *position == *self.position,
        }
    }

    /// Goes on behind what is there, where nothing of it is for this reader.
    pub(super) fn catch_up(&mut self) {
        let state = self.follower.state.lock();
        let is_next = |feed: &Feed| feed.next() == self.next;
        if let Some(end) = &state.end
            && state.feeds.get(&self.types).is_some_and(is_next)
        {
            self.position = Arc::clone(end);
        }
    }

    /// Has this reader served once there is something for it.
    pub(super) fn wait(&self, waiter: Waiter) {
        let mut state = self.follower.state.lock();
        match state.feeds.get_mut(&self.types) {
            Some(feed) if self.next == feed.next() => feed.waiting.push(waiter),
            _ => self.follower.turns.queue([waiter], &None),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.follower.state.lock();
        if let Some(feed) = state.feeds.get_mut(&self.types) {
            feed.readers -= 1;
            if feed.readers == 0 {
                state.feeds.remove(&self.types);
            } else if feed.waiting.len() > 2 * feed.readers {
                feed.waiting.retain(|waiter| !waiter.is_closed());
            }
        }
        if state.feeds.is_empty() {
            (state.end, state.failing) = (None, None);
        }
    }
}

impl State {
    /// Writes down whether the store answered; how long to leave it alone where it did not.
    fn note(&mut self, outcome: &Outcome) -> Option<Duration> {
        let Outcome::Failed(error) = outcome else {
            if self.failing.take().is_some() {
                tracing::info!("events are read again");
            }
            return None;
        };
        let (since, failures) = self.failing.unwrap_or_else(|| {
            tracing::warn!(%error, "events cannot be read; trying again");
            (Instant::now(), 0)
        });
        self.failing = Some((since, failures.saturating_add(1)));
        Some(pause_after(failures))
    }

    /// Takes what was read behind `from`, unless nobody has followed meanwhile.
    fn take(&mut self, from: &Reached, read: EventRead, turns: &Turns) {
        if self.end != *from || self.feeds.is_empty() {
            return;
        }
        match read {
            EventRead::Page(page) => {
                for (types, feed) in &mut self.feeds {
                    let before = feed.next();
                    let wanted = page.events.iter().filter(|stored| types.has(stored.event.kind));
                    wanted.for_each(|stored| feed.push(Item::Event(Arc::clone(stored))));
                    if feed.next() > before {
                        turns.queue(feed.waiting.drain(..), from);
                    }
                }
                self.end = Some(page.next.into());
            }
            EventRead::Gone { oldest } => {
                for feed in self.feeds.values_mut() {
                    feed.push(Item::Reset(oldest.clone()));
                    turns.queue(feed.waiting.drain(..), from);
                }
                self.end = Some(oldest.into());
            }
        }
    }
}

/// How many turns more so many events are worth.
pub(super) fn cost(events: usize) -> f64 {
    f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / EVENTS_OF_A_TURN
}

/// How long is waited after so many failures before this one.
pub(super) fn pause_after(failures: u32) -> Duration {
    SHORTEST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE)
}
