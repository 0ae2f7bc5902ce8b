//! The service as a whole: opened once, served on two listeners or as a part of another process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::Clock;
use server_runtime::{Lifecycle, Listener, Metrics, Readiness};
use session::StoreError;
use users::OpenError;
use utoipa::openapi::OpenApi;

use crate::config::Config;
use crate::http::app::App;
use crate::http::router;
use crate::operations::endings::{ForeignSessions, Lagging};
use crate::warnings;

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The users' one.
    #[error(transparent)]
    Users(#[from] OpenError),
    /// The sessions' one.
    #[error("the session store cannot be reached: {}", .0.0)]
    Sessions(#[from] StoreError),
    /// The two do not belong to each other.
    #[error(transparent)]
    Foreign(#[from] ForeignSessions),
}

impl From<Lagging> for OpenFailure {
    fn from(error: Lagging) -> Self {
        match error {
            Lagging::Users(error) => OpenError::Unreachable(error.to_string()).into(),
            Lagging::Store(error) => error.into(),
            Lagging::Foreign(error) => error.into(),
        }
    }
}

/// The auth service, opened and not yet listening.
#[derive(Clone)]
pub struct Service {
    app: Arc<App>,
    readiness: Readiness,
    sweep_interval: Option<Duration>,
    warnings: Arc<[String]>,
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
        let sweep_interval = config.sweep_interval;
        let mut warnings = warnings::of_settings(&config);
        let (database, demo) = (config.directory.database.clone(), config.demo);
        let app = Arc::new(App::open(config, clock, metrics).await?);
        warnings.extend_from_slice(app.risks());
        warnings.extend(warnings::of_nobody(&app.users, &database, demo).await);
        let readiness = app.readiness(lifecycle);
        Ok(Self { app, readiness, sweep_interval, warnings: warnings.into() })
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
        self.app.start_tasks(self.sweep_interval, lifecycle);
        internal.serve(router::internal(&self.app, &self.readiness), lifecycle);
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
    pub fn openapi() -> OpenApi {
        router::document()
    }
}
