//! What is counted about mails.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use server_runtime::Metrics;

const SECONDS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

/// What became of a mail, or of a try to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody took it.
    Sent,
    /// It is tried again.
    Deferred,
    /// Nobody was there to take it; it is tried again.
    Unreachable,
    /// It was refused for good.
    Refused,
    /// It was tried for a day.
    Expired,
    /// There was nothing to send: no such account, past the limit, or out of date.
    Dropped,
}

const OUTCOMES: [(Outcome, &str); 6] = [
    (Outcome::Sent, "sent"),
    (Outcome::Deferred, "deferred"),
    (Outcome::Unreachable, "unreachable"),
    (Outcome::Refused, "refused"),
    (Outcome::Expired, "expired"),
    (Outcome::Dropped, "dropped"),
];

/// The figures of mail.
#[derive(Clone)]
pub(crate) struct MailMetrics {
    /// What waits in the outbox, requests included.
    pub(crate) queued: Gauge,
    /// How long the oldest of it has waited.
    pub(crate) oldest_seconds: Gauge,
    outcomes: [Counter; OUTCOMES.len()],
    seconds: Histogram,
}

impl MailMetrics {
    /// The figures, registered in `metrics`.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let family = Family::<ByResult, Counter>::default();
        let this = Self {
            queued: Gauge::default(),
            oldest_seconds: Gauge::default(),
            outcomes: OUTCOMES.map(|(_, result)| family.get_or_create_owned(&ByResult { result })),
            seconds: Histogram::new(SECONDS),
        };
        metrics.register(|registry| {
            let help = "Mails that wait to be sent, on all nodes";
            registry.register("auth_mail_queued", help, this.queued.clone());
            let help = "How long the oldest mail has waited";
            registry.register("auth_mail_oldest_seconds", help, this.oldest_seconds.clone());
            let help = "Mails, and tries to send them, by what became of them";
            registry.register("auth_mail_attempts", help, family);
            let help = "Time to hand one mail over";
            registry.register("auth_mail_send_duration_seconds", help, this.seconds.clone());
        });
        this
    }

    /// Counts what became of a mail.
    pub(crate) fn count(&self, outcome: Outcome) {
        let index = OUTCOMES.iter().position(|(other, _)| *other == outcome);
        if let Some(counter) = index.and_then(|index| self.outcomes.get(index)) {
            counter.inc();
        }
    }

    /// Counts how long handing one over took.
    pub(crate) fn observe(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }
}
