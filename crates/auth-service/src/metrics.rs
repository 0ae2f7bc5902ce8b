//! The service's own figures. Label sets are resolved once, here; counting is one atomic add.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use server_runtime::Metrics;
use session::{Commit, Dead, Outcome, Verdict};

const HASH_SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const STORE_SECONDS: [f64; 10] =
    [0.000_001, 0.000_005, 0.000_025, 0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5];
const COMMIT_SECONDS: [f64; 9] = [0.000_25, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
const SWEEP_SECONDS: [f64; 8] = [0.000_1, 0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOperation {
    op: &'static str,
    backend: &'static str,
}

/// The figures of the auth service.
#[derive(Clone)]
pub(crate) struct AuthMetrics {
    /// Sessions in the store; set when somebody asks.
    pub(crate) sessions_active: Gauge,
    /// Expired sessions whose memory was given back.
    pub(crate) swept: Counter,
    /// Logins that opened a session.
    pub(crate) login_success: Counter,
    /// Logins with wrong credentials.
    pub(crate) login_failure: Counter,
    /// Logins that were not looked at, because there had been too many.
    pub(crate) login_throttled: Counter,
    /// How long the sweeps took.
    pub(crate) sweep_seconds: Histogram,
    /// How long the password hashes took.
    pub(crate) hash_seconds: Histogram,
    commits: Commits,
    validations: Validations,
    store_seconds: Family<ByOperation, Histogram, fn() -> Histogram>,
}

/// What is written to the session file.
#[derive(Clone)]
struct Commits {
    success: Counter,
    failure: Counter,
    seconds: Histogram,
    file_bytes: Gauge,
    tick_lag_seconds: Gauge<f64, AtomicU64>,
}

#[derive(Clone)]
struct Validations {
    alive: Counter,
    malformed: Counter,
    unknown: Counter,
    expired: Counter,
    revoked: Counter,
    error: Counter,
}

impl AuthMetrics {
    /// The figures, registered in `metrics`.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let logins = Family::<ByResult, Counter>::default();
        let validations = Family::<ByResult, Counter>::default();
        let commits = Family::<ByResult, Counter>::default();
        let result = |family: &Family<ByResult, Counter>, result| {
            family.get_or_create_owned(&ByResult { result })
        };
        let this = Self {
            sessions_active: Gauge::default(),
            swept: Counter::default(),
            login_success: result(&logins, "success"),
            login_failure: result(&logins, "failure"),
            login_throttled: result(&logins, "throttled"),
            sweep_seconds: Histogram::new(SWEEP_SECONDS),
            hash_seconds: Histogram::new(HASH_SECONDS),
            commits: Commits {
                success: result(&commits, "success"),
                failure: result(&commits, "failure"),
                seconds: Histogram::new(COMMIT_SECONDS),
                file_bytes: Gauge::default(),
                tick_lag_seconds: Gauge::default(),
            },
            validations: Validations {
                alive: result(&validations, "alive"),
                malformed: result(&validations, "malformed"),
                unknown: result(&validations, "unknown"),
                expired: result(&validations, "expired"),
                revoked: result(&validations, "revoked"),
                error: result(&validations, "error"),
            },
            store_seconds: Family::new_with_constructor(|| Histogram::new(STORE_SECONDS)),
        };
        metrics.register(|registry| {
            this.describe(registry, logins, validations);
            this.commits.describe(registry, commits);
        });
        this
    }

    fn describe(
        &self,
        registry: &mut prometheus_client::registry::Registry,
        logins: Family<ByResult, Counter>,
        validations: Family<ByResult, Counter>,
    ) {
        let active = self.sessions_active.clone();
        registry.register("auth_sessions_active", "Sessions in the store", active);
        let swept = self.swept.clone();
        registry.register(
            "auth_sessions_swept",
            "Expired sessions given back by the sweeper",
            swept,
        );
        registry.register("auth_logins", "Logins by what became of them", logins);
        registry.register("auth_token_validations", "Validations by their verdict", validations);
        let hash = self.hash_seconds.clone();
        registry.register("auth_password_hash_seconds", "Time to hash one password", hash);
        let store = self.store_seconds.clone();
        registry.register("auth_store_op_duration_seconds", "Time of one store operation", store);
        let sweep = self.sweep_seconds.clone();
        registry.register("auth_sweep_duration_seconds", "Time of one sweep", sweep);
    }

    /// Counts a commit to the session file.
    pub(crate) fn count_commit(&self, commit: Commit) {
        let commits = &self.commits;
        (if commit.succeeded { &commits.success } else { &commits.failure }).inc();
        commits.seconds.observe(commit.took.as_secs_f64());
        commits.file_bytes.set(i64::try_from(commit.file_bytes).unwrap_or(i64::MAX));
        commits.tick_lag_seconds.set(commit.tick_lag.as_secs_f64());
    }

    /// Counts one answer to a presented token.
    pub(crate) fn count_validation(&self, outcome: &Outcome) {
        let counter = match outcome {
            Ok(Verdict::Alive(_)) => &self.validations.alive,
            Ok(Verdict::Dead(Dead::Unknown | Dead::Replaced)) => &self.validations.unknown,
            Ok(Verdict::Dead(Dead::Expired)) => &self.validations.expired,
            Ok(Verdict::Dead(Dead::Revoked)) => &self.validations.revoked,
            Err(_) => &self.validations.error,
        };
        counter.inc();
    }

    /// Counts a token that was refused without a request to the store.
    pub(crate) fn count_malformed(&self) {
        self.validations.malformed.inc();
    }

    /// The histogram of one operation of one store.
    pub(crate) fn store_seconds(&self, op: &'static str, backend: &'static str) -> Histogram {
        self.store_seconds.get_or_create_owned(&ByOperation { op, backend })
    }

    /// Counts a sweep.
    pub(crate) fn count_sweep(&self, swept: session::Swept, took: Duration) {
        self.swept.inc_by(swept.removed);
        self.sweep_seconds.observe(took.as_secs_f64());
    }
}

impl Commits {
    fn describe(
        &self,
        registry: &mut prometheus_client::registry::Registry,
        commits: Family<ByResult, Counter>,
    ) {
        let help = "Commits to the session file by what became of them";
        registry.register("auth_session_commits", help, commits);
        let seconds = self.seconds.clone();
        let help = "Time of one commit to the session file";
        registry.register("auth_session_commit_duration_seconds", help, seconds);
        let bytes = self.file_bytes.clone();
        let help = "Size of the session file and the log beside it";
        registry.register("auth_session_file_bytes", help, bytes);
        let lag = self.tick_lag_seconds.clone();
        let help = "How much later than it should the latest tick wrote uses down";
        registry.register("auth_session_tick_lag_seconds", help, lag);
    }
}
