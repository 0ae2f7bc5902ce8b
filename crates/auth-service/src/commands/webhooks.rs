//! `auth-service webhooks test`: posts a signed example to each URL, and says what came back.

use std::process::ExitCode;

use anyhow::bail;
use clap::{ArgMatches, Command};
use clock::{Clock as _, SystemClock};

use super::output;
use crate::config::Config;
use crate::operations::webhooks::{Message, receivers};
use crate::start::random_id;

/// What `AUTH_WEBHOOK_URL` must be for this command.
pub(super) const ACCEPTED: &str = "a URL here: without one no events are posted";

/// The subcommand and its own.
pub(super) fn command() -> Command {
    let test = Command::new("test").about(
        "Posts a signed example to each URL of AUTH_WEBHOOK_URL, once, and says what came back",
    );
    Command::new("webhooks").about("About webhooks").subcommand_required(true).subcommand(test)
}

/// Does what the command line says.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (Some(("test", _)), Some(settings)) = (matches.subcommand(), &config.webhooks) else {
        bail!("no such command")
    };
    let (clock, keys) = (SystemClock::new(), settings.secrets.keys());
    let (mut lines, mut failed) = (Vec::new(), 0);
    for (number, receiver) in (1..).zip(receivers(settings)?) {
        let now_ms = clock.unix_ms();
        let example = Message::example(now_ms, &random_id()?.to_string())?;
        let began = clock.now();
        let sent_at = now_ms.div_euclid(1000);
        let posted = receiver.post(&keys, &example.id, sent_at, example.body).await;
        let took_ms = clock.now().saturating_sub(began).as_millis();
        let name = receiver.name();
        lines.push(match posted {
            Ok(status) => format!("{number} {name}: taken, it answered {status} in {took_ms} ms"),
            Err(failure) => {
                failed += 1;
                format!("{number} {name}: not taken, {failure}")
            }
        });
    }
    output::print(lines.join("\n"))?;
    if failed > 0 {
        bail!("{failed} of {} URLs did not take the example", lines.len());
    }
    Ok(ExitCode::SUCCESS)
}
