//! The settings of the service, read once at the start and checked whole.

mod mail;
mod origins;
mod parse;
mod read;
#[cfg(test)]
mod refusal_tests;
pub mod settings;
mod warnings;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use server_runtime::settings::{DRAIN_DELAY, Row, WORKERS, written};
use server_runtime::{AllowedHosts, BadSetting, Rate, Settings};
use session::{Binding, Durability, EventRetention, Lifetimes, RedisAddress};
use url::Url;
use users::DirectoryOptions;

use crate::http::client_addresses::ClientAddresses;
use crate::http::cookie::SessionCookie;
use crate::internal_keys::InternalKeys;

pub(crate) use mail::{MailCredentials, MailSecurity, MailServer, MailSettings};
pub(crate) use warnings::Warnings;
pub(crate) use webhooks::{WebhookKeys, WebhookSecrets, WebhookSettings, WebhookTypes};

/// The longest lifetime of a single-use token.
const SINGLE_USE_MAX: Duration = Duration::from_hours(7 * 24);
/// Idle time of a browser session, where none is set.
const COOKIE_TTL: Duration = Duration::from_hours(7 * 24);
/// The same in demo mode: short enough to watch.
const DEMO_COOKIE_TTL: Duration = Duration::from_secs(30);

/// The settings of the service, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everybody may ask.
    pub public_addr: SocketAddr,
    /// Where backends and proxies ask.
    pub internal_addr: SocketAddr,
    /// What callers of the internal listener must show one of.
    pub internal_keys: Option<InternalKeys>,
    /// Where people reach the public listener.
    pub public_url: Url,
    /// Where sessions live.
    pub session_store: SessionBackend,
    /// The users' database, their passwords' rules and hashing.
    pub directory: DirectoryOptions,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// What sessions are bound to.
    pub binding: Binding,
    /// How often the sweeper runs; `None` for never.
    pub sweep_interval: Option<Duration>,
    /// Whether anyone may create an account.
    pub open_signup: bool,
    /// How mail is sent; `None` for not at all.
    pub(crate) mail: Option<MailSettings>,
    /// How events are posted; `None` for not at all.
    pub(crate) webhooks: Option<WebhookSettings>,
    /// What pages and mails call the place.
    pub(crate) site_name: String,
    /// How often a login may fail, and tokens may be minted.
    pub attempts: AttemptRates,
    /// How long new requests are served after the signal to end.
    pub drain_delay: Duration,
    /// How many events are stored, and for how long.
    pub events: EventRetention,
    /// How many threads serve connections.
    pub workers: usize,
    /// Whether the demo user exists.
    pub demo: bool,
    /// The hosts that the public listener answers for; `None` for every one.
    pub allowed_hosts: Option<AllowedHosts>,
    pub(crate) redirect_origins: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) cookie: SessionCookie,
    pub(crate) client_addresses: ClientAddresses,
    pub(crate) warnings: Warnings,
}

/// Where sessions, and the counts of failed logins, live.
#[derive(Clone, Debug)]
pub enum SessionBackend {
    /// In this process.
    Memory,
    /// In this process, and in a file that outlives it.
    File {
        /// Where that is.
        path: PathBuf,
        /// What an answer outlives.
        durability: Durability,
    },
    /// In Redis or Valkey, where other nodes share them.
    Redis {
        /// Where that is.
        address: RedisAddress,
        /// Whether a revocation counts only once a replica has it.
        wait_for_replica: bool,
    },
}

/// How often a login may fail, and tokens may be minted.
#[derive(Clone, Copy, Debug)]
pub struct AttemptRates {
    /// For one account from one address.
    pub pair: Rate,
    /// For one account from everywhere.
    pub account: Rate,
    /// From one address for all accounts.
    pub address: Rate,
    /// Tokens that one user mints.
    pub mints: Rate,
    /// Logins from one address, right ones too.
    pub logins: Rate,
}

impl Config {
    /// The name of the session cookie.
    pub fn cookie_name(&self) -> &str {
        &self.cookie.name
    }

    /// Reads the service's part of the settings.
    ///
    /// # Errors
    ///
    /// The first setting that is not acceptable, in one line.
    pub fn read(settings: &Settings) -> Result<Self, BadSetting> {
        let demo = settings.get(&settings::DEMO)?;
        let public_url = settings.get(&settings::PUBLIC_URL)?;
        let cookie = read::cookie(settings, demo, &public_url)?;
        let sweep_interval = settings.get(&settings::SWEEP_INTERVAL)?;
        let mut config = Self {
            public_addr: settings.public_addr(&settings::PUBLIC_ADDR)?,
            internal_addr: settings.get(&settings::INTERNAL_ADDR)?,
            internal_keys: settings.get(&settings::INTERNAL_KEY)?,
            session_store: read::session_store(settings)?,
            directory: read::directory(settings, demo)?,
            lifetimes: read::lifetimes(settings, demo)?,
            binding: settings.get(&settings::BIND_SESSIONS)?.unwrap_or_default(),
            events: EventRetention {
                keep: settings.get(&settings::EVENTS_KEEP)?,
                limit: settings.get(&settings::EVENTS_LIMIT)?,
            },
            sweep_interval: Some(sweep_interval).filter(|interval| !interval.is_zero()),
            open_signup: settings.get(&settings::OPEN_SIGNUP)?,
            mail: mail::read(settings)?,
            webhooks: webhooks::read(settings)?,
            site_name: settings.get(&settings::SITE_NAME)?,
            attempts: read::attempts(settings)?,
            drain_delay: settings.get(&DRAIN_DELAY)?,
            workers: server_runtime::workers::count(settings)?,
            demo,
            allowed_hosts: read::allowed_hosts(settings, demo, &public_url)?,
            public_url,
            redirect_origins: settings.get(&settings::REDIRECT_ORIGINS)?.unwrap_or_default(),
            allowed_origins: settings.get(&settings::ALLOWED_ORIGINS)?.unwrap_or_default(),
            cookie,
            client_addresses: ClientAddresses::new(
                settings.get(&settings::TRUSTED_PROXIES)?.unwrap_or_default(),
                settings.get(&settings::CLIENT_IP_HEADER)?,
            ),
            warnings: Warnings::default(),
        };
        read::check_combinations(settings, &config)?;
        config.warnings = Warnings::of(settings, &config)?;
        Ok(config)
    }

    /// The settings, with what was worked out for those that were not given.
    #[must_use]
    pub fn in_force(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        let worked_out: [(&Row, String); 6] = [
            (&settings::PUBLIC_ADDR, self.public_addr.to_string()),
            (&settings::SESSION_TTL, written(self.lifetimes.cookie.0)),
            (&settings::COOKIE_SECURE, self.cookie.secure.to_string()),
            (&settings::COOKIE_NAME, self.cookie.name.clone()),
            (&settings::PASSWORD_THREADS, self.directory.hashing.permits.to_string()),
            (&WORKERS, self.workers.to_string()),
        ];
        for (row, value) in worked_out {
            settings.set_default(row, value);
        }
        settings
    }
}
