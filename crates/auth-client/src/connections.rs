//! The connections that calls take: kept for the next call, and given up all at once when a service
//! says that it goes away.
//!
//! INVARIANT: a connection that a leaving service keeps open for a while is not used any more. It
//! would be ended at its other end, at the very moment perhaps when a call is written to it, and
//! nobody could tell whether that call had been received.

use std::time::Duration;

use parking_lot::RwLock;
use reqwest::Client;

use crate::{AuthClientOptions, SetupError};

/// How long an unused connection is kept: well below what servers keep one for, so that it is
/// hardly ever the server that ends it, at the very moment when we write to it.
const IDLE: Duration = Duration::from_secs(30);

/// The connections of one shard.
pub(crate) struct Connections {
    recipe: Recipe,
    http: RwLock<Client>,
}

/// What connections are made by.
struct Recipe {
    connect_timeout: Option<Duration>,
    most_idle: usize,
    /// No URL is an `https` one.
    plain: bool,
}

impl Connections {
    pub(crate) fn new(options: &AuthClientOptions) -> Result<Self, SetupError> {
        // An error only says that the process has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let recipe = Recipe {
            connect_timeout: connect_timeout(options),
            most_idle: options.max_in_flight,
            plain: options.urls.iter().all(|url| url.scheme() == "http"),
        };
        Ok(Self { http: RwLock::new(recipe.client()?), recipe })
    }

    /// What takes one of them for a request.
    pub(crate) fn client(&self) -> Client {
        self.http.read().clone()
    }

    /// Gives up those that are not in use. What is under way keeps its own to its end.
    pub(crate) fn renew(&self) {
        match self.recipe.client() {
            Ok(client) => *self.http.write() = client,
            Err(error) => tracing::warn!(%error, "connections are kept that were to be given up"),
        }
    }
}

impl Recipe {
    fn client(&self) -> reqwest::Result<Client> {
        let mut builder = Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .tcp_keepalive(IDLE)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.most_idle);
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if self.plain {
            // Then the system's root certificates need neither be there nor be read.
            builder = builder.tls_certs_only([]);
        }
        builder.build()
    }
}

/// Where there are other URLs, a connection takes no more of the budget than leaves time for them.
fn connect_timeout(options: &AuthClientOptions) -> Option<Duration> {
    match options.urls.len() {
        0 | 1 => None,
        2 => Some(options.timeout / 2),
        _ => Some(options.timeout / 3),
    }
}
