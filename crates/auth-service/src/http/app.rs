//! What all handlers share: the session engine, the directory, the throttle, and what was set.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use parking_lot::Mutex;
use server_runtime::page::PageHeaders;
use server_runtime::{AllowedHosts, Lifecycle, Metrics, Readiness};
use session::{Sessions, Sweeper};
use url::Url;
use users::{Directory, OpenError, UsersError};

use crate::backend::Backend;
use crate::config::{Config, Secret};
use crate::http::cookie::SessionCookie;
use crate::http::extract::client::ClientAddresses;
use crate::http::redirect::Redirects;
use crate::metered_store::MeteredStore;
use crate::metrics::AuthMetrics;
use crate::operations::endings::{Endings, ForeignSessions, Lagging};
use crate::operations::throttle::Throttle;
use crate::service::OpenFailure;

/// How often changes that other processes made to users are looked for.
const ENDINGS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a start waits until the changes of before are carried out: after that it listens, and is
/// not ready until they are.
const CATCHING_UP: Duration = Duration::from_secs(2);
/// The pause after a try that failed.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What all handlers share.
pub(crate) struct App {
    pub(crate) sessions: Sessions,
    pub(crate) users: Directory,
    pub(crate) throttle: Throttle,
    pub(crate) metrics: Metrics,
    pub(crate) figures: AuthMetrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cookie: SessionCookie,
    pub(crate) client_addresses: ClientAddresses,
    pub(crate) internal_key: Option<Secret>,
    pub(crate) open_signup: bool,
    pub(crate) https: bool,
    pub(crate) public_url: Url,
    pub(crate) demo: bool,
    /// The fewest characters of a new password.
    pub(crate) password_min: usize,
    pub(crate) redirects: Redirects,
    pub(crate) page_headers: PageHeaders,
    pub(crate) redirect_origins: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    /// The hosts that the public listener answers for; `None` for every one.
    pub(crate) allowed_hosts: Option<AllowedHosts>,
    /// What may cost sessions, in words for the operator.
    risks: Vec<String>,
    /// Until it is started.
    endings: Mutex<Option<Endings>>,
}

impl App {
    /// Opens the stores.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened.
    pub(crate) async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, OpenFailure> {
        let figures = AuthMetrics::register(&metrics);
        let mut directory = config.directory;
        let password_min = directory.password_min_length;
        let hash_seconds = figures.hash_seconds.clone();
        directory.hashing.observer =
            Some(Arc::new(move |took: Duration| hash_seconds.observe(took.as_secs_f64())));
        let users = Directory::open(directory, Arc::clone(&clock)).await?;
        set_up_demo_user(&users, config.demo).await?;
        let backend = Backend::open(config.session_store, &clock).await?;
        let store = Arc::new(MeteredStore::new(backend.sessions, Arc::clone(&clock), &figures));
        let sessions = Sessions::new(store, Arc::clone(&clock), config.lifetimes, config.binding);
        let endings = follow_up(&users, &sessions).await?;
        Ok(Self {
            sessions,
            endings: Mutex::new(Some(endings)),
            users,
            throttle: Throttle::new(backend.attempts, config.attempts),
            metrics,
            figures,
            clock,
            cookie: config.cookie,
            client_addresses: config.client_addresses,
            internal_key: config.internal_key,
            open_signup: config.open_signup,
            https: config.public_url.scheme() == "https",
            redirects: Redirects::new(config.public_url.clone(), config.redirect_origins.clone()),
            page_headers: PageHeaders::new(config.redirect_origins.iter().map(String::as_str)),
            public_url: config.public_url,
            demo: config.demo,
            password_min,
            redirect_origins: config.redirect_origins,
            allowed_origins: config.allowed_origins,
            allowed_hosts: config.allowed_hosts,
            risks: backend.warnings,
        })
    }

    /// Starts what runs beside the requests: the sweeper, the follower of other processes, and what
    /// lets go of the database at the end.
    pub(crate) fn start_tasks(&self, sweep_interval: Option<Duration>, lifecycle: &Lifecycle) {
        if let Some(interval) = sweep_interval {
            let figures = self.figures.clone();
            let observe = Box::new(move |swept, took| figures.count_sweep(swept, took));
            let store = Arc::clone(self.sessions.store());
            let sweeper = Sweeper::new(store, interval, Arc::clone(&self.clock), observe);
            lifecycle.spawn_critical("sweeper", sweeper.run(lifecycle.token()));
        }
        if let Some(endings) = self.endings.lock().take() {
            let follow = endings.follow(ENDINGS_INTERVAL, lifecycle.token());
            lifecycle.spawn_critical("session endings", follow);
        }
        let (users, stopped) = (self.users.clone(), lifecycle.token());
        lifecycle.spawn("closing the user database", async move {
            stopped.cancelled().await;
            users.close().await;
        });
    }

    /// Ready while both stores answer, once what ended sessions before has been carried out.
    pub(crate) fn readiness(&self, lifecycle: &Lifecycle) -> Readiness {
        let users = self.users.clone();
        let store = Arc::clone(self.sessions.store());
        let gate = self.sessions.gate().clone();
        let ready = Readiness::new(lifecycle)
            .check("user database", move || {
                let users = users.clone();
                async move { users.ping().await }
            })
            .check("session store", move || {
                let store = Arc::clone(&store);
                async move { store.ping().await }
            })
            .check("session endings", move || {
                let caught_up = gate.is_open();
                async move { caught_up.then_some(()).ok_or("not carried out yet") }
            });
        self.risks.iter().cloned().fold(ready, Readiness::note)
    }

    /// What may cost sessions, in words for the operator.
    pub(crate) fn risks(&self) -> &[String] {
        &self.risks
    }
}

/// The demo user is there, or cannot log in and has no sessions, whatever was before.
async fn set_up_demo_user(users: &Directory, demo: bool) -> Result<(), OpenError> {
    let failed = |error: UsersError| OpenError::Unreachable(error.to_string());
    if demo {
        return users.ensure_demo_user().await.map_err(failed);
    }
    if users.retire_demo_user().await.map_err(failed)? {
        tracing::info!("AUTH_DEMO is off: the demo user is disabled, and its sessions end");
    }
    Ok(())
}

/// Who follows changes to users; where sessions outlive the process, caught up by now or with the
/// gate closed.
async fn follow_up(users: &Directory, sessions: &Sessions) -> Result<Endings, OpenFailure> {
    let outlive = sessions.store().outlives_process();
    if outlive {
        sessions.gate().close();
    }
    let mut endings = Endings::new(users.clone(), sessions.clone()).await?;
    if outlive {
        let caught_up = tokio::time::timeout(CATCHING_UP, insist(&mut endings)).await;
        if let Ok(caught_up) = caught_up {
            caught_up?;
        } else {
            tracing::warn!("changes to users are not carried out yet: not ready");
        }
    }
    Ok(endings)
}

/// Tries to catch up until it has; fails only where trying again cannot help.
async fn insist(endings: &mut Endings) -> Result<(), ForeignSessions> {
    loop {
        match endings.catch_up().await {
            Ok(()) => return Ok(()),
            Err(Lagging::Foreign(foreign)) => return Err(foreign),
            Err(error) => {
                tracing::warn!(%error, "changes to users cannot be followed; trying again");
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        }
    }
}
