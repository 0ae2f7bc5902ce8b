//! `auth-service sessions backup FILE`: has the running service write a copy of its session file.
//! Only the service opens that file, so the request goes to its internal listener.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::internal_listener::InternalListener;
use super::output;
use crate::config::Config;
use crate::http::api::backup::BackupRequest;

/// The subcommand.
pub(super) fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(std::path::PathBuf))
        .help("Where to write it, on the service's machine; nothing may be there");
    Command::new("backup").about("Has the running service copy its session file").arg(file)
}

/// Does it.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches.get_one::<std::path::PathBuf>("file").context("FILE is missing")?;
    let path = std::path::absolute(file).context("FILE is no path")?;
    let listener = InternalListener::of(config)?;
    let text = path.to_str().context("FILE is no UTF-8")?.to_owned();
    let body = serde_json::to_string(&BackupRequest { path: text })?;
    listener.ask("POST", "/sessions/backup", Some(&body)).await?;
    Ok(output::print(format_args!("{}", path.display()))?)
}
