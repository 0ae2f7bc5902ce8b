//! The pool of connections: reused from request to request, and replaced as a whole when a service
//! starts to drain.
//!
//! INVARIANT: a connection to a draining service is not reused. The service may close it just as a
//! request is written to it, and then the client cannot know whether that request was received.

use std::time::Duration;

use parking_lot::RwLock;
use reqwest::Client;

use crate::{AuthClientOptions, SetupError};

/// How long an idle connection stays open: well below the idle timeout of servers, so that it is
/// hardly ever the server that closes it, just as a request is written to it.
const IDLE: Duration = Duration::from_secs(30);

/// The connections of one shard.
pub(crate) struct Connections {
    config: PoolConfig,
    http: RwLock<Client>,
}

/// How a pool is set up.
struct PoolConfig {
    connect_timeout: Option<Duration>,
    max_idle: usize,
    /// No URL is an `https` one.
    plaintext_only: bool,
}

impl Connections {
    pub(crate) fn new(options: &AuthClientOptions) -> Result<Self, SetupError> {
        // An error only says that the process has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = PoolConfig {
            connect_timeout: connect_timeout(options),
            max_idle: options.max_in_flight,
            plaintext_only: options.urls.iter().all(|url| url.scheme() == "http"),
        };
        Ok(Self { http: RwLock::new(config.client()?), config })
    }

    /// The HTTP client that takes one of them for a request.
    pub(crate) fn client(&self) -> Client {
        self.http.read().clone()
    }

    /// Drops the idle ones. A request in flight has its own to its end.
    pub(crate) fn renew(&self) {
        match self.config.client() {
            Ok(client) => *self.http.write() = client,
            Err(error) => {
                tracing::warn!(%error, "the connections to a draining auth service could not be replaced");
            }
        }
    }
}

impl PoolConfig {
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
            .pool_max_idle_per_host(self.max_idle);
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if self.plaintext_only {
            // No root certificates are needed, and the system may have none.
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
