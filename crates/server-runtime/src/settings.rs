//! Settings: one row decides name, flag, default, help and what is accepted, and reads the value.
//!
//! A row is a constant, [`Setting`], and a process asks for its value by that constant:
//! `settings.get(&TOKEN_TTL)`. A name that is misspelt in our own code does not compile.
//! [`settings_table!`](crate::settings_table) makes the rows and the table of them in one place;
//! `--help`, every error, `config print` and the documentation are derived from that table. What
//! the values mean together is the caller's business.

mod bad;
mod command;
mod mask;
mod misspelt;
mod parse;
mod process;
mod read;
mod table;

use std::ops::Deref;

pub use bad::BadSetting;
pub use command::{parse_or_exit, with_long_flags};
pub use mask::{mask_url, mask_urls};
pub use parse::{
    BOOLEAN, DURATION, POSITIVE_DURATION, PROXY_NETWORKS, Parser, RATE, Rate, SOCKET_ADDR, TEXT,
    duration, list, within, written,
};
pub use process::{
    COMMON, DRAIN_DELAY, LOG_FORMAT, OTEL_ENDPOINT, OTEL_SERVICE_NAME, PORT, RUST_LOG, WORKERS,
};
pub use read::{Settings, Source};

/// One setting, which is read as `V`: as a `T` where it has a default, as an `Option<T>` where
/// nothing may be given.
pub struct Setting<T, V = T> {
    row: Row,
    parse: fn(&str) -> Option<T>,
    /// What is read where there is a value, and where there is none.
    read: fn(Option<T>) -> Option<V>,
}

/// A setting without a default.
pub type Optional<T> = Setting<T, Option<T>>;

/// What the documentation of a setting needs: all but the type that it is read as.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The environment variable; also the setting's name everywhere.
    pub variable: &'static str,
    /// The flag without its dashes; `None` where there is none, as for every secret.
    pub flag: Option<&'static str>,
    /// What holds where nothing is given, as one would write it.
    pub default: Option<&'static str>,
    /// What may be given, for `--help` and for errors: "a duration such as 30s".
    pub accepted: &'static str,
    /// What it is for, in one sentence.
    pub help: &'static str,
    /// What the documentation says beyond that.
    pub note: Option<&'static str>,
    /// Whether it is never shown. A secret has no flag, and may come from a file.
    pub secret: bool,
    /// What may be seen of it, where it is no secret.
    pub shown: Shown,
}

/// What may be seen of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it, but for a URL in it.
    Text,
    /// It is a URL, which may have a secret in it: what is harmless.
    Url,
    /// The same, and its path may open something.
    UrlWithoutPath,
}

impl<T> Setting<T, Option<T>> {
    /// A setting that only a variable gives, without a default.
    pub const fn new(variable: &'static str, parser: Parser<T>, help: &'static str) -> Self {
        let Parser { accepted, parse } = parser;
        let (flag, default, note) = (None, None, None);
        let (secret, shown) = (false, Shown::Text);
        let row = Row { variable, flag, default, accepted, help, note, secret, shown };
        Self { row, parse, read: Some }
    }

    /// A secret: no flag, never shown, and `X_FILE` may name a file that holds it.
    pub const fn secret(variable: &'static str, parser: Parser<T>, help: &'static str) -> Self {
        let setting = Self::new(variable, parser, help);
        Self { row: Row { secret: true, ..setting.row }, ..setting }
    }

    /// The same, with what holds where nothing is given: it always has a value.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Setting<T> {
        let row = Row { default: Some(default), ..self.row };
        Setting { row, parse: self.parse, read: |value| value }
    }
}

impl<T, V> Setting<T, V> {
    /// The same, also given by the flag `--flag`.
    #[must_use]
    pub const fn with_flag(self, flag: &'static str) -> Self {
        Self { row: Row { flag: Some(flag), ..self.row }, ..self }
    }

    /// The same, as a setting that is a URL, or several.
    #[must_use]
    pub const fn as_url(self) -> Self {
        Self { row: Row { shown: Shown::Url, ..self.row }, ..self }
    }

    /// The same as a URL whose path is as secret as its credentials.
    #[must_use]
    pub const fn as_url_with_secret_path(self) -> Self {
        Self { row: Row { shown: Shown::UrlWithoutPath, ..self.row }, ..self }
    }

    /// The same, with what the documentation says beyond its help.
    #[must_use]
    pub const fn with_note(self, note: &'static str) -> Self {
        Self { row: Row { note: Some(note), ..self.row }, ..self }
    }

    /// Its row of a table.
    pub const fn row(&self) -> Row {
        self.row
    }
}

/// Whatever does not depend on the type of the value takes a setting for its row.
impl<T, V> Deref for Setting<T, V> {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
}

impl<T, V> std::fmt::Debug for Setting<T, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.row.fmt(f)
    }
}
