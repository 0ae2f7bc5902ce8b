//! The service as a whole: opened once, served on two listeners or as a part of another process.

use std::sync::Arc;
use std::time::Duration;

use auth_api_types::ValidateRequest;
use auth_http::Answer;
use axum::Router;
use clock::Clock;
use parking_lot::Mutex;
use server_runtime::{BadSetting, Lifecycle, Listener, Metrics, Readiness, Replace, Settings};
use session::Sweeper;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::audit::AuditLog;
use crate::config::Config;
use crate::http::api::validate_token;
use crate::http::app::App;
use crate::http::router;
use crate::mail::MailMetrics;
use crate::metrics::AuthMetrics;
use crate::open_failure::OpenFailure;
use crate::operations::Domain;
use crate::operations::endings::Endings;
use crate::operations::events;
use crate::operations::expiring_tokens::ExpiringTokens;
use crate::operations::mail::sender::Sender;
use crate::operations::webhooks::{Sender as WebhookSender, WebhookStatus};
use crate::secrets::ReplaceableSecrets;
use crate::webhooks::WebhookMetrics;
use crate::{start, warnings};

/// How often changes that other processes made to users are looked for.
const ENDINGS_INTERVAL: Duration = Duration::from_secs(1);

/// The auth service, opened and not yet listening.
#[derive(Clone)]
pub struct Service {
    app: Arc<App>,
    readiness: Readiness,
    sweep_interval: Option<Duration>,
    warnings: Arc<[String]>,
    secrets: ReplaceableSecrets,
    /// Until it is started.
    endings: Arc<Mutex<Option<Endings>>>,
    /// The same.
    expiring_tokens: Arc<Mutex<Option<ExpiringTokens>>>,
    /// The same.
    audit_log: Arc<Mutex<Option<AuditLog>>>,
    /// The same; `None` also where no mail is sent.
    sender: Arc<Mutex<Option<Sender>>>,
    /// The same, one for each URL.
    webhooks: Arc<Mutex<Vec<WebhookSender>>>,
}

impl Service {
    /// Opens the stores that `config` names.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened.
    pub async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        lifecycle: &Lifecycle,
    ) -> Result<Self, OpenFailure> {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let figures = AuthMetrics::register(&metrics);
        let mail_figures = MailMetrics::register(&metrics);
        let figures = (figures, mail_figures, WebhookMetrics::register(&metrics));
        let opened = start::open(&config, &clock, figures, lifecycle).await?;
        let (webhooks, webhook_status) = opened.webhooks;
        let (database, demo) = (&config.directory.database, config.demo);
        let mut warnings: Vec<String> = config.warnings.lines().cloned().collect();
        warnings.extend_from_slice(&opened.warnings);
        warnings.extend(warnings::missing_users(&opened.domain.users, database, demo).await);
        let secrets = ReplaceableSecrets::of(&config, &clock);
        Ok(Self {
            readiness: readiness(&opened.domain, webhook_status, opened.warnings, lifecycle),
            sweep_interval: config.sweep_interval,
            warnings: warnings.into(),
            endings: Arc::new(Mutex::new(Some(opened.endings))),
            expiring_tokens: Arc::new(Mutex::new(Some(opened.expiring_tokens))),
            audit_log: Arc::new(Mutex::new(Some(opened.audit_log))),
            sender: Arc::new(Mutex::new(opened.sender)),
            webhooks: Arc::new(Mutex::new(webhooks)),
            app: Arc::new(App::new(
                config,
                &secrets,
                opened.domain,
                clock,
                metrics,
                lifecycle.drain_token(),
            )),
            secrets,
        })
    }

    /// Starts what runs beside the requests, and serves both listeners.
    pub fn serve(&self, public: Listener, internal: Listener, lifecycle: &Lifecycle) {
        self.serve_internal(internal, lifecycle);
        self.serve_public(public, lifecycle);
    }

    /// The public listener of the two.
    pub fn serve_public(&self, public: Listener, lifecycle: &Lifecycle) {
        public.serve(router::public(&self.app, &self.readiness), lifecycle);
    }

    /// The internal listener, and what runs beside the requests. The log says what the operator
    /// should know.
    pub fn serve_internal(&self, internal: Listener, lifecycle: &Lifecycle) {
        for warning in &*self.warnings {
            tracing::warn!("{warning}");
        }
        self.start_tasks(lifecycle);
        internal
            .with_small_responses()
            .serve(router::internal(&self.app, &self.readiness), lifecycle);
    }

    /// Starts the sweeper, the follower of other processes, and what lets go of the database at the
    /// end.
    fn start_tasks(&self, lifecycle: &Lifecycle) {
        let domain = &self.app.domain;
        if let Some(interval) = self.sweep_interval {
            let figures = domain.figures.clone();
            let observe = Box::new(move |swept, took| figures.count_sweep(swept, took));
            let store = Arc::clone(domain.sessions.store());
            let sweeper = Sweeper::new(store, interval, Arc::clone(&self.app.clock), observe);
            lifecycle.spawn_critical("sweeper", sweeper.run(lifecycle.token()));
        }
        if domain.sessions.store().is_shared() {
            let store = Arc::clone(domain.sessions.store());
            let look = events::look_for_others(store, lifecycle.token());
            lifecycle.spawn_critical("events of other nodes", look);
        }
        let follow = Arc::clone(&self.app.events).run(lifecycle.token());
        lifecycle.spawn_critical("readers of events", follow);
        if let Some(log) = self.audit_log.lock().take() {
            lifecycle.spawn_critical("audit log", log.run(lifecycle.token()));
        }
        if let Some(endings) = self.endings.lock().take() {
            let follow = endings.follow(ENDINGS_INTERVAL, lifecycle.token());
            lifecycle.spawn_critical("session endings", follow);
        }
        if let Some(tokens) = self.expiring_tokens.lock().take() {
            lifecycle.spawn_critical("tokens that end soon", tokens.run(lifecycle.token()));
        }
        if let Some(sender) = self.sender.lock().take() {
            lifecycle.spawn_critical("mail sender", sender.run(lifecycle.token()));
        }
        let webhooks = std::mem::take(&mut *self.webhooks.lock());
        if !webhooks.is_empty() {
            lifecycle.spawn_critical("webhook senders", post_aside(webhooks, lifecycle.token()));
        }
        let (users, stopped) = (domain.users.clone(), lifecycle.token());
        lifecycle.spawn("closing the user database", async move {
            stopped.cancelled().await;
            users.close().await;
        });
    }

    /// Answers as the internal listener's `POST /validateToken` does, for a caller in this process:
    /// for each token of `request` in order, by the same limits, with the same events, counts and log
    /// lines. `None` for a token that the session store does not answer for; nothing at all where the
    /// request would be refused.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have been a use of its tokens.
    pub async fn validate(&self, request: ValidateRequest<'_>) -> Vec<Option<Answer<'static>>> {
        validate_token::answers(&self.app, request).await.unwrap_or_default()
    }

    /// Accepts secrets that were read again, and gives what puts them in force.
    ///
    /// # Errors
    ///
    /// The first that is not acceptable.
    pub fn accept_secrets(&self, settings: &Settings) -> Result<Replace, BadSetting> {
        self.secrets.accept(settings)
    }

    /// The public routes without probes, fallbacks and what every request gets.
    pub fn public_part(&self) -> Router {
        router::public_part(&self.app)
    }

    /// Adds to `routes` the fallbacks and what every public request gets.
    pub fn finish(&self, routes: Router) -> Router {
        router::finished_public(routes, &self.app)
    }

    /// Ready while both stores answer.
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The OpenAPI document of both listeners.
    pub fn openapi(&self) -> OpenApi {
        (router::documents(&self.app).0)()
    }
}

/// Posts to all URLs, on a thread of its own: what a receiver answers may take long to read.
async fn post_aside(senders: Vec<WebhookSender>, stopped: CancellationToken) {
    let posting = async move {
        let mut all = JoinSet::new();
        for sender in senders {
            all.spawn(sender.run(stopped.clone()));
        }
        while let Some(Ok(())) = all.join_next().await {}
    };
    match server_runtime::on_own_thread("webhooks", posting) {
        Ok(end) => end.await,
        Err(error) => tracing::error!(%error, "no events can be posted"),
    }
}

/// Ready while both stores answer, once what ended sessions before has been carried out.
fn readiness(
    domain: &Domain,
    webhooks: WebhookStatus,
    warnings: Vec<String>,
    lifecycle: &Lifecycle,
) -> Readiness {
    let users = domain.users.clone();
    let store = Arc::clone(domain.sessions.store());
    let gate = domain.sessions.gate().clone();
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
    let mail = domain.mail.clone();
    let ready = ready.note_while(move || {
        let is_away = mail.as_ref().is_some_and(crate::mail::Mail::is_away);
        is_away.then(|| "mail is not sent: nobody takes it; the log says why".to_owned())
    });
    let ready = ready.note_while(move || webhook_note(&webhooks));
    warnings.into_iter().fold(ready, Readiness::note)
}

fn webhook_note(webhooks: &WebhookStatus) -> Option<String> {
    let numbers: Vec<String> = webhooks.away().iter().map(ToString::to_string).collect();
    let urls = numbers.join(", ");
    (!numbers.is_empty()).then(|| {
        format!("events are not taken by URL {urls} of AUTH_WEBHOOK_URL; the log says why")
    })
}
