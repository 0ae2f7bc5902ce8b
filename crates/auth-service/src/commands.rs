//! What the binary `auth-service` is: serving is what it does without a subcommand.

mod backup;
mod confirm;
mod import;
mod internal_listener;
mod key;
mod mail;
mod output;
mod password;
mod proxy;
mod selection;
mod sessions;
mod users;
mod webhooks;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Command};
use clock::SystemClock;
use server_runtime::process::{self, Failure, Outcome, Program, Serving};
use server_runtime::settings::{COMMON, Row};
use server_runtime::{BadSetting, Lifecycle, Secrets, Settings, Sockets};

use crate::config::settings::{
    DATABASE_URL, INTERNAL_ADDR, MAIL_URL, PUBLIC_ADDR, SESSION_STORE, TABLE, WEBHOOK_URL,
};
use crate::config::{Config, SessionBackend};
use crate::open_failure::OpenFailure;
use crate::service::Service;

/// Runs the `auth-service` binary: reads the command line and the environment, does what they say
/// and gives the exit code.
pub fn main() -> ExitCode {
    process::run::<AuthService>()
}

struct AuthService {
    settings: Settings,
    config: Config,
}

impl Program for AuthService {
    const NAME: &'static str = "auth-service";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str =
        "Issues session tokens that stay alive while they are used, and says who they are";

    fn table() -> Vec<Row> {
        [TABLE, COMMON].concat()
    }

    fn listeners() -> Vec<(&'static str, Row)> {
        vec![("public", PUBLIC_ADDR.row()), ("internal", INTERNAL_ADDR.row())]
    }

    fn subcommands() -> Vec<Command> {
        vec![
            key::command(),
            mail::command(),
            proxy::command(),
            sessions::command(),
            users::command(),
            webhooks::command(),
        ]
    }

    fn run_without_settings(subcommand: &str, matches: &ArgMatches) -> Option<Outcome> {
        match subcommand {
            "generate-key" => Some(key::run(matches).map_err(|error| command_failed(&error))),
            "proxy" => Some(proxy::run(matches)),
            _ => None,
        }
    }

    fn read(settings: Settings) -> Result<Self, BadSetting> {
        Ok(Self { config: Config::read(&settings)?, settings })
    }

    async fn run_subcommand(self, subcommand: &str, matches: &ArgMatches) -> Option<Outcome> {
        let Self { settings, config } = self;
        let outcome = match subcommand {
            "users" if config.directory.database.is_in_memory() => {
                return Some(Err(settings.refuse(&DATABASE_URL, users::ACCEPTED).into()));
            }
            "users" => users::run(config, matches).await,
            "mail" if config.mail.is_none() => {
                return Some(Err(settings.refuse(&MAIL_URL, mail::ACCEPTED).into()));
            }
            "mail" => mail::run(&config, matches).await,
            "webhooks" if config.webhooks.is_none() => {
                return Some(Err(settings.refuse(&WEBHOOK_URL, webhooks::ACCEPTED).into()));
            }
            "webhooks" => webhooks::run(&config, matches).await,
            "sessions"
                if matches!(config.session_store, SessionBackend::Memory)
                    && !sessions::works_with_any_store(matches) =>
            {
                return Some(Err(settings.refuse(&SESSION_STORE, sessions::ACCEPTED).into()));
            }
            "sessions" => sessions::run(config, matches).await,
            _ => return None,
        };
        Some(outcome.map_err(|error| command_failed(&error)))
    }

    fn in_force(&self) -> Settings {
        self.config.in_force(&self.settings)
    }

    fn given(&self) -> &Settings {
        &self.settings
    }

    fn readiness_addr(&self) -> SocketAddr {
        self.config.public_addr
    }

    fn drain_delay(&self) -> Duration {
        self.config.drain_delay
    }

    fn workers(&self) -> usize {
        self.config.workers
    }

    async fn serve(self, lifecycle: &Lifecycle, mut sockets: Sockets) -> Result<Serving, Failure> {
        let (public, internal) = (self.config.public_addr, self.config.internal_addr);
        let service = Service::open(self.config, Arc::new(SystemClock::new()), lifecycle)
            .await
            .map_err(|error| Failure::with_code(error.exit_code(), error))?;
        let public = sockets.listener("public", public).await?;
        let internal = sockets.listener("internal", internal).await?.with_reserve();
        let internal_addr = internal.local_addr();
        service.serve(public, internal, lifecycle);
        let secrets = Secrets::new(move |settings| service.accept_secrets(settings));
        Ok(Serving { secrets, internal_addr })
    }
}

/// The failure of a command, which may be that of a store that it opened.
fn command_failed(error: &anyhow::Error) -> Failure {
    let code = error.downcast_ref().map_or(1, OpenFailure::exit_code);
    Failure::with_code(code, format_args!("{error:#}"))
}
