//! `auth-service sessions`: gives a store of sessions to another users' database, has it copied, lists
//! and ends what is in it.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use clock::{Clock, SystemClock};
use session::{Cause, EventContext, Sessions};
use tokio_util::task::TaskTracker;
use users::{Directory, OpenError};

use super::{backup, confirm, output, selection};
use crate::backend::Backend;
use crate::config::Config;
use crate::open_failure::OpenFailure;

/// What `AUTH_SESSION_STORE` must be for the commands that open it, or have its file copied.
pub(super) const ACCEPTED: &str = "sqlite:PATH, redis://…, rediss://… or redis-cluster://… here: sessions in memory end with their service";

/// The subcommand and its own.
pub(super) fn command() -> Command {
    let yes = Arg::new("yes").long("yes").action(ArgAction::SetTrue).help("Does not ask");
    let adopt = Command::new("adopt")
        .about(
            "Ends all sessions in AUTH_SESSION_STORE and gives it to the users of \
             AUTH_DATABASE_URL, while no service runs",
        )
        .arg(yes);
    Command::new("sessions")
        .about("Manages sessions")
        .subcommand_required(true)
        .subcommand(adopt)
        .subcommand(backup::command())
        .subcommand(selection::list_command())
        .subcommand(selection::end_command())
}

/// Whether a command asks the running service, wherever that has its sessions.
pub(super) fn works_with_any_store(matches: &ArgMatches) -> bool {
    matches!(matches.subcommand_name(), Some("list" | "end"))
}

/// Does what the command line says.
pub(super) async fn run(config: Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("adopt", matches)) => adopt(config, matches.get_flag("yes")).await,
        Some(("backup", matches)) => backup::run(&config, matches).await,
        Some(("list", matches)) => selection::list(&config, matches).await,
        Some(("end", matches)) => selection::end(&config, matches).await,
        _ => bail!("no such command"),
    }
}

async fn adopt(config: Config, yes: bool) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let shown = config.directory.database.to_string();
    let directory = Directory::open_existing(config.directory, Arc::clone(&clock)).await;
    let directory = directory.map_err(|error| match error {
        OpenError::Missing(_) => anyhow!("{error}: set AUTH_DATABASE_URL to the service's"),
        error => OpenFailure::Users(error).into(),
    })?;
    let id = directory.identity().await?;
    let mut backend =
        Backend::open(config.session_store, &clock, config.events, Box::new(|_| {})).await?;
    let tasks = TaskTracker::new();
    let stop_writing = backend.write_beside(&tasks);
    let store = Arc::clone(&backend.sessions);
    let question = format!(
        "End all sessions in AUTH_SESSION_STORE, and give it to the users of {shown} ({id})? [y/N] "
    );
    if !yes && !confirm::is_answered_with_yes(&question)? {
        bail!("nothing was changed");
    }
    let sessions = Sessions::new(backend.sessions, clock, config.lifetimes, config.binding);
    let context = EventContext::without_client(Cause::RevokedByAdmin);
    let mut ended = sessions.end_everybody(None, &context).await?;
    store.reassign(id).await?;
    // A service that still runs for the other database asks whose store it is after each session
    // that it opens: what it opened before it could see the new one is there by now.
    ended += sessions.end_everybody(None, &context).await?;
    stop_writing.cancel();
    tasks.close();
    tasks.wait().await;
    directory.close().await;
    let sessions = if ended == 1 { "session" } else { "sessions" };
    Ok(output::print(format_args!(
        "{ended} {sessions} ended; the store belongs to {shown} ({id})"
    ))?)
}
