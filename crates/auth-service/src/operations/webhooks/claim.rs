//! Which node posts to a URL, and how far it is: one text in the store, of which each node writes the
//! next only over the one that it knows.
//!
//! No clock is shared. A node that sees a text of another node unchanged for as long as a claim lasts
//! knows that its writer holds nothing any more; the writer counts from before it wrote.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use serde::{Deserialize, Serialize};
use session::{EventRead, ReadFrom, SessionStore, StoreError};
use uuid::Uuid;

use super::message::Skip;

/// How long a claim lasts after it was last written.
const LASTS: Duration = Duration::from_secs(10);
/// How often it is written again.
pub(super) const RENEWAL: Duration = Duration::from_secs(3);
/// How long after an event was taken that is stored, or after how many.
const SAVED_AFTER: Duration = Duration::from_millis(100);
const SAVED_AT: usize = 50;
/// How many are posted again at most where the process ends in between.
const UNSAVED: usize = 100;

/// What is stored for a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The node that posts; `None` where it has let go.
    pub(super) holder: Option<Uuid>,
    /// How often this was written, so that no text is that of an earlier moment.
    pub(super) turn: u64,
    /// When the URL was first seen. Events of before are none of its.
    pub(super) since_ms: i64,
    /// Behind the last event that was taken, or is not for this URL.
    pub(super) position: String,
    /// The id of the last event that was taken.
    pub(super) last: Option<String>,
    /// How far was looked, and how many events wait up to there.
    pub(super) looked_to: String,
    pub(super) waiting: u64,
    /// What the URL has to learn before anything else.
    pub(super) skip: Option<Skip>,
}

/// Why posting stops for now.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another node posts.
    NotOurs,
    /// The store does not answer.
    Store(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl Progress {
    /// What was stored; `None` if it is anything else: nothing of it may hold up what is posted.
    fn read(text: &str) -> Option<Self> {
        let read: Self = serde_json::from_str(text).ok()?;
        read.skip.as_ref().is_none_or(Skip::is_postable).then_some(read)
    }

    fn at(position: Box<str>, since_ms: i64) -> Self {
        Self {
            holder: None,
            turn: 0,
            since_ms,
            looked_to: position.clone().into(),
            position: position.into(),
            last: None,
            waiting: 0,
            skip: None,
        }
    }
}

/// Who wants to post to a URL.
#[derive(Clone)]
pub(super) struct Claimant {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    name: String,
    node: Uuid,
    /// The text of another node, and since when it is unchanged.
    seen: Option<(String, Moment)>,
}

impl Claimant {
    pub(super) fn new(
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        name: String,
        node: Uuid,
    ) -> Self {
        Self { store, clock, name, node, seen: None }
    }

    /// Makes a URL that is new begin here.
    pub(super) async fn begin(&self) -> Result<(), StoreError> {
        if self.store.checkpoint(&self.name).await?.is_none() {
            let position = match self.store.read_events(ReadFrom::Now, 1).await? {
                EventRead::Page(page) => page.next,
                EventRead::Gone { oldest } => oldest,
            };
            let progress = Progress::at(position, self.clock.unix_ms());
            let text = serde_json::to_string(&progress);
            let text = text.map_err(|error| StoreError(error.to_string()))?;
            // Another node may have begun as well.
            self.store.swap_checkpoint(&self.name, None, &text).await?;
        }
        Ok(())
    }

    /// Claims the URL, unless another node holds it.
    pub(super) async fn claim(&mut self) -> Result<Claim, Stop> {
        let stored = self.store.checkpoint(&self.name).await?;
        let now = self.clock.boot_time();
        let read = stored.as_deref().and_then(Progress::read);
        let holder = read.as_ref().and_then(|read| read.holder);
        let is_others = self.store.is_shared() && holder.is_some_and(|node| node != self.node);
        if is_others && !self.is_abandoned(stored.as_deref().unwrap_or_default(), now) {
            return Err(Stop::NotOurs);
        }
        self.seen = None;
        // Of a URL that is lost no position is known, which is found out when it is read from.
        let progress = read.unwrap_or_else(|| Progress::at("".into(), 0));
        let mut claim = Claim {
            by: self.clone(),
            stored,
            saved: progress.clone(),
            progress: progress.clone(),
            unsaved: None,
            saving: None,
            written_at: Moment::ZERO,
        };
        claim.write(progress).await?;
        Ok(claim)
    }

    /// Whether the text of another node is unchanged for so long that the node holds nothing by it.
    fn is_abandoned(&mut self, text: &str, now: Moment) -> bool {
        match &self.seen {
            Some((seen, since)) if seen == text => now.saturating_sub(*since) >= LASTS,
            _ => {
                self.seen = Some((text.to_owned(), now));
                false
            }
        }
    }
}

/// A URL that this node posts to.
pub(super) struct Claim {
    by: Claimant,
    /// What is stored, as far as is known.
    stored: Option<String>,
    /// How far the URL is. What was acknowledged last may not be stored yet.
    pub(super) progress: Progress,
    saved: Progress,
    unsaved: Option<Unsaved>,
    saving: Option<Saving>,
    /// By boot time: a machine that was suspended holds nothing by what it wrote before.
    written_at: Moment,
}

/// Progress that is known to this process alone.
struct Unsaved {
    events: usize,
    since: Moment,
}

/// A write that is under way, or that may have happened.
struct Saving {
    next: Progress,
    text: String,
    events: usize,
    began: Moment,
    swap: Option<Swap>,
}

type Swap = Pin<Box<dyn Future<Output = Result<bool, StoreError>> + Send>>;

impl Claim {
    /// Writes how far the URL is, and that this node holds it.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, the write is still known of, and gone on with by the next one.
    pub(super) async fn write(&mut self, progress: Progress) -> Result<(), Stop> {
        self.progress = progress;
        self.finish().await?;
        self.begin()?;
        self.finish().await
    }

    /// Takes down that an event is done with. It is stored [soon](Self::save).
    pub(super) fn acknowledge(&mut self, progress: Progress) {
        self.progress = progress;
        let since = self.by.clock.boot_time();
        self.unsaved.get_or_insert(Unsaved { events: 0, since }).events += 1;
    }

    /// Stores what is done with, as soon as that is due, for as long as it is polled.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub(super) async fn save(&mut self) -> Stop {
        loop {
            if let Err(stop) = self.finish().await {
                return stop;
            }
            let Some(unsaved) = &self.unsaved else { return std::future::pending().await };
            let age = self.by.clock.boot_time().saturating_sub(unsaved.since);
            if unsaved.events < SAVED_AT && age < SAVED_AFTER {
                tokio::time::sleep(SAVED_AFTER.saturating_sub(age)).await;
            } else if let Err(stop) = self.begin() {
                return stop;
            }
        }
    }

    /// Waits until no more is unsaved than may come again after a crash, with one more.
    pub(super) async fn make_room(&mut self) -> Result<(), Stop> {
        while self.unsaved_events() >= UNSAVED {
            self.finish().await?;
            if self.unsaved.is_some() {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn unsaved_events(&self) -> usize {
        let saving = self.saving.as_ref().map_or(0, |saving| saving.events);
        saving + self.unsaved.as_ref().map_or(0, |unsaved| unsaved.events)
    }

    fn begin(&mut self) -> Result<(), Stop> {
        let turn = self.progress.turn.wrapping_add(1);
        self.begin_as(Some(self.by.node), turn)
    }

    fn begin_as(&mut self, holder: Option<Uuid>, turn: u64) -> Result<(), Stop> {
        (self.progress.holder, self.progress.turn) = (holder, turn);
        let next = self.progress.clone();
        let events = self.unsaved.take().map_or(0, |unsaved| unsaved.events);
        let (text, began) = (serde_json::to_string(&next)?, self.by.clock.boot_time());
        self.saving = Some(Saving { next, text, events, began, swap: None });
        Ok(())
    }

    /// Finishes the write that is under way. One of which nobody knows whether it happened is made
    /// again.
    async fn finish(&mut self) -> Result<(), Stop> {
        let Some(saving) = &mut self.saving else { return Ok(()) };
        let Claimant { store, name, .. } = &self.by;
        let swap = saving.swap.get_or_insert_with(|| {
            let (store, name) = (Arc::clone(store), name.clone());
            let (before, text) = (self.stored.clone(), saving.text.clone());
            Box::pin(async move { store.swap_checkpoint(&name, before.as_deref(), &text).await })
        });
        let swapped = swap.as_mut().await;
        saving.swap = None;
        let is_ours = swapped? || store.checkpoint(name).await?.as_ref() == Some(&saving.text);
        if !is_ours {
            return Err(Stop::NotOurs);
        }
        if let Some(Saving { text, began, next, .. }) = self.saving.take() {
            (self.stored, self.written_at, self.saved) = (Some(text), began, next);
        }
        Ok(())
    }

    /// Writes what has changed, and where nodes share the store that this one holds the URL, unless it
    /// did a moment ago.
    pub(super) async fn renew(&mut self, progress: Progress) -> Result<(), Stop> {
        let age = self.age();
        let is_due = age >= RENEWAL && (self.by.store.is_shared() || progress != self.saved);
        if is_due { self.write(progress).await } else { Ok(()) }
    }

    /// Whether no other node can hold the URL.
    pub(super) fn holds(&self) -> bool {
        !self.by.store.is_shared() || self.age() < LASTS
    }

    fn age(&self) -> Duration {
        self.by.clock.boot_time().saturating_sub(self.written_at)
    }

    /// Stores what is done with, and has others post at once.
    pub(super) async fn release(mut self) {
        let released = async {
            self.finish().await?;
            self.begin_as(None, self.progress.turn.wrapping_add(1))?;
            self.finish().await
        };
        if let Err(error) = released.await {
            tracing::debug!(?error, "a webhook was not released; another node takes it over later");
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn SessionStore> {
        &self.by.store
    }
}
