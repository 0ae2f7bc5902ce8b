//! What is counted about webhooks, for each URL by its number in the setting.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use server_runtime::Metrics;

const SECONDS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByUrl {
    url: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    url: u64,
    result: &'static str,
}

/// The figures of all URLs.
#[derive(Clone)]
pub(crate) struct WebhookMetrics {
    posts: Family<ByResult, Counter>,
    skipped: Family<ByUrl, Counter>,
    waiting: Family<ByUrl, Gauge>,
    behind_seconds: Family<ByUrl, Gauge>,
    seconds: Histogram,
}

/// Those of one URL.
#[derive(Clone)]
pub(crate) struct Figures {
    /// Posts that were taken.
    pub(crate) sent: Counter,
    /// Tries that failed.
    pub(crate) failed: Counter,
    /// Events that are not posted any more.
    pub(crate) skipped: Counter,
    waiting: Gauge,
    behind_seconds: Gauge,
    seconds: Histogram,
}

impl WebhookMetrics {
    /// The figures, registered in `metrics`.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self {
            posts: Family::default(),
            skipped: Family::default(),
            waiting: Family::default(),
            behind_seconds: Family::default(),
            seconds: Histogram::new(SECONDS),
        };
        metrics.register(|registry| {
            let help = "Posts of events to a URL, by what became of them";
            registry.register("auth_webhook_posts", help, this.posts.clone());
            let help =
                "Events that a URL will never get: dropped before they were posted, or too old";
            registry.register("auth_webhook_skipped", help, this.skipped.clone());
            let help = "Events that wait to be posted to a URL, on the node that posts";
            registry.register("auth_webhook_waiting", help, this.waiting.clone());
            let help = "Age of the oldest event that waits to be posted to a URL";
            registry.register("auth_webhook_behind_seconds", help, this.behind_seconds.clone());
            let help = "Time of one post";
            registry.register("auth_webhook_post_duration_seconds", help, this.seconds.clone());
        });
        this
    }

    /// The figures of the URL of this number, from 1.
    pub(crate) fn of(&self, url: u64) -> Figures {
        let result = |result| self.posts.get_or_create_owned(&ByResult { url, result });
        Figures {
            sent: result("sent"),
            failed: result("failed"),
            skipped: self.skipped.get_or_create_owned(&ByUrl { url }),
            waiting: self.waiting.get_or_create_owned(&ByUrl { url }),
            behind_seconds: self.behind_seconds.get_or_create_owned(&ByUrl { url }),
            seconds: self.seconds.clone(),
        }
    }
}

impl Figures {
    /// Sets how many events wait, and how old the oldest of them is.
    pub(crate) fn set_waiting(&self, count: u64, oldest: Duration) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.behind_seconds.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    /// Counts how long a post took.
    pub(crate) fn observe(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }
}
