//! Posting what happened: each event that is wanted, to each URL, in order and at least once. Of
//! several nodes one posts to a URL at a time, for as long as it says so again.
//!
//! How far a URL is stands in the store beside the events, in one text that is written only over the
//! one that was read: whoever posts by mistake moves no position.

mod backlog;
mod claim;
mod message;
mod sender;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clock::Clock;
use session::SessionStore;
use uuid::Uuid;

use self::claim::Claimant;
use self::sender::Job;
use crate::config::WebhookSettings;
use crate::open_failure::OpenFailure;
use crate::webhooks::{Receiver, WebhookMetrics};

pub(crate) use self::message::Message;
pub(crate) use self::sender::Sender;

/// Which URLs take nothing at present.
#[derive(Clone, Default)]
pub(crate) struct WebhookStatus(Arc<[AtomicBool]>);

impl WebhookStatus {
    /// The numbers of the URLs whose latest post failed, from 1.
    pub(crate) fn away(&self) -> Vec<usize> {
        let numbered = (1..).zip(&*self.0);
        numbered.filter(|(_, is_away)| is_away.load(Ordering::Relaxed)).map(|(n, _)| n).collect()
    }

    fn set(&self, index: usize, is_away: bool) {
        if let Some(flag) = self.0.get(index) {
            flag.store(is_away, Ordering::Relaxed);
        }
    }
}

/// The receivers that the settings name.
///
/// # Errors
///
/// The system has no certificates to hold them against.
pub(crate) fn receivers(settings: &WebhookSettings) -> Result<Vec<Receiver>, OpenFailure> {
    let open = |url: &url::Url| {
        let failed = |failure| OpenFailure::Webhook(format!("webhooks: {failure}"));
        Receiver::new(url.clone()).map_err(failed)
    };
    settings.urls.iter().map(open).collect()
}

/// Who posts to each URL, to be run each. A URL that is new begins with what happens from now on.
///
/// # Errors
///
/// The store does not answer, or there is nothing to post with.
pub(crate) async fn open(
    settings: &WebhookSettings,
    store: &Arc<dyn SessionStore>,
    clock: &Arc<dyn Clock>,
    metrics: &WebhookMetrics,
    node: Uuid,
) -> Result<(Vec<Sender>, WebhookStatus), OpenFailure> {
    let receivers = receivers(settings)?;
    let status = WebhookStatus(receivers.iter().map(|_| AtomicBool::new(false)).collect());
    let mut senders = Vec::new();
    for (index, receiver) in receivers.into_iter().enumerate() {
        let name = receiver.checkpoint_name();
        let claimant = Claimant::new(Arc::clone(store), Arc::clone(clock), name, node);
        let number = index as u64 + 1;
        claimant.begin().await.map_err(|error| {
            let why = error.0;
            OpenFailure::Webhook(format!("webhooks: how far URL {number} is cannot be read: {why}"))
        })?;
        senders.push(Sender::new(
            Job {
                number,
                receiver,
                secrets: settings.secrets.clone(),
                figures: metrics.of(number),
                status: status.clone(),
                clock: Arc::clone(clock),
            },
            settings.types.clone(),
            claimant,
        ));
    }
    Ok((senders, status))
}
