//! The sender: takes what waits in the outbox, decides who gets what, and hands it over. Of several
//! nodes one sends at a time, for as long as it says so again.
//!
//! A mail is removed once somebody has taken it: what is between the two when the process dies is sent
//! again, under the same id.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Moment};
use tokio_util::sync::CancellationToken;
use users::{Decision, Directory, QueuedMail, UsersError};
use uuid::Uuid;

use crate::mail::{Connection, Failure, Mail, MailMetrics, Outcome};
use crate::operations::Error;
use crate::operations::throttle::Throttle;

/// How long a mail may take to be handed over, and a connection to be made.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long nobody else sends after this node has last said that it does.
const LEASE: Duration = Duration::from_secs(15);
const BETWEEN_LEASES: Duration = Duration::from_secs(5);
/// How often the outbox is looked at.
///
/// INVARIANT: no request has the sender look at once. What it does for a request depends on who has the
/// address, and would show in how long the next request takes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const BETWEEN_CLEARINGS: Duration = Duration::from_hours(1);
/// How long a mail is tried.
const TRIED_FOR: Duration = Duration::from_hours(24);
/// The pauses of one mail, the last one again and again.
const MAIL_PAUSES: [Duration; 7] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(3),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
];
/// The pauses of all of them while nobody takes any.
const SERVER_PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_mins(1),
];

/// Sends the mails of the outbox.
pub(crate) struct Sender {
    holder: Uuid,
    users: Directory,
    throttle: Throttle,
    mail: Mail,
    figures: MailMetrics,
    clock: Arc<dyn Clock>,
    /// How often in a row nobody took any mail.
    failures: usize,
    paused_until: Moment,
    cleared_at: Option<Moment>,
    /// When it last said that it sends.
    leased_at: Option<Moment>,
    /// Whether the files of the database may still have something of removed mails.
    has_leftovers: bool,
}

/// Why sending stops for now.
enum Stop {
    /// Nobody takes mails; the text says why.
    Away(String),
    /// Another node sends, or nobody knows whether one does.
    NotOurs,
    /// The outbox, or what limits it, does not answer; which is logged.
    Store,
}

impl From<UsersError> for Stop {
    fn from(error: UsersError) -> Self {
        tracing::warn!(%error, "the outbox of mails does not answer");
        Self::Store
    }
}

impl From<Error> for Stop {
    fn from(_: Error) -> Self {
        Self::Store
    }
}

impl Sender {
    pub(crate) fn new(
        holder: Uuid,
        (users, throttle): (Directory, Throttle),
        mail: Mail,
        figures: MailMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            holder,
            users,
            throttle,
            mail,
            figures,
            clock,
            failures: 0,
            paused_until: Moment::ZERO,
            cleared_at: None,
            leased_at: None,
            has_leftovers: true,
        }
    }

    /// Sends until it is stopped.
    pub(crate) async fn run(mut self, stopped: CancellationToken) {
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            }
            tokio::select! {
                () = stopped.cancelled() => return,
                () = self.look() => {}
            }
        }
    }

    /// Sends what is due, unless it was found a moment ago that nobody takes any.
    async fn look(&mut self) {
        self.clear_now_and_then().await;
        if self.clock.now() >= self.paused_until {
            match self.send_due().await {
                Ok(()) | Err(Stop::NotOurs) => {}
                Err(Stop::Away(why)) => self.pause(&why),
                Err(Stop::Store) => self.paused_until = self.clock.now() + BETWEEN_LOOKS,
            }
        }
        // Where it fails or has to wait, the next look tries again.
        if self.has_leftovers
            && let Ok(wiped) = self.users.wipe_removed_mails().await
        {
            self.has_leftovers = !wiped;
        }
        if let Ok(backlog) = self.users.mail_backlog().await {
            let waited = backlog.oldest_ms.map_or(0, |since| self.clock.unix_ms() - since);
            self.figures.queued.set(i64::try_from(backlog.count).unwrap_or(i64::MAX));
            self.figures.oldest_seconds.set(waited.max(0) / 1000);
        }
    }

    async fn clear_now_and_then(&mut self) {
        let now = self.clock.now();
        if self.cleared_at.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_CLEARINGS) {
            self.cleared_at = Some(now);
            if let Err(error) = self.users.clear_tickets().await {
                tracing::warn!(%error, "old tickets of mails stay");
            }
        }
    }

    fn pause(&mut self, why: &str) {
        let pause = SERVER_PAUSES[self.failures.min(SERVER_PAUSES.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        self.paused_until = self.clock.now() + pause;
        self.mail.set_away(true);
        self.figures.count(Outcome::Unreachable);
        let seconds = pause.as_secs();
        tracing::warn!(why, again_in_seconds = seconds, "mails cannot be sent; they wait");
    }

    fn found(&mut self) {
        if self.failures > 0 {
            tracing::info!("mails are sent again");
        }
        self.failures = 0;
        self.mail.set_away(false);
    }

    /// Sends all that is due, one after the other, over one connection while that holds.
    async fn send_due(&mut self) -> Result<(), Stop> {
        if self.users.next_mail().await?.is_none() {
            return Ok(());
        }
        let mail = self.mail.clone();
        let mut connection = None;
        let sent = loop {
            if let Err(stop) = self.lease().await {
                break Err(stop);
            }
            let Some(next) = self.users.next_mail().await? else { break Ok(()) };
            if let Err(stop) = self.deal_with(next, &mail, &mut connection).await {
                break Err(stop);
            }
        };
        if let Some(connection) = connection {
            let _too_late = tokio::time::timeout(BETWEEN_LEASES, connection.close()).await;
        }
        self.leased_at = None;
        if !matches!(sent, Err(Stop::NotOurs)) {
            self.users.release_sending(self.holder).await?;
        }
        sent
    }

    /// Says that this node sends, unless it did a moment ago.
    async fn lease(&mut self) -> Result<(), Stop> {
        let now = self.clock.now();
        if self.leased_at.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_LEASES) {
            if !self.users.lease_sending(self.holder, LEASE).await? {
                return Err(Stop::NotOurs);
            }
            self.leased_at = Some(now);
        }
        Ok(())
    }

    /// Sends one mail, or finds that there is none to send.
    async fn deal_with<'a>(
        &mut self,
        next: QueuedMail,
        mail: &'a Mail,
        connection: &mut Option<Connection<'a>>,
    ) -> Result<(), Stop> {
        let age = self.clock.unix_ms() - next.created_at_ms;
        if age > i64::try_from(TRIED_FOR.as_millis()).unwrap_or(i64::MAX) {
            tracing::warn!(mail = %next.id, kind = next.kind.name(), "a mail was tried for a day");
            return self.finish(&next, Outcome::Expired).await;
        }
        let decision = if next.kind.is_request() {
            let Some(decision) = self.users.decide_mail(&next).await? else {
                return self.finish(&next, Outcome::Dropped).await;
            };
            Some(decision)
        } else {
            None
        };
        let is_fresh = connection.is_none();
        if is_fresh {
            *connection = Some(self.connected(mail).await?);
        }
        let Some(settled) = self.settled(&next, decision).await? else {
            return self.finish(&next, Outcome::Dropped).await;
        };
        self.send(settled, is_fresh, mail, connection).await
    }

    /// The mail that a request comes to, within its limits; the mail itself where it was decided before.
    async fn settled(
        &self,
        next: &QueuedMail,
        decision: Option<Decision>,
    ) -> Result<Option<QueuedMail>, Stop> {
        let Some(decision) = decision else {
            let worth_it = self.users.prolong_ticket(next).await?;
            return Ok(worth_it.then(|| next.clone()));
        };
        if !self.throttle.admit_mail(&decision.counted_by).await? {
            return Ok(None);
        }
        Ok(self.users.settle_mail(next, &decision).await?)
    }

    async fn send<'a>(
        &mut self,
        settled: QueuedMail,
        is_fresh: bool,
        mail: &'a Mail,
        connection: &mut Option<Connection<'a>>,
    ) -> Result<(), Stop> {
        let mut tried = self.hand_over(&settled, mail, connection).await?;
        if let (Err(Failure::Unreachable(_)), false) = (&tried, is_fresh) {
            // The server may have closed between two mails.
            *connection = Some(self.connected(mail).await?);
            tried = self.hand_over(&settled, mail, connection).await?;
        }
        let (id, kind) = (settled.id, settled.kind.name());
        match tried {
            Ok(()) => {
                self.found();
                tracing::info!(mail = %id, kind, user_id = settled.user_id.map(tracing::field::display),
                    "a mail was sent");
                self.finish(&settled, Outcome::Sent).await
            }
            Err(Failure::Refused(why)) => {
                self.found();
                tracing::warn!(mail = %id, kind, why, "a mail was refused, and is not tried again");
                self.finish(&settled, Outcome::Refused).await
            }
            Err(Failure::Deferred(why)) => {
                self.found();
                tracing::info!(mail = %id, kind, why, "a mail is tried again later");
                self.figures.count(Outcome::Deferred);
                self.postpone(&settled).await
            }
            Err(Failure::Unreachable(why)) => {
                *connection = None;
                self.postpone(&settled).await?;
                Err(Stop::Away(why))
            }
        }
    }

    async fn hand_over<'a>(
        &self,
        settled: &QueuedMail,
        mail: &'a Mail,
        connection: &mut Option<Connection<'a>>,
    ) -> Result<Result<(), Failure>, Stop> {
        let Some(connection) = connection else { return Err(Stop::NotOurs) };
        let message = match mail.writer().write(settled) {
            Ok(message) => message,
            Err(failure) => return Ok(Err(failure)),
        };
        let began = self.clock.now();
        let sending = tokio::time::timeout(ATTEMPT, connection.send(&message));
        let sent = self.while_leased(sending).await?;
        self.figures.observe(self.clock.now().saturating_sub(began));
        Ok(sent.unwrap_or_else(|_| Err(no_answer())))
    }

    async fn connected<'a>(&self, mail: &'a Mail) -> Result<Connection<'a>, Stop> {
        let connecting = tokio::time::timeout(ATTEMPT, mail.transport().connect());
        let connected = self.while_leased(connecting).await?;
        let connected = connected.unwrap_or_else(|_| Err(no_answer()));
        connected.map_err(|failure| Stop::Away(failure.to_string()))
    }

    /// What `work` comes to, while nobody else sends: it is given up where that cannot be said again.
    async fn while_leased<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(BETWEEN_LEASES) => {
                    if !self.users.lease_sending(self.holder, LEASE).await? {
                        return Err(Stop::NotOurs);
                    }
                }
            }
        }
    }

    async fn postpone(&self, mail: &QueuedMail) -> Result<(), Stop> {
        let tried = usize::try_from(mail.attempts).unwrap_or(usize::MAX);
        let pause = MAIL_PAUSES[tried.min(MAIL_PAUSES.len() - 1)];
        Ok(self.users.postpone_mail(mail.id, pause).await?)
    }

    /// INVARIANT: whatever the outcome, so that what follows tells nothing of who has an account.
    async fn finish(&mut self, mail: &QueuedMail, outcome: Outcome) -> Result<(), Stop> {
        self.users.remove_mail(mail.id).await?;
        self.has_leftovers = true;
        self.figures.count(outcome);
        Ok(())
    }
}

fn no_answer() -> Failure {
    Failure::Unreachable(format!("no answer within {} s", ATTEMPT.as_secs()))
}
