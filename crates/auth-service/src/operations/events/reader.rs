//! A reader: from the store while it is behind, and with all others once it has come to the end.

use std::sync::Arc;
use std::time::Duration;

use session::{EventPage, EventRead, ReadFrom, StoreError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Types;
use super::feed::EventPart;
use super::follower::{EventFollower, PAGE, Subscription, Taken, cost, pause_after};
use super::turns::Reached;

/// How long a stream goes on while its events cannot be read.
const FAILING_FOR: Duration = Duration::from_secs(30);

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest event that is stored.
    Oldest,
    /// With the next one.
    Now,
    /// Behind this position.
    After(String),
}

/// What a reader has read.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Events, or none where none came in time.
    Events(Arc<EventPart>),
    /// Events were dropped before they were read, or the position is none of this store's. Reading
    /// goes on behind this position, with the oldest event that is stored.
    Reset(Box<str>),
}

/// Reads events from where it began.
pub(crate) struct EventReader {
    follower: Arc<EventFollower>,
    types: Types,
    source: Source,
    /// Whether it may read: the first time it need not wait for its turn.
    has_turn: bool,
    waiting: Option<oneshot::Receiver<Reached>>,
    /// Since when the store does not answer, and how often it did not.
    failing: Option<(Instant, u32)>,
    cancel: CancellationToken,
}

/// Where the next events come from.
enum Source {
    /// From the store, behind what was read.
    Stored { start: Start, is_end: bool },
    /// From what the follower has read.
    Followed(Subscription),
}

/// How a step of reading ended.
enum Step {
    Read(Batch),
    /// There is more to look at, once it has its turn.
    Later,
    /// There is nothing more at present.
    AtEnd,
}

impl EventReader {
    /// A reader, which waits for no event any more once `cancel` is cancelled.
    pub(crate) fn new(
        follower: Arc<EventFollower>,
        start: Start,
        types: Types,
        cancel: CancellationToken,
    ) -> Self {
        let is_end = start == Start::Now;
        let source = Source::Stored { start, is_end };
        Self { follower, types, source, has_turn: true, waiting: None, failing: None, cancel }
    }

    /// Where it goes on.
    pub(crate) fn next(&self) -> &str {
        match &self.source {
            Source::Stored { start: Start::After(position), .. } => position,
            Source::Stored { .. } => "0",
            Source::Followed(subscription) => &subscription.position,
        }
    }

    /// Whether a stream of it goes on, also where it could not be read last.
    pub(crate) fn goes_on(&self) -> bool {
        let is_failing_long = self.failing.is_some_and(|(since, _)| since.elapsed() >= FAILING_FOR);
        !self.cancel.is_cancelled() && !is_failing_long
    }

    /// The next events, `limit` at most; waits for the first of them, but no longer than `wait`. A
    /// store that does not answer is tried again for so long.
    ///
    /// # Errors
    ///
    /// The store does not answer still.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, it has read nothing that a caller has not seen, or only what is of other types.
    pub(crate) async fn read(&mut self, limit: usize, wait: Duration) -> Result<Batch, StoreError> {
        let deadline = Instant::now() + wait;
        loop {
            let is_followed = matches!(self.source, Source::Followed(_));
            if !self.has_turn && !self.turn(is_followed.then_some(deadline)).await {
                return self.late();
            }
            match self.step(limit, deadline).await {
                Ok(Step::Read(batch)) => {
                    (self.has_turn, self.failing) = (false, None);
                    return Ok(batch);
                }
                Ok(Step::Later) => self.has_turn = false,
                Ok(Step::AtEnd) if matches!(self.source, Source::Followed(_)) => {
                    self.has_turn = false;
                }
                Ok(Step::AtEnd) if Instant::now() < deadline && !self.cancel.is_cancelled() => {}
                Ok(Step::AtEnd) => return self.late(),
                Err(error) if !self.pause(deadline).await => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn step(&mut self, limit: usize, deadline: Instant) -> Result<Step, StoreError> {
        if let Source::Followed(subscription) = &mut self.source {
            match subscription.take(limit) {
                Taken::Part(part) => return Ok(Step::Read(Batch::Events(part))),
                Taken::Reset(oldest) => return Ok(Step::Read(Batch::Reset(oldest))),
                Taken::Nothing => return Ok(Step::AtEnd),
                Taken::Missed => {
                    let start = Start::After(subscription.position.to_string());
                    self.source = Source::Stored { start, is_end: false };
                }
            }
        }
        self.read_stored(limit, deadline).await
    }

    /// Reads a page from the store. One that has come to the end follows with all others from there.
    async fn read_stored(&mut self, limit: usize, deadline: Instant) -> Result<Step, StoreError> {
        let Source::Stored { start, is_end } = &self.source else { return Ok(Step::Later) };
        let joins = *is_end && Instant::now() < deadline;
        let subscription = if joins {
            // The follower's look can take longer than this reader waits: it reads by itself then.
            let subscribe = timeout_at(deadline, self.follower.subscribe(self.types));
            match self.cancel.run_until_cancelled(subscribe).await {
                Some(Ok(subscription)) => subscription?,
                Some(Err(_late)) => None,
                None => return Ok(Step::AtEnd),
            }
        } else {
            None
        };
        let from = match start {
            Start::Oldest => ReadFrom::Oldest,
            Start::Now => ReadFrom::Now,
            Start::After(position) => ReadFrom::After(position),
        };
        let subscription = match subscription {
            Some(followed) if followed.begins(from) => {
                self.source = Source::Followed(followed);
                return Ok(Step::AtEnd);
            }
            other => other,
        };
        let page = match self.follower.store.read_events(from, PAGE.min(limit)).await? {
            EventRead::Page(page) => page,
            EventRead::Gone { oldest } => {
                let start = Start::After(oldest.clone().into());
                self.source = Source::Stored { start, is_end: false };
                return Ok(Step::Read(Batch::Reset(oldest)));
            }
        };
        self.follower.turns.charge(cost(page.events.len()));
        Ok(self.take(page, subscription, joins))
    }

    /// Takes what was read; `joins` where a subscription was wanted before.
    fn take(
        &mut self,
        mut page: EventPage,
        subscription: Option<Subscription>,
        joins: bool,
    ) -> Step {
        // What comes behind the last event that is taken here is what the subscription begins with.
        let followed = subscription.filter(|subscription| {
            let mut events = page.events.iter();
            let last = events.position(|stored| *stored.position == *subscription.position);
            if let Some(last) = last {
                page.events.truncate(last + 1);
            }
            last.is_some() || page.events.is_empty()
        });
        let is_end = page.is_end || followed.is_some();
        let goes_on_late = joins && followed.is_none();
        self.source = match followed {
            Some(subscription) => Source::Followed(subscription),
            None => Source::Stored { start: Start::After(page.next.into()), is_end: page.is_end },
        };
        page.events.retain(|stored| self.types.has(stored.event.kind));
        match page.events.is_empty() {
            false => Step::Read(Batch::Events(Arc::new(EventPart::new(page.events)))),
            true if is_end && !goes_on_late => Step::AtEnd,
            true => Step::Later,
        }
    }

    /// Waits for its turn; whether it has it.
    async fn turn(&mut self, deadline: Option<Instant>) -> bool {
        let waiting = self.waiting.get_or_insert_with(|| {
            let (waiter, waiting) = oneshot::channel();
            match &self.source {
                Source::Followed(subscription) => subscription.wait(waiter),
                Source::Stored { .. } => self.follower.turns.queue([waiter], &None),
            }
            waiting
        });
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let reached = tokio::select! {
            biased;
            reached = waiting => reached,
            () = self.cancel.cancelled() => return false,
            () = late => return false,
        };
        (self.waiting, self.has_turn) = (None, true);
        if let (Source::Followed(subscription), Ok(Some(reached))) = (&mut self.source, reached) {
            subscription.position = reached;
        }
        true
    }

    /// What a reader has that has waited for long enough.
    fn late(&mut self) -> Result<Batch, StoreError> {
        if let Source::Followed(subscription) = &mut self.source
            && !self.cancel.is_cancelled()
        {
            subscription.catch_up();
            if let Some(since) = self.follower.failing_since() {
                self.failing = Some((since, 0));
                return Err(StoreError("events cannot be read at present".to_owned()));
            }
        }
        self.failing = None;
        Ok(Batch::Events(Arc::new(EventPart::new(Vec::new()))))
    }

    /// Leaves the store alone for a while; `false` where the time is over with that.
    async fn pause(&mut self, deadline: Instant) -> bool {
        let (since, failures) = self.failing.unwrap_or((Instant::now(), 0));
        self.failing = Some((since, failures.saturating_add(1)));
        let again = Instant::now() + pause_after(failures);
        let until = tokio::time::sleep_until(again.min(deadline));
        self.cancel.run_until_cancelled(until).await.is_some() && again < deadline
    }
}
