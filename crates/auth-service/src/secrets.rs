//! The secrets that are replaced while the service runs, in one place: what is read again, and what
//! takes it. All are read before any is replaced.

use std::sync::Arc;

use clock::Clock;
use server_runtime::{BadSetting, Replace, Settings};
use session::RedisAddress;

use crate::config::settings::{INTERNAL_KEY, MAIL_PASSWORD, REDIS_PASSWORD, WEBHOOK_SECRET};
use crate::config::{Config, MailCredentials, SessionBackend, WebhookSecrets};
use crate::internal_keys::KeyRing;

/// What takes each of them.
#[derive(Clone)]
pub(crate) struct ReplaceableSecrets {
    pub(crate) internal_keys: Option<Arc<KeyRing>>,
    redis: Option<RedisAddress>,
    mail: Option<MailCredentials>,
    webhooks: Option<WebhookSecrets>,
}

impl ReplaceableSecrets {
    /// What these settings have of them.
    pub(crate) fn of(config: &Config, clock: &Arc<dyn Clock>) -> Self {
        let ring = |keys| Arc::new(KeyRing::new(keys, Arc::clone(clock)));
        let internal_keys = config.internal_keys.as_ref().map(ring);
        let redis = match &config.session_store {
            SessionBackend::Redis { address, .. } => Some(address.clone()),
            SessionBackend::Memory | SessionBackend::File { .. } => None,
        };
        let mail = config.mail.as_ref().and_then(|mail| mail.credentials.clone());
        let webhooks = config.webhooks.as_ref().map(|webhooks| webhooks.secrets.clone());
        Self { internal_keys, redis, mail, webhooks }
    }

    /// Reads each secret again, and gives what puts them in force.
    ///
    /// # Errors
    ///
    /// The first that is not acceptable.
    pub(crate) fn accept(&self, settings: &Settings) -> Result<Replace, BadSetting> {
        let internal_keys = settings.get(&INTERNAL_KEY)?;
        let redis_password = settings.get(&REDIS_PASSWORD)?;
        let mail_password = settings.get(&MAIL_PASSWORD)?;
        let webhook_keys = settings.get(&WEBHOOK_SECRET)?;
        let this = self.clone();
        Ok(Box::new(move || {
            if let (Some(ring), Some(keys)) = (&this.internal_keys, internal_keys) {
                for warning in keys.warnings() {
                    tracing::warn!("{warning}");
                }
                ring.replace(&keys);
            }
            if let (Some(redis), Some(password)) = (&this.redis, redis_password) {
                redis.replace_password(password);
            }
            if let (Some(mail), Some(password)) = (&this.mail, mail_password) {
                mail.replace_password(password);
            }
            if let (Some(webhooks), Some(keys)) = (&this.webhooks, webhook_keys) {
                webhooks.replace(keys);
            }
        }))
    }
}
