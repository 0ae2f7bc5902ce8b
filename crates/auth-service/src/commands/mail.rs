//! `auth-service mail test ADDRESS`: sends one mail as the service would, and says what became of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Arg, ArgMatches, Command};
use clock::{Clock as _, SystemClock};

use super::output;
use crate::config::Config;
use crate::start::{open_mail, random_id};

/// What `AUTH_MAIL_URL` must be for this command.
pub(super) const ACCEPTED: &str =
    "smtp://HOST:PORT, smtps://HOST:PORT or file:DIR here: without one no mail is sent";
/// How long it is tried.
const LIMIT: Duration = Duration::from_secs(30);

/// The subcommand and its own.
pub(super) fn command() -> Command {
    let address = Arg::new("address").value_name("ADDRESS").required(true).help("Where it goes");
    let test = Command::new("test")
        .about("Sends a mail to ADDRESS by AUTH_MAIL_URL, once, and says whether it was taken")
        .arg(address);
    Command::new("mail").about("About mail").subcommand_required(true).subcommand(test)
}

/// Does what the command line says.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some(("test", matches)) = matches.subcommand() else { bail!("no such command") };
    let address = matches.get_one::<String>("address").context("no address was named")?;
    let mail = open_mail(config)?.context("AUTH_MAIL_URL is not set")?;
    let now_ms = SystemClock::new().unix_ms();
    let message = mail.writer().write_test(random_id()?, address, now_ms)?;
    let sending = async {
        let mut connection = mail.transport().connect().await?;
        connection.send(&message).await?;
        connection.close().await;
        Ok::<(), crate::mail::Failure>(())
    };
    let sent = tokio::time::timeout(LIMIT, sending).await;
    sent.map_err(|_| anyhow!("no answer within {} s", LIMIT.as_secs()))??;
    Ok(output::print(format_args!("sent to {}", message.to))?)
}
