//! The command line, and the life of a process that serves nothing else.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgMatches, Command};
use clock::SystemClock;
use server_runtime::{
    BadSetting, Lifecycle, Listener, Metrics, Settings, memory, settings, shutdown, telemetry,
    workers,
};

use crate::{App, Config, settings_table};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `main` does: reads the command line and the environment, and serves until it is told to
/// end. What keeps it from starting is one line on standard error.
pub fn run() -> ExitCode {
    memory::hide();
    let table = settings_table();
    let matches = settings::parse_or_exit(command(&table));
    match start(&table, &matches) {
        Ok(code) => code,
        Err(error) => {
            let bad = error.is::<BadSetting>();
            // Where standard error is gone there is nobody to tell.
            let line = format!("{error:#}").replace(['\n', '\r'], " ");
            let _ = writeln!(std::io::stderr(), "business-service: {line}");
            if bad { ExitCode::from(BadSetting::EXIT_CODE) } else { ExitCode::FAILURE }
        }
    }
}

fn command(table: &[server_runtime::Setting]) -> Command {
    let command = Command::new("business-service")
        .version(VERSION)
        .about("The service behind the door: data that only a live session may see.");
    Settings::command(command, table)
}

fn start(table: &[server_runtime::Setting], matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(table, matches, &|name| std::env::var_os(name))?;
    let config = Config::read(&settings)?;
    if matches.subcommand_name() == Some("config") {
        server_runtime::output::print(&config.in_force(&settings).print())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = workers::runtime()?;
    if matches.subcommand_name() == Some("healthcheck") {
        return Ok(runtime.block_on(server_runtime::healthcheck(config.addr)));
    }
    // The last spans and lines leave once the runtime has nothing more to do.
    let _telemetry = telemetry::init(&settings, ("business-service", VERSION))?;
    settings.warn_of_misspelt(std::env::vars_os());
    runtime.block_on(serve(&config))
}

/// Serves both listeners until the process is told to end.
///
/// # Errors
///
/// If signals cannot be caught, an address cannot be listened on, or the client of the auth service cannot be set up.
pub async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let signals = shutdown::Signals::catch()?;
    let lifecycle = Lifecycle::new(config.drain_delay).with_workers(config.workers)?;
    let metrics = Metrics::new(VERSION);
    let app = App::build(config, &lifecycle, &metrics, Arc::new(SystemClock::new()))?;
    let public = Listener::bind("business", config.addr).await?;
    let internal = Listener::bind("business-internal", config.internal_addr).await?.with_reserve();
    public.serve(app.public_router(), &lifecycle);
    internal.serve(app.internal_router(), &lifecycle);
    Ok(shutdown::run(&lifecycle, signals).await)
}
