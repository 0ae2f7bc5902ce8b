//! Settings: one table decides flag, variable, default, help and what is accepted.
//!
//! `--help`, every error and `config print` are derived from the table; nothing else names a
//! setting twice. What the values mean is the caller's business.

mod bad;
mod command;
mod mask;
mod misspelt;
mod parse;
mod process;
mod read;

pub use bad::BadSetting;
pub use command::{parse_or_exit, with_long_flags};
pub use mask::{mask_url, mask_urls};
pub use parse::{
    BOOLEAN, DURATION, POSITIVE_DURATION, PROXY_NETWORKS, RATE, Rate, SOCKET_ADDR, boolean,
    duration, list, positive_duration, proxy_networks, rate, socket_addr, written,
};
pub use process::COMMON;
pub use read::{Settings, Source};

/// One setting: how it is given and what is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable; also the setting's name everywhere in the code.
    pub variable: &'static str,
    /// The flag without its dashes; `None` where there is none, as for every secret.
    pub flag: Option<&'static str>,
    /// What holds where nothing is given, as one would write it.
    pub default: Option<&'static str>,
    /// What may be given, for `--help` and for errors: "a duration such as 30s".
    pub accepted: &'static str,
    /// What it is for, in one sentence.
    pub help: &'static str,
    /// Whether it is never shown. A secret has no flag, and may come from a file.
    pub secret: bool,
    /// Whether it is a URL, which may have a secret in it: only what is harmless is shown.
    pub url: bool,
}

impl Setting {
    /// A setting that only a variable gives, without a default.
    pub const fn variable(
        variable: &'static str,
        accepted: &'static str,
        help: &'static str,
    ) -> Self {
        Self { variable, flag: None, default: None, accepted, help, secret: false, url: false }
    }

    /// A secret: no flag, never shown, and `X_FILE` may name a file that holds it.
    pub const fn secret(
        variable: &'static str,
        accepted: &'static str,
        help: &'static str,
    ) -> Self {
        Self { secret: true, ..Self::variable(variable, accepted, help) }
    }

    /// The same, also given by the flag `--flag`.
    #[must_use]
    pub const fn with_flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// The same, as a setting that is a URL, or several.
    #[must_use]
    pub const fn as_url(self) -> Self {
        Self { url: true, ..self }
    }

    /// The same, with what holds where nothing is given.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}
