//! The command line of `reinflate`, and the life of a process that serves both services.

use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use clap::{ArgMatches, Command};
use clock::{Clock, SystemClock};
use server_runtime::settings::parse_or_exit;
use server_runtime::{
    BadSetting, Lifecycle, Listener, Metrics, Setting, Settings, StartError, memory, output,
    shutdown, telemetry, workers,
};

use crate::banner::Banner;
use crate::plan::{Plan, has_demo_user, local_url, table};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the `reinflate` binary.
pub fn main() -> ExitCode {
    memory::hide();
    let table = table();
    let matches = parse_or_exit(command(&table));
    let settings = Settings::read(&table, &matches, &|variable| std::env::var_os(variable));
    match settings.and_then(Plan::read) {
        Ok(plan) => start(plan, &matches),
        Err(bad) => fail(BadSetting::EXIT_CODE, bad),
    }
}

fn start(plan: Plan, matches: &ArgMatches) -> ExitCode {
    if matches.subcommand_name() == Some("config") {
        return match output::print(&plan.print()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, error),
        };
    }
    let runtime = match workers::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, format_args!("the runtime cannot be started: {error}")),
    };
    if matches.subcommand_name() == Some("healthcheck") {
        // The business service is ready only while the auth service is.
        let asked = if plan.joined { plan.auth.public_addr } else { plan.business.addr };
        return runtime.block_on(server_runtime::healthcheck(asked));
    }
    // The last spans and lines leave once the runtime has nothing more to do.
    let _telemetry = match telemetry::init(plan.settings(), ("reinflate", VERSION)) {
        Ok(traces) => traces,
        Err(bad) => return fail(BadSetting::EXIT_CODE, bad),
    };
    plan.settings().warn_of_misspelt(std::env::vars_os());
    match runtime.block_on(serve(plan)) {
        Ok(code) => code,
        Err((code, error)) => fail(code, error),
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
    async fn bind(plan: &Plan) -> Result<Self, StartError> {
        Ok(Self {
            public: Listener::bind("public", plan.auth.public_addr).await?,
            internal: Listener::bind("internal", plan.auth.internal_addr).await?.with_reserve(),
            business: if plan.joined {
                None
            } else {
                Some(Listener::bind("business", plan.business.addr).await?)
            },
            business_internal: Listener::bind("business-internal", plan.business.internal_addr)
                .await?
                .with_reserve(),
        })
    }

    /// Where the business service is reached.
    fn business_addr(&self) -> SocketAddr {
        self.business.as_ref().unwrap_or(&self.public).local_addr()
    }
}

type Failure = (u8, String);

async fn serve(plan: Plan) -> Result<ExitCode, Failure> {
    let failed = |error: StartError| (1, error.to_string());
    let bad = |bad: BadSetting| (BadSetting::EXIT_CODE, bad.to_string());
    let signals = shutdown::Signals::catch().map_err(failed)?;
    let lifecycle =
        Lifecycle::new(plan.auth.drain_delay).with_workers(plan.auth.workers).map_err(failed)?;
    let listeners = Listeners::bind(&plan).await.map_err(failed)?;
    let (public, internal) = (listeners.public.local_addr(), listeners.internal.local_addr());
    let plan = plan.with_addresses(public, internal, listeners.business_addr()).map_err(bad)?;
    let banner = Banner {
        auth: local_url(public),
        business: local_url(listeners.business_addr()),
        internal: local_url(internal),
        demo: has_demo_user(plan.settings())
            .then_some((auth_service::DEMO_EMAIL, auth_service::DEMO_PASSWORD)),
        users_in_memory: plan.users_in_memory(),
    };
    open(plan, listeners, &lifecycle).await?;
    // The log is on standard output, in one format; the greeting is not part of it.
    // From a thread of its own: standard error may be a pipe that nobody reads.
    std::thread::spawn(move || std::io::stderr().write_all(banner.text().as_bytes()));
    Ok(shutdown::run(&lifecycle, signals).await)
}

async fn open(plan: Plan, listeners: Listeners, lifecycle: &Lifecycle) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Metrics::new(VERSION);
    let business =
        business_service::App::build(&plan.business, lifecycle, &metrics, Arc::clone(&clock))
            .map_err(|error| (1, error.to_string()))?;
    let auth = auth_service::Service::open(plan.auth, clock, lifecycle)
        .await
        .map_err(|error| (1, error.to_string()))?;
    // The business service asks there for every request that it still answers.
    auth.serve_internal(listeners.internal, &lifecycle.last());
    listeners.business_internal.serve(business.internal_router(), lifecycle);
    if let Some(listener) = listeners.business {
        auth.serve_public(listeners.public, lifecycle);
        listener.serve(business.public_router(), lifecycle);
    } else {
        listeners.public.serve(joined(&auth, &business), lifecycle);
    }
    Ok(())
}

/// Both services' public routes on one listener, with one document and one readiness.
fn joined(auth: &auth_service::Service, business: &business_service::App) -> Router {
    let (routes, described) = business.routes();
    let mut document = auth_service::Service::openapi();
    document.merge(described);
    let readiness = auth.readiness().clone().and(business.readiness()).without_notes();
    let read = readiness.routes().route("/openapi.json", get(async move || Json(document)));
    auth.finish(auth.public_part().merge(routes).merge(read))
}

fn command(table: &[Setting]) -> Command {
    let about = "Both services in one process: auth-service and the business-service that asks it";
    let command = Command::new("reinflate").about(about).version(VERSION);
    Settings::command(command, table)
}

fn fail(code: u8, error: impl Display) -> ExitCode {
    let line = error.to_string().replace(['\n', '\r'], " ");
    let _ = writeln!(std::io::stderr(), "reinflate: {line}");
    ExitCode::from(code)
}
