//! The life of a process, the same for every binary: command line, settings, log, signals, exit
//! code.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Command};
use http_server::{Lifecycle, StartError, runtime};

use crate::reload::{self, Secrets};
use crate::settings::{BadSetting, Row, Settings, parse_or_exit};
use crate::shutdown::{self, Signals, Uncaught};
use crate::sockets::{BadSockets, Sockets};
use crate::{healthcheck, memory, output, systemd, telemetry};

/// What one binary is. [`run`] does the rest.
pub trait Program: Sized {
    /// What the binary is called.
    const NAME: &'static str;
    /// The version that it shows, and that traces carry.
    const VERSION: &'static str;
    /// What it is, in one sentence, for `--help`.
    const ABOUT: &'static str;

    /// Every setting that it has.
    fn table() -> Vec<Row>;

    /// The names of its listeners, by which systemd may hand them over, each with the setting that
    /// otherwise says where it listens.
    fn listeners() -> Vec<(&'static str, Row)>;

    /// The subcommands that it has beside those of every process.
    fn subcommands() -> Vec<Command> {
        Vec::new()
    }

    /// Carries out one of its own subcommands that needs no settings; `None` for all others.
    fn run_without_settings(_subcommand: &str, _matches: &ArgMatches) -> Option<Outcome> {
        None
    }

    /// Reads its settings.
    ///
    /// # Errors
    ///
    /// The first setting that is not acceptable.
    fn read(settings: Settings) -> Result<Self, BadSetting>;

    /// Carries out one of its own subcommands; `None` where it has none of this name.
    fn run_subcommand(
        self,
        _subcommand: &str,
        _matches: &ArgMatches,
    ) -> impl Future<Output = Option<Outcome>> {
        std::future::ready(None)
    }

    /// The settings in force, with what was worked out for those that were not given.
    fn in_force(&self) -> Settings;

    /// The settings as they were given, for what every process reads itself.
    fn given(&self) -> &Settings;

    /// The address whose `/readyz` tells whether a running process is ready.
    fn readiness_addr(&self) -> SocketAddr;

    /// How long new requests are served after the signal to end.
    fn drain_delay(&self) -> Duration;

    /// How many threads serve connections.
    fn workers(&self) -> usize;

    /// Starts to serve under `lifecycle`, on those of `sockets` that were handed over, and returns
    /// once it does.
    fn serve(
        self,
        lifecycle: &Lifecycle,
        sockets: Sockets,
    ) -> impl Future<Output = Result<Serving, Failure>>;
}

/// A process that serves.
#[derive(Debug)]
pub struct Serving {
    /// What takes secrets that are read again from now on.
    pub secrets: Secrets,
    /// The listener whose probes tell of the process.
    pub internal_addr: SocketAddr,
}

/// What a command comes to.
pub type Outcome = Result<ExitCode, Failure>;

/// Why a process ends: one line on standard error, and an exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    /// A failure that no setting causes: exit code 1.
    pub fn new(error: impl Display) -> Self {
        Self::with_code(1, error)
    }

    /// The same, with what caused it.
    pub fn with_sources(error: impl Error) -> Self {
        let mut line = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            line = format!("{line}: {cause}");
            source = cause.source();
        }
        Self::new(line)
    }

    /// A failure with another exit code.
    pub fn with_code(code: u8, error: impl Display) -> Self {
        Self { code, line: error.to_string().replace(['\n', '\r'], " ") }
    }
}

impl From<BadSetting> for Failure {
    fn from(bad: BadSetting) -> Self {
        Self::with_code(BadSetting::EXIT_CODE, bad)
    }
}

impl From<BadSockets> for Failure {
    fn from(bad: BadSockets) -> Self {
        Self::with_code(BadSetting::EXIT_CODE, bad)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(error)
    }
}

impl From<Uncaught> for Failure {
    fn from(error: Uncaught) -> Self {
        Self::new(error)
    }
}

impl From<output::Unwritten> for Failure {
    fn from(error: output::Unwritten) -> Self {
        Self::new(error)
    }
}

/// Runs a binary: does what the command line says, which is to serve until a signal unless it names
/// a subcommand. What keeps the process from it is one line on standard error.
pub fn run<P: Program>() -> ExitCode {
    memory::hide();
    let table = P::table();
    let command =
        Command::new(P::NAME).about(P::ABOUT).version(P::VERSION).subcommands(P::subcommands());
    let matches = parse_or_exit(Settings::command(command, &table));
    obey::<P>(&table, &matches).unwrap_or_else(|failure| {
        // Where standard error is closed, the exit code is all that is left.
        let _ = writeln!(std::io::stderr(), "{}: {}", P::NAME, failure.line);
        ExitCode::from(failure.code)
    })
}

fn obey<P: Program>(table: &[Row], matches: &ArgMatches) -> Outcome {
    let mut settings = Settings::read(table, matches, &variable)?;
    let subcommand = matches.subcommand();
    if let Some((name, matches)) = subcommand
        && let Some(outcome) = P::run_without_settings(name, matches)
    {
        return outcome;
    }
    let sockets = match subcommand {
        Some(_) => Sockets::default(),
        None => take_sockets(&P::listeners(), &mut settings)?,
    };
    let program = P::read(settings)?;
    if let Some(("config", matches)) = subcommand {
        return config(&program, matches);
    }
    let runtime = runtime()
        .map_err(|error| Failure::new(format_args!("the runtime cannot be started: {error}")))?;
    match subcommand {
        Some(("healthcheck", _)) => Ok(runtime.block_on(healthcheck(program.readiness_addr()))),
        Some((name, matches)) => {
            let outcome = runtime.block_on(program.run_subcommand(name, matches));
            outcome.unwrap_or_else(|| Err(Failure::with_code(2, "no such command")))
        }
        None => {
            // The last spans and lines are sent when this is dropped, after the runtime has ended
            // its work.
            let _telemetry = telemetry::init(program.given(), (P::NAME, P::VERSION))?;
            program.given().warn_of_misspelt(std::env::vars_os());
            runtime.block_on(serve(program, sockets))
        }
    }
}

/// `config print` or `config check`: what a start reads has been read.
fn config<P: Program>(program: &P, matches: &ArgMatches) -> Outcome {
    if matches.subcommand_name() == Some("check") {
        telemetry::Options::read(program.given())?;
    } else {
        output::print(&program.in_force().print())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What systemd has handed over. The settings then say where each of them listens: what an address
/// means for the rest of the settings goes by where the process can be reached.
fn take_sockets(
    listeners: &[(&'static str, Row)],
    settings: &mut Settings,
) -> Result<Sockets, BadSockets> {
    let names: Vec<_> = listeners.iter().map(|(name, _)| *name).collect();
    let sockets = Sockets::handed_over(&names)?;
    for (name, row) in listeners {
        if let Some(addr) = sockets.addr(name) {
            settings.set_handed_over(row, addr);
        }
    }
    Ok(sockets)
}

async fn serve<P: Program>(program: P, sockets: Sockets) -> Outcome {
    let (signals, hang_ups) = (Signals::catch()?, shutdown::hang_ups()?);
    let lifecycle = Lifecycle::new(program.drain_delay()).with_workers(program.workers())?;
    let settings = program.given().clone();
    let Serving { secrets, internal_addr } = program.serve(&lifecycle, sockets).await?;
    let watch = reload::watch(secrets, settings, hang_ups, lifecycle.clone());
    lifecycle.spawn_critical("secrets", watch);
    lifecycle.spawn("systemd", systemd::notify(internal_addr, lifecycle.clone()));
    Ok(shutdown::run(&lifecycle, signals).await)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
