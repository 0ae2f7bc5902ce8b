//! The command line of `auth-service`: serving is what it does without a subcommand.

mod import;
mod key;
mod output;
mod password;
mod proxy;
mod sessions;
mod users;

use std::process::ExitCode;
use std::sync::Arc;

use ::users::OpenError;
use clap::{Arg, ArgMatches, Command};
use clock::{Clock, SystemClock};
use server_runtime::settings::{COMMON, parse_or_exit};
use server_runtime::shutdown::{self, Signals};
use server_runtime::{
    BadSetting, Lifecycle, Listener, Setting, Settings, StartError, memory, telemetry, workers,
};

use crate::config::{Config, SessionBackend, TABLE};
use crate::service::{OpenFailure, Service};
use output::fail;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the `auth-service` binary: reads the command line and the environment, does what they say
/// and gives the exit code.
pub fn main() -> ExitCode {
    memory::hide();
    let table = [TABLE, COMMON].concat();
    let matches = parse_or_exit(command(&table));
    match Settings::read(&table, &matches, &|variable| std::env::var_os(variable)) {
        Ok(settings) => start(&settings, &matches),
        Err(bad) => fail(BadSetting::EXIT_CODE, bad),
    }
}

fn start(settings: &Settings, matches: &ArgMatches) -> ExitCode {
    if let Some(("generate-key", matches)) = matches.subcommand() {
        return key::run(matches).unwrap_or_else(|error| fail(1, format_args!("{error:#}")));
    }
    if let Some(("proxy", matches)) = matches.subcommand() {
        return proxy::run(matches);
    }
    let config = match Config::read(settings) {
        Ok(config) => config,
        Err(bad) => return fail(BadSetting::EXIT_CODE, bad),
    };
    let runtime = match workers::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, format_args!("the runtime cannot be started: {error}")),
    };
    match matches.subcommand() {
        Some(("healthcheck", _)) => {
            runtime.block_on(server_runtime::healthcheck(config.public_addr))
        }
        Some(("config", _)) => output::print(config.in_force(settings).print()),
        Some(("users", _)) if config.directory.database.is_in_memory() => {
            fail(BadSetting::EXIT_CODE, settings.refuse("AUTH_DATABASE_URL", users::ACCEPTED))
        }
        Some(("users", matches)) => or_fail(runtime.block_on(users::run(config, matches))),
        Some(("sessions", _)) if matches!(config.session_store, SessionBackend::Memory) => {
            fail(BadSetting::EXIT_CODE, settings.refuse("AUTH_SESSION_STORE", sessions::ACCEPTED))
        }
        Some(("sessions", matches)) => or_fail(runtime.block_on(sessions::run(config, matches))),
        _ => match telemetry::init(settings, ("auth-service", VERSION)) {
            // The last spans and lines leave once the runtime has nothing more to do.
            Ok(_telemetry) => {
                settings.warn_of_misspelt(std::env::vars_os());
                runtime.block_on(serve(config))
            }
            Err(bad) => fail(BadSetting::EXIT_CODE, bad),
        },
    }
}

async fn serve(config: Config) -> ExitCode {
    match run(config).await {
        Ok(code) => code,
        Err((code, error)) => fail(code, error),
    }
}

async fn run(config: Config) -> Result<ExitCode, (u8, String)> {
    let failed = |error: StartError| (1, error.to_string());
    let signals = Signals::catch().map_err(failed)?;
    let lifecycle =
        Lifecycle::new(config.drain_delay).with_workers(config.workers).map_err(failed)?;
    let (public, internal) = (config.public_addr, config.internal_addr);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let service = Service::open(config, clock, &lifecycle)
        .await
        .map_err(|error| (exit_code(&error), error.to_string()))?;
    let public = Listener::bind("public", public).await.map_err(failed)?;
    let internal = Listener::bind("internal", internal).await.map_err(failed)?.with_reserve();
    service.serve(public, internal, &lifecycle);
    Ok(shutdown::run(&lifecycle, signals).await)
}

/// The outcome of a command that opens stores.
fn or_fail(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        let code = error.downcast_ref().map_or(1, exit_code);
        fail(code, format_args!("{error:#}"))
    })
}

/// A setting that is wrong, or a store that is out of reach.
const fn exit_code(error: &OpenFailure) -> u8 {
    match error {
        OpenFailure::Users(OpenError::Setting(_)) => BadSetting::EXIT_CODE,
        OpenFailure::Users(
            OpenError::Missing(_)
            | OpenError::Unreachable(_)
            | OpenError::Migration(_)
            | OpenError::SameName(_),
        )
        | OpenFailure::Sessions(_)
        | OpenFailure::Foreign(_) => 1,
    }
}

fn command(table: &[Setting]) -> Command {
    let about = "Issues session tokens that stay alive while they are used, and says who they are";
    let command = Command::new("auth-service")
        .about(about)
        .version(VERSION)
        .subcommand(key::command())
        .subcommand(proxy::command())
        .subcommand(sessions::command())
        .subcommand(users::command());
    Settings::command(command, table)
}

/// The argument that names a user.
fn email() -> Arg {
    Arg::new("email").value_name("EMAIL").required(true).help("The user's e-mail address")
}
