//! The sender: posts to one URL what waits for it, one event after the other.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use session::StoredEvent;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::WebhookStatus;
use super::backlog::Backlog;
use super::claim::{Claim, Claimant, Progress, RENEWAL, Stop};
use super::message::{Message, Skip, SkipCause, id_of};
use crate::config::{WebhookSecrets, WebhookTypes};
use crate::webhooks::{Failure, Figures, Receiver};

/// How often is looked whether this node may post.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How often is looked for what comes while an event is posted, or waits to be.
const BETWEEN_LOOKS_AHEAD: Duration = Duration::from_millis(200);
/// How long an event is tried.
const TRIED_FOR_MS: i64 = 3 * 24 * 60 * 60 * 1000;
/// The pauses between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// How long the last words to the store may take.
const RELEASE: Duration = Duration::from_secs(1);

/// What is posted where.
pub(super) struct Job {
    /// That of the URL, from 1.
    pub(super) number: u64,
    pub(super) receiver: Receiver,
    pub(super) secrets: WebhookSecrets,
    pub(super) figures: Figures,
    pub(super) status: WebhookStatus,
    pub(super) clock: Arc<dyn Clock>,
}

/// Posts to one URL.
pub(crate) struct Sender {
    job: Arc<Job>,
    types: WebhookTypes,
    claimant: Claimant,
    round: Option<Round>,
    /// Whether it was logged that the store does not answer.
    is_store_away: bool,
}

/// What this node knows while it holds the URL.
struct Round {
    job: Arc<Job>,
    claim: Claim,
    backlog: Backlog,
    signal: watch::Receiver<u64>,
    /// How often in a row nothing was taken.
    failures: u32,
}

impl Sender {
    pub(super) fn new(job: Job, types: WebhookTypes, claimant: Claimant) -> Self {
        Self { job: Arc::new(job), types, claimant, round: None, is_store_away: false }
    }

    /// Posts until it is stopped; what is under way then is posted again by whoever goes on.
    pub(crate) async fn run(mut self, stopped: CancellationToken) {
        while let Some(stop) = stopped.run_until_cancelled(self.post_on()).await {
            self.log(&stop);
            if !self.round.as_ref().is_some_and(|round| round.outlasts(&stop)) {
                self.round = None;
                self.job.figures.set_waiting(0, Duration::ZERO);
            }
            if stopped.run_until_cancelled(tokio::time::sleep(BETWEEN_LOOKS)).await.is_none() {
                return;
            }
        }
        if let Some(round) = self.round.take() {
            let _too_late = tokio::time::timeout(RELEASE, round.claim.release()).await;
        }
    }

    /// Posts for as long as this node holds the URL.
    async fn post_on(&mut self) -> Stop {
        match self.resumed().await {
            Err(stop) => stop,
            Ok(round) => loop {
                if let Err(stop) = round.step().await {
                    return stop;
                }
            },
        }
    }

    /// The round that this node is in still, or one that begins.
    async fn resumed(&mut self) -> Result<&mut Round, Stop> {
        let round = if let Some(mut round) = self.round.take() {
            let stored = round.claim.write(round.claim.progress.clone()).await;
            let round = self.round.insert(round);
            stored?;
            round
        } else {
            let claim = self.claimant.claim().await?;
            self.round.insert(Round {
                job: Arc::clone(&self.job),
                signal: claim.store().event_signal(),
                backlog: Backlog::of(&claim.progress, self.types.clone()),
                claim,
                failures: 0,
            })
        };
        if std::mem::take(&mut self.is_store_away) {
            tracing::info!(url = self.job.number, "how far a webhook is can be stored again");
        }
        Ok(round)
    }

    fn log(&mut self, stop: &Stop) {
        if let Stop::Store(why) = stop
            && !std::mem::replace(&mut self.is_store_away, true)
        {
            let url = self.job.number;
            tracing::warn!(
                url,
                why,
                "no events are posted while the session store does not answer"
            );
        }
    }
}

impl Round {
    /// Posts what is next, or waits until there is something.
    async fn step(&mut self) -> Result<(), Stop> {
        self.signal.borrow_and_update();
        if let Some(skip) = self.claim.progress.skip.clone() {
            return self.post_skip(&skip).await;
        }
        if let Some(oldest) = self.backlog.fill(&mut self.claim).await? {
            let count = self.backlog.skip_to(oldest, &mut self.claim).await?;
            let cause = if count.is_some() { SkipCause::Dropped } else { SkipCause::History };
            let position = self.claim.progress.position.clone();
            return self.skip(cause, count, &position).await;
        }
        if let Some((count, done_to)) = self.drop_old().await? {
            return self.skip(SkipCause::TooOld, Some(count), &done_to).await;
        }
        self.show();
        match self.backlog.first().map(Arc::clone) {
            Some(stored) => self.post_event(&stored).await,
            None => self.idle().await,
        }
    }

    async fn post_event(&mut self, stored: &StoredEvent) -> Result<(), Stop> {
        self.claim.make_room().await?;
        if self.post(Message::of(stored)?).await? {
            self.backlog.pop();
            let progress = self.backlog.progress(&self.claim.progress, &stored.position);
            let last = Some(id_of(stored));
            self.claim.acknowledge(Progress { last, ..progress });
        }
        Ok(())
    }

    async fn post_skip(&mut self, skip: &Skip) -> Result<(), Stop> {
        if self.post(Message::of_skip(skip)?).await? {
            let progress = Progress { skip: None, ..self.claim.progress.clone() };
            self.claim.write(progress).await?;
        }
        Ok(())
    }

    /// Counts, logs and writes down that events are skipped, of which the URL learns next.
    async fn skip(
        &mut self,
        cause: SkipCause,
        count: Option<u64>,
        done_to: &str,
    ) -> Result<(), Stop> {
        let now_ms = self.job.clock.unix_ms();
        let progress = self.backlog.progress(&self.claim.progress, done_to);
        // Where none of what is missing was for this URL, there is nothing to learn.
        let is_worth_it = count != Some(0);
        let skip = is_worth_it.then(|| Skip::new(cause, count, now_ms, &progress.position));
        self.claim.write(Progress { skip, ..progress }).await?;
        if is_worth_it {
            self.job.figures.skipped.inc_by(count.unwrap_or(1));
            let (url, receiver) = (self.job.number, self.job.receiver.name());
            tracing::warn!(
                url,
                receiver,
                ?cause,
                count,
                "events are skipped: they are not posted to this URL"
            );
        }
        Ok(())
    }

    /// Is done with events that were tried for too long; how many, and where the last of them was.
    async fn drop_old(&mut self) -> Result<Option<(u64, String)>, Stop> {
        let oldest_ms = self.job.clock.unix_ms() - TRIED_FOR_MS;
        let mut dropped = None;
        while let Some(stored) = self.backlog.first()
            && stored.event.at_ms < oldest_ms
        {
            let count = dropped.map_or(0, |(count, _)| count) + 1;
            dropped = Some((count, stored.position.to_string()));
            self.backlog.pop();
            // What is found out here is found out again, and what was dropped is reported first.
            if !matches!(self.backlog.fill(&mut self.claim).await, Ok(None)) {
                break;
            }
        }
        Ok(dropped)
    }

    /// Waits until there is more.
    async fn idle(&mut self) -> Result<(), Stop> {
        let progress = self.backlog.progress(&self.claim.progress, &self.claim.progress.position);
        self.claim.renew(progress).await?;
        tokio::select! {
            stop = self.claim.save() => Err(stop),
            // A signal that is closed is that of a store that is gone with the process.
            _timeout = tokio::time::timeout(RENEWAL, self.signal.changed()) => Ok(()),
        }
    }

    /// Posts once; whether it was taken. Where it was not, the pause before the next try is over.
    async fn post(&mut self, message: Message) -> Result<bool, Stop> {
        let (job, keys) = (Arc::clone(&self.job), self.job.secrets.keys());
        let sent_at = job.clock.unix_ms().div_euclid(1000);
        let began = job.clock.now();
        let post = async { job.receiver.post(&keys, &message.id, sent_at, message.body).await };
        let posted = self.while_held(post).await?;
        job.figures.observe(job.clock.now().saturating_sub(began));
        match posted {
            Ok(status) => {
                self.found(status, &message.id);
                Ok(true)
            }
            Err(failure) => {
                let pause = self.failed(&failure, &message.id);
                self.while_held(tokio::time::sleep(pause)).await?;
                Ok(false)
            }
        }
    }

    fn found(&mut self, status: u16, id: &str) {
        let job = &self.job;
        job.figures.sent.inc();
        job.status.set(job.index(), false);
        let (url, receiver) = (job.number, job.receiver.name());
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(url, receiver, "events are posted again");
        }
        tracing::debug!(url, receiver, status, id, "an event was posted");
    }

    fn failed(&mut self, failure: &Failure, id: &str) -> Duration {
        let job = &self.job;
        job.figures.failed.inc();
        job.status.set(job.index(), true);
        let pause = pause_after(self.failures);
        self.failures = self.failures.saturating_add(1);
        let (url, receiver, again_in_seconds) = (job.number, job.receiver.name(), pause.as_secs());
        tracing::warn!(url, receiver, why = %failure, id, again_in_seconds, "an event was not taken; it waits");
        pause
    }

    /// What `work` comes to, while no other node posts: it is given up where that is not certain. What
    /// was taken before is stored meanwhile. A store that does not answer is left alone for a moment.
    async fn while_held<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        let mut looks = interval_at(Instant::now() + BETWEEN_LOOKS_AHEAD, BETWEEN_LOOKS_AHEAD);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_store_away = false;
        while self.claim.holds() {
            let stop = tokio::select! {
                done = &mut work => return Ok(done),
                stop = self.claim.save(), if !is_store_away => Some(stop),
                _ = looks.tick() => self.look_ahead().await.err(),
            };
            if matches!(stop, Some(Stop::NotOurs)) {
                return Err(Stop::NotOurs);
            }
            is_store_away = stop.is_some();
        }
        Err(Stop::NotOurs)
    }

    /// Looks for what came meanwhile, and says again that this node holds the URL.
    async fn look_ahead(&mut self) -> Result<(), Stop> {
        if self.signal.has_changed().unwrap_or_default() {
            self.backlog.look_ahead(self.claim.store()).await?;
            self.signal.borrow_and_update();
        }
        let done_to = &self.claim.progress.position;
        let progress = self.backlog.progress(&self.claim.progress, done_to);
        self.claim.renew(progress).await?;
        self.show();
        Ok(())
    }

    /// Whether it goes on where this stopped it: nothing that it knows is lost then. That events are
    /// skipped is stored before it is posted.
    fn outlasts(&self, stop: &Stop) -> bool {
        matches!(stop, Stop::Store(_)) && self.claim.holds() && self.claim.progress.skip.is_none()
    }

    /// Shows how much waits, and for how long.
    fn show(&self) {
        let now_ms = self.job.clock.unix_ms();
        let age_ms =
            self.backlog.first().map_or(0, |stored| now_ms.saturating_sub(stored.event.at_ms));
        let oldest = Duration::from_millis(u64::try_from(age_ms).unwrap_or_default());
        self.job.figures.set_waiting(self.backlog.waiting(), oldest);
    }
}

impl Job {
    fn index(&self) -> usize {
        usize::try_from(self.number - 1).unwrap_or(usize::MAX)
    }
}

/// How long is waited after so many failures before this one.
fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes() {
        let seconds: Vec<u64> = (0..11).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
