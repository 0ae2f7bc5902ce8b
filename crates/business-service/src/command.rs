//! The binary `business-service`: its settings, its listeners.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use server_runtime::process::{self, Failure, Program, Serving};
use server_runtime::settings::Row;
use server_runtime::{BadSetting, Lifecycle, Metrics, Secrets, Settings, Sockets};

use crate::config::settings::{ADDR, INTERNAL_ADDR};
use crate::{App, Config, settings_table};

/// Runs the `business-service` binary.
pub fn main() -> ExitCode {
    process::run::<BusinessService>()
}

struct BusinessService {
    settings: Settings,
    config: Config,
}

impl Program for BusinessService {
    const NAME: &'static str = "business-service";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "The protected service: data that only a live session may see.";

    fn table() -> Vec<Row> {
        settings_table()
    }

    fn listeners() -> Vec<(&'static str, Row)> {
        vec![("business", ADDR.row()), ("business-internal", INTERNAL_ADDR.row())]
    }

    fn read(settings: Settings) -> Result<Self, BadSetting> {
        Ok(Self { config: Config::read(&settings)?, settings })
    }

    fn in_force(&self) -> Settings {
        self.config.in_force(&self.settings)
    }

    fn given(&self) -> &Settings {
        &self.settings
    }

    fn readiness_addr(&self) -> SocketAddr {
        self.config.addr
    }

    fn drain_delay(&self) -> Duration {
        self.config.drain_delay
    }

    fn workers(&self) -> usize {
        self.config.workers
    }

    async fn serve(self, lifecycle: &Lifecycle, mut sockets: Sockets) -> Result<Serving, Failure> {
        let config = &self.config;
        let metrics = Metrics::new(Self::VERSION);
        let app = App::build(config, lifecycle, &metrics, Arc::new(SystemClock::new()))
            .map_err(Failure::with_sources)?;
        let public = sockets.listener("business", config.addr).await?;
        let internal = sockets.listener("business-internal", config.internal_addr).await?;
        let internal_addr = internal.local_addr();
        public.with_small_responses().serve(app.public_router(), lifecycle);
        internal.with_reserve().serve(app.internal_router(), lifecycle);
        let secrets = Secrets::new(move |settings| app.accept_secrets(settings));
        Ok(Serving { secrets, internal_addr })
    }
}
