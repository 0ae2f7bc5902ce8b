//! What the binary `reinflate` is: both services in one process.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth_service::settings as auth;
use axum::routing::get;
use axum::{Json, Router};
use business_service::settings as business;
use clock::{Clock, SystemClock};
use server_runtime::process::{self, Failure, Program, Serving};
use server_runtime::settings::Row;
use server_runtime::{
    BadSetting, Lifecycle, Listener, Metrics, Secrets, Settings, Sockets, StartError,
};

use crate::banner::Banner;
use crate::in_process::InProcess;
use crate::plan::{Plan, local_url, share_internal_key, table};

/// Runs the `reinflate` binary.
pub fn main() -> ExitCode {
    process::run::<Plan>()
}

impl Program for Plan {
    const NAME: &'static str = "reinflate";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str =
        "Both services in one process: auth-service and the business-service that asks it";

    fn table() -> Vec<Row> {
        table()
    }

    fn listeners() -> Vec<(&'static str, Row)> {
        vec![
            ("public", auth::PUBLIC_ADDR.row()),
            ("internal", auth::INTERNAL_ADDR.row()),
            ("business", business::ADDR.row()),
            ("business-internal", business::INTERNAL_ADDR.row()),
        ]
    }

    fn read(settings: Settings) -> Result<Self, BadSetting> {
        Self::from_settings(settings)
    }

    fn in_force(&self) -> Settings {
        self.business.in_force(&self.auth.in_force(self.settings()))
    }

    fn given(&self) -> &Settings {
        self.settings()
    }

    /// The business service is ready only while the auth service is.
    fn readiness_addr(&self) -> SocketAddr {
        if self.joined { self.auth.public_addr } else { self.business.addr }
    }

    fn drain_delay(&self) -> Duration {
        self.auth.drain_delay
    }

    fn workers(&self) -> usize {
        self.auth.workers
    }

    async fn serve(self, lifecycle: &Lifecycle, sockets: Sockets) -> Result<Serving, Failure> {
        let listeners = Listeners::open(&self, sockets).await?;
        let (public, internal) = (listeners.public.local_addr(), listeners.internal.local_addr());
        let plan = self.with_addresses(public, internal, listeners.business_addr())?;
        let banner = Banner {
            auth: local_url(public),
            business: local_url(listeners.business_addr()),
            internal: local_url(internal),
            demo: plan.auth.demo.then_some((auth_service::DEMO_EMAIL, auth_service::DEMO_PASSWORD)),
            users_in_memory: plan.users_in_memory(),
        };
        let secrets = open(plan, listeners, lifecycle).await?;
        // The log is on standard output, in one format; the greeting is not part of it.
        // From a thread of its own: standard error may be a pipe that is not read.
        std::thread::spawn(move || std::io::stderr().write_all(banner.text().as_bytes()));
        Ok(Serving { secrets, internal_addr: internal })
    }
}

/// The listeners of both services; one fewer where they are joined.
struct Listeners {
    public: Listener,
    internal: Listener,
    business: Option<Listener>,
    business_internal: Listener,
}

impl Listeners {
    async fn open(plan: &Plan, mut sockets: Sockets) -> Result<Self, StartError> {
        Ok(Self {
            public: sockets.listener("public", plan.auth.public_addr).await?,
            internal: sockets.listener("internal", plan.auth.internal_addr).await?.with_reserve(),
            business: if plan.joined {
                None
            } else {
                Some(sockets.listener("business", plan.business.addr).await?)
            },
            business_internal: sockets
                .listener("business-internal", plan.business.internal_addr)
                .await?
                .with_reserve(),
        })
    }

    /// Where the business service is reached.
    fn business_addr(&self) -> SocketAddr {
        self.business.as_ref().unwrap_or(&self.public).local_addr()
    }
}

async fn open(
    mut plan: Plan,
    listeners: Listeners,
    lifecycle: &Lifecycle,
) -> Result<Secrets, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Metrics::new(Plan::VERSION);
    let auth = auth_service::Service::open(plan.auth, Arc::clone(&clock), lifecycle)
        .await
        .map_err(Failure::new)?;
    if plan.in_process {
        plan.business.auth.validator = Some(Arc::new(InProcess(auth.clone())));
    }
    let business = business_service::App::build(&plan.business, lifecycle, &metrics, clock)
        .map_err(Failure::new)?;
    // The business service asks there as long as it answers requests.
    auth.serve_internal(listeners.internal, &lifecycle.closing_last());
    listeners.business_internal.serve(business.internal_router(), lifecycle);
    if let Some(listener) = listeners.business {
        auth.serve_public(listeners.public, lifecycle);
        listener.with_small_responses().serve(business.public_router(), lifecycle);
    } else {
        listeners.public.serve(joined(&auth, &business), lifecycle);
    }
    Ok(Secrets::new(move |settings| {
        let mut settings = settings.clone();
        share_internal_key(&mut settings)?;
        let (auth, business) =
            (auth.accept_secrets(&settings)?, business.accept_secrets(&settings)?);
        Ok(Box::new(move || {
            auth();
            business();
        }))
    }))
}

/// Both services' public routes on one listener, with one document and one readiness.
fn joined(auth: &auth_service::Service, business: &business_service::App) -> Router {
    let (routes, described) = business.routes();
    let mut document = auth.openapi();
    document.merge(described);
    let readiness = auth.readiness().clone().and(business.readiness()).without_notes();
    let read = readiness.routes().route("/openapi.json", get(async move || Json(document)));
    auth.finish(auth.public_part().merge(routes).merge(read))
}
