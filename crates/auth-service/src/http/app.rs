//! What all handlers share: what the operations work on, and what requests are read by and answers
//! are written with.

use std::sync::Arc;

use clock::Clock;
use server_runtime::page::PageHeaders;
use server_runtime::{AllowedHosts, Metrics};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::client_addresses::ClientAddresses;
use super::cookie::SessionCookie;
use super::redirect::Redirects;
use crate::config::Config;
use crate::internal_keys::{KeyRing, KeyUses};
use crate::operations::Domain;
use crate::operations::events::EventFollower;
use crate::secrets::ReplaceableSecrets;

/// What all handlers share.
pub(crate) struct App {
    pub(crate) domain: Domain,
    pub(crate) events: Arc<EventFollower>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when the process is about to end: streams end then.
    pub(crate) drain_requested: CancellationToken,
    pub(crate) cookie: SessionCookie,
    pub(crate) client_addresses: ClientAddresses,
    pub(crate) internal_keys: Option<Arc<KeyRing>>,
    pub(crate) https: bool,
    pub(crate) public_url: Url,
    pub(crate) demo: bool,
    /// What pages call the place.
    pub(crate) site_name: String,
    /// The fewest characters of a new password.
    pub(crate) password_min: usize,
    pub(crate) redirects: Redirects,
    pub(crate) page_headers: PageHeaders,
    pub(crate) redirect_origins: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    /// The hosts that the public listener answers for; `None` for every one.
    pub(crate) allowed_hosts: Option<AllowedHosts>,
}

impl App {
    /// What `config` says of requests and answers, around what was opened.
    pub(crate) fn new(
        config: Config,
        secrets: &ReplaceableSecrets,
        domain: Domain,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        drain_requested: CancellationToken,
    ) -> Self {
        let internal_keys = secrets.internal_keys.clone();
        if let Some(ring) = &internal_keys {
            let uses = Box::new(KeyUses(Arc::clone(ring)));
            metrics.register(|registry| registry.register_collector(uses));
        }
        let events = Arc::new(EventFollower::new(Arc::clone(domain.sessions.store())));
        Self {
            domain,
            events,
            metrics,
            clock,
            drain_requested,
            cookie: config.cookie,
            client_addresses: config.client_addresses,
            internal_keys,
            https: config.public_url.scheme() == "https",
            redirects: Redirects::new(config.public_url.clone(), config.redirect_origins.clone()),
            page_headers: PageHeaders::new(config.redirect_origins.iter().map(String::as_str)),
            public_url: config.public_url,
            demo: config.demo,
            site_name: config.site_name,
            password_min: config.directory.password_min_length,
            redirect_origins: config.redirect_origins,
            allowed_origins: config.allowed_origins,
            allowed_hosts: config.allowed_hosts,
        }
    }
}
