//! Assembles the service, without a socket: the state that its routers share.

use std::sync::Arc;

use auth_client::{AuthClient, InternalKey, SetupError};
use axum::extract::FromRef;
use clock::Clock;
use server_runtime::{AllowedHosts, BadSetting, Lifecycle, Metrics, Readiness, Replace, Settings};
use utoipa::openapi::OpenApi;

use crate::config::key_warnings;
use crate::config::settings::AUTH_KEY;
use crate::metrics::AuthClientMetrics;
use crate::page::Pages;
use crate::{Config, router};

/// The service: builds the routers that a process serves.
#[derive(Clone)]
pub struct App {
    state: AppState,
    readiness: Readiness,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    allowed_hosts: Option<AllowedHosts>,
    own_origin: Arc<str>,
}

/// What handlers get.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) client: AuthClient,
    pub(crate) pages: Arc<Pages>,
}

impl FromRef<AppState> for AuthClient {
    fn from_ref(state: &AppState) -> Self {
        state.client.clone()
    }
}

impl App {
    /// Assembles the service. Nothing is sent to the auth service yet.
    ///
    /// # Errors
    ///
    /// If the client of the auth service cannot be set up.
    pub fn build(
        config: &Config,
        lifecycle: &Lifecycle,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        warn_of(&config.auth.keys);
        let client = AuthClient::new(config.auth.clone(), Arc::clone(&clock))?;
        let collector = Box::new(AuthClientMetrics::new(client.clone()));
        metrics.register(|registry| registry.register_collector(collector));
        let probed = client.clone();
        let readiness = Readiness::new(lifecycle).check("auth-service", move || {
            let client = probed.clone();
            async move { client.ready().await.then_some(()).ok_or("it gives no answer") }
        });
        let pages = Arc::new(Pages::new(config));
        let state = AppState { client, pages };
        Ok(Self {
            state,
            readiness,
            metrics: metrics.clone(),
            clock,
            allowed_hosts: config.allowed_hosts.clone(),
            own_origin: config.public_url.origin().ascii_serialization().into(),
        })
    }

    /// Accepts secrets that were read again, and gives what puts them in force.
    ///
    /// # Errors
    ///
    /// The first that is not acceptable.
    pub fn accept_secrets(&self, settings: &Settings) -> Result<Replace, BadSetting> {
        let keys = settings.get(&AUTH_KEY)?;
        let client = self.state.client.clone();
        Ok(Box::new(move || {
            if let Some(keys) = keys {
                warn_of(&keys);
                client.replace_keys(keys);
            }
        }))
    }

    /// Everything that the public listener serves.
    pub fn public_router(&self) -> axum::Router {
        router::public(self)
    }

    /// Everything that the internal listener serves: the metrics and the probes.
    pub fn internal_router(&self) -> axum::Router {
        router::internal(self)
    }

    /// The service's own routes and their description, for a process that serves them beside
    /// others: no probes, no `/openapi.json`, no `/`, no fallback, and not yet what every request
    /// gets.
    pub fn routes(&self) -> (axum::Router, OpenApi) {
        router::own(self).split_for_parts()
    }

    /// The description of the public listener.
    pub fn openapi(&self) -> OpenApi {
        router::openapi(self)
    }

    /// Ready while an auth service answers.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(crate) fn state(&self) -> &AppState {
        &self.state
    }

    /// The hosts that the public listener answers for; `None` for every one.
    pub(crate) fn allowed_hosts(&self) -> Option<&AllowedHosts> {
        self.allowed_hosts.as_ref()
    }

    /// The origin of our own pages.
    pub(crate) fn own_origin(&self) -> &str {
        &self.own_origin
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

fn warn_of(keys: &[InternalKey]) {
    for warning in key_warnings(keys) {
        tracing::warn!("{warning}");
    }
}
