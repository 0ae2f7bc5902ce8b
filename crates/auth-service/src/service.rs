//! The service as a whole: opened once, served on two listeners or as a part of another process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::Clock;
use server_runtime::{Lifecycle, Listener, Metrics, Readiness};
use session::StoreError;
use users::OpenError;
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::config::{Config, Secret};
use crate::router;

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The users' one.
    #[error(transparent)]
    Users(#[from] OpenError),
    /// The sessions' one.
    #[error("the session store cannot be reached: {}", .0.0)]
    Sessions(#[from] StoreError),
}

/// The auth service, opened and not yet listening.
#[derive(Clone)]
pub struct Service {
    app: Arc<App>,
    readiness: Readiness,
    sweep_interval: Option<Duration>,
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
        warn_of_risks(&config);
        let sweep_interval = config.sweep_interval;
        let app = Arc::new(App::open(config, clock, metrics).await?);
        app.warn_of_risks();
        let readiness = app.readiness(lifecycle);
        Ok(Self { app, readiness, sweep_interval })
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

    /// The internal listener, and what runs beside the requests.
    pub fn serve_internal(&self, internal: Listener, lifecycle: &Lifecycle) {
        self.app.start_tasks(self.sweep_interval, lifecycle);
        internal.serve(router::internal(&self.app, &self.readiness), lifecycle);
    }

    /// The public routes without probes, fallbacks and what every request gets.
    pub fn public_part(&self) -> Router {
        router::public_part(&self.app)
    }

    /// Adds to `routes` the fallbacks and what every request gets.
    pub fn finish(&self, routes: Router) -> Router {
        router::finished(routes, &self.app)
    }

    /// Ready while both stores answer.
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The OpenAPI document of both listeners.
    pub fn openapi() -> OpenApi {
        router::document()
    }
}

/// Says in the log what is fine for development only.
fn warn_of_risks(config: &Config) {
    if !config.cookie.secure {
        tracing::warn!("AUTH_COOKIE_SECURE is false: session cookies travel over plain HTTP");
    }
    if !config.internal_addr.ip().is_loopback() && config.internal_key.is_none() {
        tracing::warn!(addr = %config.internal_addr,
            "the internal listener is beyond loopback without AUTH_INTERNAL_KEY: whoever reaches it may ask");
    }
    if config.internal_key.as_ref().is_some_and(Secret::is_short) {
        tracing::warn!("AUTH_INTERNAL_KEY has fewer than 16 characters: it can be guessed");
    }
    if config.demo {
        tracing::warn!("AUTH_DEMO is true: the demo user, whose password is public, is an admin");
    }
}
