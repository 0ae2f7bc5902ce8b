//! The events that wait for a URL: the next ones in memory, the others counted.
//!
//! They are counted so that it is known how many were meant for the URL where the store drops them.

use std::collections::VecDeque;
use std::sync::Arc;

use session::{EventPage, EventRead, ReadFrom, SessionStore, StoredEvent, event_number};

use super::claim::{Claim, Progress, Stop};
use super::message::id_of;
use crate::config::WebhookTypes;

/// How many events are read at a time.
const PAGE: usize = 256;
/// How many pages a look ahead reads, so that a post is not held up by it.
const PAGES_AHEAD: usize = 32;
/// How much the date of an event may be off from that of the node that first saw the URL.
const DATES_DIFFER_MS: i64 = 60_000;

/// What waits for a URL.
pub(super) struct Backlog {
    types: WebhookTypes,
    /// The next events that are wanted, all that there are up to `ready_to`.
    ready: VecDeque<Arc<StoredEvent>>,
    ready_to: String,
    /// How many more there are up to `looked_to`.
    beyond: u64,
    looked_to: String,
}

impl Backlog {
    /// What waits behind this progress, none of it read yet.
    pub(super) fn of(progress: &Progress, types: WebhookTypes) -> Self {
        Self {
            types,
            ready: VecDeque::new(),
            ready_to: progress.position.clone(),
            beyond: progress.waiting,
            looked_to: progress.looked_to.clone(),
        }
    }

    /// The next event.
    pub(super) fn first(&self) -> Option<&Arc<StoredEvent>> {
        self.ready.front()
    }

    /// Is done with the next event.
    pub(super) fn pop(&mut self) -> Option<Arc<StoredEvent>> {
        self.ready.pop_front()
    }

    /// How many events wait, as far as was looked.
    pub(super) fn waiting(&self) -> u64 {
        self.beyond.saturating_add(self.ready.len() as u64)
    }

    /// The progress when everything before the next event is done with, up to this position.
    pub(super) fn progress(&self, before: &Progress, done_to: &str) -> Progress {
        let position = if self.ready.is_empty() { &self.ready_to } else { done_to };
        Progress {
            position: position.to_owned(),
            looked_to: self.looked_to.clone(),
            waiting: self.waiting(),
            ..before.clone()
        }
    }

    /// Reads on until there is a next event, or no more. The oldest position that is still stored,
    /// where what comes next is not.
    pub(super) async fn fill(&mut self, claim: &mut Claim) -> Result<Option<String>, Stop> {
        while self.ready.is_empty() {
            claim.renew(claim.progress.clone()).await?;
            match read(claim.store(), &self.ready_to).await? {
                Ok(page) => {
                    let is_end = page.events.is_empty();
                    self.take(page);
                    if is_end {
                        break;
                    }
                }
                Err(oldest) => return Ok(Some(oldest)),
            }
        }
        Ok(None)
    }

    /// Looks for what came meanwhile, so that it is counted before it can be dropped.
    pub(super) async fn look_ahead(&mut self, store: &Arc<dyn SessionStore>) -> Result<(), Stop> {
        for _ in 0..PAGES_AHEAD {
            let page = match read(store, &self.looked_to).await? {
                Ok(page) => page,
                Err(oldest) => {
                    self.miss(oldest);
                    return Ok(());
                }
            };
            if page.events.is_empty() {
                return Ok(());
            }
            if self.has_looked_at_all() && self.ready.len() < PAGE {
                self.take(page);
            } else {
                let wanted = page.events.iter().filter(|stored| self.is_wanted(stored)).count();
                self.beyond = self.beyond.saturating_add(wanted as u64);
                self.looked_to = page.next.into();
            }
        }
        Ok(())
    }

    /// Counts what was dropped before it was looked at as if all of it was wanted.
    fn miss(&mut self, oldest: String) {
        if let Some((looked, oldest_number)) = same_history(&self.looked_to, &oldest)
            && looked < oldest_number
        {
            self.beyond = self.beyond.saturating_add(oldest_number - looked);
            self.looked_to = oldest;
        }
    }

    /// Goes on behind this position, the oldest that is still stored. How many events that were
    /// meant for the URL are skipped by that; `None` where nobody can know.
    pub(super) async fn skip_to(
        &mut self,
        mut oldest: String,
        claim: &mut Claim,
    ) -> Result<Option<u64>, Stop> {
        loop {
            let Some((from, to)) = same_history(&self.ready_to, &oldest) else {
                let position = self.resumed(oldest, claim).await?;
                (self.ready_to, self.looked_to, self.beyond) = (position.clone(), position, 0);
                return Ok(None);
            };
            let looked = event_number(&self.looked_to).map_or(from, |(_, number)| number.max(from));
            match self.count(&oldest, looked, claim).await? {
                Ok(stored) => {
                    // Of what was not looked at, nothing is known but how many there were.
                    let skipped = self
                        .beyond
                        .saturating_sub(stored)
                        .saturating_add(to.saturating_sub(looked));
                    if to >= looked {
                        self.looked_to.clone_from(&oldest);
                    }
                    (self.ready_to, self.beyond) = (oldest, stored);
                    return Ok(Some(skipped));
                }
                Err(later) => oldest = later,
            }
        }
    }

    /// How many events that are wanted are stored behind a position, up to this number.
    async fn count(
        &self,
        from: &str,
        up_to: u64,
        claim: &mut Claim,
    ) -> Result<Result<u64, String>, Stop> {
        let (mut position, mut count) = (from.to_owned(), 0);
        loop {
            claim.renew(claim.progress.clone()).await?;
            let page = match read(claim.store(), &position).await? {
                Ok(page) => page,
                Err(oldest) => return Ok(Err(oldest)),
            };
            let events = page.events.iter().filter(|stored| number(stored) <= up_to);
            count += events.filter(|stored| self.is_wanted(stored)).count() as u64;
            if page.events.last().is_none_or(|last| number(last) >= up_to) {
                return Ok(Ok(count));
            }
            position = page.next.into();
        }
    }

    /// In a history that goes by another name: behind the last event that was taken, if that is
    /// there, else behind what is older than the URL, and else at the oldest.
    async fn resumed(&self, oldest: String, claim: &mut Claim) -> Result<String, Stop> {
        let since_ms = claim.progress.since_ms.saturating_sub(DATES_DIFFER_MS);
        let (mut position, mut before) = (oldest.clone(), oldest);
        loop {
            claim.renew(claim.progress.clone()).await?;
            let Ok(page) = read(claim.store(), &position).await? else { return Ok(before) };
            for stored in &page.events {
                match &claim.progress.last {
                    Some(last) if *last == id_of(stored) => return Ok((*stored.position).into()),
                    Some(_) => {}
                    None if stored.event.at_ms >= since_ms => return Ok(before),
                    None => before = (*stored.position).into(),
                }
            }
            if page.events.is_empty() {
                return Ok(before);
            }
            position = page.next.into();
        }
    }

    /// Takes what comes next.
    fn take(&mut self, page: EventPage) {
        let counted = same_history(&self.looked_to, &page.next).map(|(looked, _)| looked);
        for stored in page.events {
            if self.is_wanted(&stored) {
                if counted.is_some_and(|looked| number(&stored) <= looked) {
                    self.beyond = self.beyond.saturating_sub(1);
                }
                self.ready.push_back(stored);
            }
        }
        self.ready_to = page.next.into();
        if self.has_looked_at_all() {
            self.beyond = 0;
            self.looked_to.clone_from(&self.ready_to);
        }
    }

    /// Whether nothing lies between what is ready and how far was looked.
    fn has_looked_at_all(&self) -> bool {
        same_history(&self.looked_to, &self.ready_to).is_none_or(|(looked, ready)| looked <= ready)
    }

    fn is_wanted(&self, stored: &StoredEvent) -> bool {
        self.types.has(stored.event.kind, stored.event.cause)
    }
}

fn number(stored: &StoredEvent) -> u64 {
    event_number(&stored.position).map_or(0, |(_, number)| number)
}

/// The numbers of two positions of one history; `None` in a cluster, whose positions have several.
fn same_history(one: &str, other: &str) -> Option<(u64, u64)> {
    let ((one_history, one), (other_history, other)) = (event_number(one)?, event_number(other)?);
    (one_history == other_history).then_some((one, other))
}

/// A page, or the oldest position that is stored where the next event is not.
async fn read(
    store: &Arc<dyn SessionStore>,
    after: &str,
) -> Result<Result<EventPage, String>, Stop> {
    Ok(match store.read_events(ReadFrom::After(after), PAGE).await? {
        EventRead::Page(page) => Ok(page),
        EventRead::Gone { oldest } => Err(oldest.into()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::{Clock, ManualClock};
    use session::{Event, EventKind, EventRetention, MemoryStore, SeenAt};
    use uuid::Uuid;

    use super::super::claim::Claimant;
    use super::*;

    const LIMIT: usize = 100;

    struct Fixture {
        store: Arc<dyn SessionStore>,
        claim: Claim,
        backlog: Backlog,
    }

    impl Fixture {
        async fn new() -> Self {
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
            let retention = EventRetention { keep: Duration::from_hours(1), limit: LIMIT };
            let store: Arc<dyn SessionStore> =
                Arc::new(MemoryStore::retaining(Arc::clone(&clock), retention));
            let mut claimant =
                Claimant::new(Arc::clone(&store), clock, "one".to_owned(), Uuid::nil());
            claimant.begin().await.unwrap();
            let claim = claimant.claim().await.unwrap();
            let types = WebhookTypes::read("user.created").unwrap();
            let backlog = Backlog::of(&claim.progress, types);
            Self { store, claim, backlog }
        }

        /// So many events, every other one of which is wanted.
        async fn happen(&self, count: usize) {
            for number in 0..count {
                let kinds = [EventKind::UserCreated, EventKind::UserDeleted];
                let kind = kinds[number % 2];
                let event = Event::of_user(kind, None, None, None, SeenAt::default());
                self.store.append_event(event).await.unwrap();
            }
        }

        /// Takes all that there is; how many were skipped, and how many came.
        async fn drain(&mut self) -> (u64, u64) {
            let (mut skipped, mut came) = (0, 0);
            loop {
                if let Some(oldest) = self.backlog.fill(&mut self.claim).await.unwrap() {
                    let skip = self.backlog.skip_to(oldest, &mut self.claim).await.unwrap();
                    skipped += skip.unwrap();
                } else if self.backlog.pop().is_some() {
                    came += 1;
                } else {
                    return (skipped, came);
                }
            }
        }
    }

    #[tokio::test]
    async fn of_what_was_looked_at_what_is_dropped_is_counted_by_what_was_wanted() {
        let mut fixture = Fixture::new().await;
        for _ in 0..30 {
            fixture.happen(60).await;
            fixture.backlog.look_ahead(&fixture.store).await.unwrap();
        }
        assert_eq!(fixture.backlog.waiting(), 900);
        let (skipped, came) = fixture.drain().await;
        assert_eq!(skipped + came, 900);
        assert!(came >= LIMIT as u64 / 2 && skipped > 0, "{skipped} {came}");
        assert_eq!(fixture.backlog.waiting(), 0);
        fixture.happen(4).await;
        assert_eq!(fixture.drain().await, (0, 2));
    }

    #[tokio::test]
    async fn what_waits_is_known_again_from_what_was_stored() {
        let mut fixture = Fixture::new().await;
        fixture.happen(80).await;
        fixture.backlog.look_ahead(&fixture.store).await.unwrap();
        let progress =
            fixture.backlog.progress(&fixture.claim.progress, &fixture.claim.progress.position);
        assert_eq!(progress.waiting, 40);
        // What happens until then, and is dropped unseen, is counted whatever it is.
        fixture.happen(LIMIT + 6).await;
        fixture.backlog = Backlog::of(&progress, WebhookTypes::read("user.created").unwrap());
        assert_eq!(fixture.drain().await, (40 + 6, LIMIT as u64 / 2));
    }

    #[tokio::test]
    async fn in_another_history_it_goes_on_behind_the_last_event_that_was_taken() {
        let mut fixture = Fixture::new().await;
        fixture.happen(20).await;
        fixture.backlog.fill(&mut fixture.claim).await.unwrap();
        let taken = fixture.backlog.pop().unwrap();
        fixture.claim.progress.last = Some(id_of(&taken));
        fixture.backlog =
            Backlog::of(&fixture.claim.progress, WebhookTypes::read("user.*").unwrap());
        fixture.backlog.ready_to = "another.7.".to_owned();
        let oldest = fixture.backlog.fill(&mut fixture.claim).await.unwrap().unwrap();
        let skip = fixture.backlog.skip_to(oldest, &mut fixture.claim).await.unwrap();
        assert_eq!(skip, None, "nobody knows how many");
        assert_eq!(fixture.drain().await, (0, 19));
    }

    #[tokio::test]
    async fn nonsense_in_what_is_stored_holds_up_nothing() {
        let good = Fixture::new().await.claim.progress;
        let text = serde_json::to_string(&good).unwrap();
        let with = |from: &str, to: &str| {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            changed
        };
        let skip = |id: &str| {
            let skip = format!(r#"{{"id":"{id}","cause":"dropped","count":3,"at_ms":0}}"#);
            with("\"skip\":null", &format!("\"skip\":{skip}"))
        };
        let (most, least) = (u64::MAX.to_string(), i64::MIN.to_string());
        for text in [
            String::new(),
            "null".to_owned(),
            "[".repeat(1_000),
            with("\"turn\":1", &format!("\"turn\":{most}")),
            with("\"waiting\":0", &format!("\"waiting\":{most}")),
            with("\"since_ms\":", &format!("\"since_ms\":{least},\"before\":")),
            skip(r"a\r\nb"),
            skip("a.b"),
            skip(&"a".repeat(500)),
        ] {
            let mut fixture = Fixture::new().await;
            let stored = fixture.store.checkpoint("one").await.unwrap();
            fixture.store.swap_checkpoint("one", stored.as_deref(), &text).await.unwrap();
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
            let store = Arc::clone(&fixture.store);
            let mut claimant = Claimant::new(store, clock, "one".to_owned(), Uuid::nil());
            fixture.claim = claimant.claim().await.unwrap();
            assert_eq!(fixture.claim.progress.skip, None, "{text}");
            let types = WebhookTypes::read("user.created").unwrap();
            fixture.backlog = Backlog::of(&fixture.claim.progress, types);
            fixture.backlog.ready_to = "another.7.".to_owned();
            fixture.happen(4).await;
            fixture.backlog.look_ahead(&fixture.store).await.unwrap();
            let oldest = fixture.backlog.fill(&mut fixture.claim).await.unwrap().unwrap();
            fixture.backlog.skip_to(oldest, &mut fixture.claim).await.unwrap();
            assert_eq!(fixture.drain().await, (0, 2), "{text}");
        }
    }
}
