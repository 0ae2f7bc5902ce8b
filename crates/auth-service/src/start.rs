//! Opens the databases of users and sessions, and brings both up to date with each other.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use server_runtime::Lifecycle;
use session::{SessionStore, Sessions};
use users::{Directory, OpenError, UsersError};
use uuid::Uuid;

use crate::audit::AuditLog;
use crate::backend::Backend;
use crate::config::Config;
use crate::mail::{Mail, MailMetrics, Site};
use crate::metered_store::MeteredStore;
use crate::metrics::AuthMetrics;
use crate::open_failure::OpenFailure;
use crate::operations::Domain;
use crate::operations::endings::{Endings, ForeignSessions, Lagging};
use crate::operations::expiring_tokens::ExpiringTokens;
use crate::operations::mail::sender::Sender;
use crate::operations::throttle::Throttle;
use crate::operations::webhooks::{self, WebhookStatus};
use crate::webhooks::WebhookMetrics;

/// How long a start waits until the changes of before are carried out: after that it listens, and is
/// not ready until they are.
const CATCHING_UP: Duration = Duration::from_secs(2);
/// The pause after a try that failed.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What was opened.
pub(crate) struct Opened {
    pub(crate) domain: Domain,
    /// Who follows changes to users from now on.
    pub(crate) endings: Endings,
    /// Who sends mails, where any are.
    pub(crate) sender: Option<Sender>,
    /// Who tells that tokens end soon.
    pub(crate) expiring_tokens: ExpiringTokens,
    /// Who writes what happens to the log.
    pub(crate) audit_log: AuditLog,
    /// Who posts events to each URL, and which of these take nothing.
    pub(crate) webhooks: (Vec<webhooks::Sender>, WebhookStatus),
    /// What may cost sessions, in words for the operator.
    pub(crate) warnings: Vec<String>,
}

/// Opens the stores that `config` names. Where sessions are in a file, they are written from now on.
///
/// # Errors
///
/// One of them cannot be opened.
pub(crate) async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    (figures, mail_figures, webhook_figures): (AuthMetrics, MailMetrics, WebhookMetrics),
    lifecycle: &Lifecycle,
) -> Result<Opened, OpenFailure> {
    let mut directory = config.directory.clone();
    let hash_seconds = figures.hash_seconds.clone();
    directory.hashing.observer =
        Some(Arc::new(move |took: Duration| hash_seconds.observe(took.as_secs_f64())));
    let users = Directory::open(directory, Arc::clone(clock)).await?;
    set_up_demo_user(&users, config.demo).await?;
    let counted = figures.clone();
    let observe = Box::new(move |commit| counted.count_commit(commit));
    let backend =
        Backend::open(config.session_store.clone(), clock, config.events, observe).await?;
    let session_file = backend.file.map(|(store, writer)| {
        lifecycle.spawn_critical("session writer", writer.run(lifecycle.token()));
        store
    });
    // From here on: what ends as the service starts is logged too.
    let audit_log = AuditLog::new(Arc::clone(&backend.sessions));
    let store: Arc<dyn SessionStore> =
        Arc::new(MeteredStore::new(backend.sessions, Arc::clone(clock), &figures));
    // Before anything can happen to a session.
    let webhooks = open_webhooks(config, &store, clock, &webhook_figures).await?;
    let database = users.identity().await.map_err(Lagging::from)?;
    let sessions = Sessions::new(store, Arc::clone(clock), config.lifetimes, config.binding)
        .owned_by(database);
    let endings = follow_up(&users, &sessions).await?;
    let throttle = Throttle::new(backend.attempts, config.attempts);
    let mail = open_mail(config)?;
    let sender = match mail.clone() {
        Some(mail) => Some(Sender::new(
            random_id()?,
            (users.clone(), throttle.clone()),
            mail,
            mail_figures,
            Arc::clone(clock),
        )),
        None => None,
    };
    let expiring_tokens =
        ExpiringTokens::new(users.clone(), sessions.clone(), mail.is_some(), Arc::clone(clock));
    let domain = Domain {
        sessions,
        session_file,
        users,
        throttle,
        figures,
        unnamed_proxy: config.client_addresses.unnamed_proxy(),
        open_signup: config.open_signup,
        mail,
        tasks: lifecycle.tracker().clone(),
    };
    let warnings = backend.warnings;
    Ok(Opened { domain, endings, sender, expiring_tokens, audit_log, webhooks, warnings })
}

/// What sends mails, where the settings say where to.
pub(crate) fn open_mail(config: &Config) -> Result<Option<Mail>, OpenFailure> {
    let Some(settings) = &config.mail else { return Ok(None) };
    let site = Site::new(config.site_name.clone(), &config.public_url);
    Mail::open(settings, site).map(Some).map_err(|error| OpenFailure::Mail(error.to_string()))
}

/// Who posts events, where the settings say where to.
async fn open_webhooks(
    config: &Config,
    store: &Arc<dyn SessionStore>,
    clock: &Arc<dyn Clock>,
    figures: &WebhookMetrics,
) -> Result<(Vec<webhooks::Sender>, WebhookStatus), OpenFailure> {
    match &config.webhooks {
        Some(settings) => webhooks::open(settings, store, clock, figures, random_id()?).await,
        None => Ok((Vec::new(), WebhookStatus::default())),
    }
}

/// An id that nobody else has.
pub(crate) fn random_id() -> Result<Uuid, OpenFailure> {
    let mut random = [0; 16];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|error| OpenFailure::Mail(format!("no randomness to be had: {error}")))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid())
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
