//! Reading the table from the command line and the environment.

use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::bad::one_line;
use super::mask::{MASK, mask_url, mask_url_and_path, mask_urls};
use super::{BadSetting, PORT, Row, Setting, Shown};

/// The longest file that a secret is read from, in bytes.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment variable.
    Variable,
    /// The file that the variable `X_FILE` names.
    File,
    /// A listener that was handed over.
    Socket,
    /// The table, or what the process worked out by itself.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Socket => "socket",
            Self::Default => "default",
        })
    }
}

/// The values of a table, as they were given; a caller asks for each by its constant.
#[derive(Clone)]
pub struct Settings {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    row: Row,
    value: Option<String>,
    source: Source,
    /// The file that the value came from.
    file: Option<PathBuf>,
}

impl Settings {
    /// Reads every setting of `table`: the flag wins over the variable, an empty variable counts as
    /// absent, a secret may come from the file that `X_FILE` names. Where two settings have one
    /// variable, the first stands.
    ///
    /// # Errors
    ///
    /// A value that is not UTF-8; a secret given twice; a secret's file that cannot be read.
    pub fn read(
        table: &[Row],
        matches: &ArgMatches,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadSetting> {
        let mut entries: Vec<Entry> = Vec::with_capacity(table.len());
        for row in table {
            if !entries.iter().any(|e| e.row.variable == row.variable) {
                entries.push(Entry::read(row, matches, env)?);
            }
        }
        Ok(Self { entries })
    }

    /// What the setting says, or its default.
    ///
    /// # Errors
    ///
    /// A value that its parser does not accept; none where there is neither a value nor a default; a
    /// setting that is not in the table.
    pub fn get<T, V>(&self, setting: &Setting<T, V>) -> Result<V, BadSetting> {
        let Some(entry) = self.entry(setting) else {
            let line = format!("{} is no setting of this process", setting.variable);
            return Err(BadSetting::line(&line));
        };
        let refusal = || entry.refusal(entry.row.accepted);
        let value = match &entry.value {
            Some(text) => Some((setting.parse)(text).ok_or_else(refusal)?),
            None => None,
        };
        (setting.read)(value).ok_or_else(refusal)
    }

    /// The address to listen on: where it was not given, the platform's [`PORT`] on all addresses,
    /// else its default.
    ///
    /// # Errors
    ///
    /// What was given is no address, or `PORT` is no port.
    pub fn public_addr(&self, address: &Setting<SocketAddr>) -> Result<SocketAddr, BadSetting> {
        if !self.is_set(address)
            && let Some(port) = self.get(&PORT)?
        {
            return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        }
        self.get(address)
    }

    /// Gives a setting a default that the process works out by itself; it changes nothing where a
    /// value was given.
    pub fn set_default(&mut self, row: &Row, value: impl Into<String>) {
        if let Some(entry) = self.entries.iter_mut().find(|e| e.row.variable == row.variable)
            && (entry.value.is_none() || entry.source == Source::Default)
        {
            entry.value = Some(value.into());
            entry.source = Source::Default;
        }
    }

    /// Gives an address the value that a listener has which was handed over: nothing else is listened
    /// on, whatever was given.
    pub(crate) fn set_handed_over(&mut self, row: &Row, addr: SocketAddr) {
        if let Some(entry) = self.entries.iter_mut().find(|e| e.row.variable == row.variable) {
            entry.value = Some(addr.to_string());
            entry.source = Source::Socket;
        }
    }

    /// Whether a value was given; a default is none.
    pub fn is_set(&self, row: &Row) -> bool {
        self.entry(row).is_some_and(|e| e.value.is_some() && e.source != Source::Default)
    }

    /// The refusal of a value for a reason that only the caller knows: `accepted` says what would
    /// have been taken, as a setting's own text does.
    pub fn refuse(&self, row: &Row, accepted: &str) -> BadSetting {
        match self.entry(row) {
            Some(entry) => entry.refusal(accepted),
            None => BadSetting::line(&format!("{} is not set; it takes {accepted}", row.variable)),
        }
    }

    /// Whether a file that can be read more than once gave a secret.
    pub fn has_secret_files(&self) -> bool {
        self.entries.iter().any(|entry| entry.regular_file().is_some())
    }

    /// The same settings, with each secret that came from a file read from it again. What is read
    /// only once, such as a pipe, counts as unchanged.
    ///
    /// # Errors
    ///
    /// A secret's file that cannot be read, or gives no secret.
    pub fn read_secrets_again(&self) -> Result<Self, BadSetting> {
        let mut settings = self.clone();
        for entry in &mut settings.entries {
            if let Some(path) = entry.regular_file() {
                entry.value = Some(read_secret(&file_variable(&entry.row), path)?);
            }
        }
        Ok(settings)
    }

    /// The settings whose values are others than in `before`, by their variables.
    pub fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        let entries = self.entries.iter();
        let differs =
            |entry: &&Entry| before.entry(&entry.row).map(|e| &e.value) != Some(&entry.value);
        entries.filter(differs).map(|entry| entry.row.variable).collect()
    }

    /// All settings as `VARIABLE=value  # source`, a line each, secrets masked.
    pub fn print(&self) -> String {
        self.entries.iter().map(Entry::printed).collect()
    }

    /// Every variable that is read: those of the table, and those that name a secret's file.
    pub(super) fn variables(&self) -> Vec<String> {
        let own = self.entries.iter().map(|entry| entry.row.variable.to_owned());
        let secrets = self.entries.iter().filter(|entry| entry.row.secret);
        own.chain(secrets.map(|entry| file_variable(&entry.row))).collect()
    }

    fn entry(&self, row: &Row) -> Option<&Entry> {
        self.entries.iter().find(|e| e.row.variable == row.variable)
    }
}

/// Names and sources; a value may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.entries.iter().map(|e| (e.row.variable, e.source));
        f.debug_map().entries(sources).finish()
    }
}

impl Entry {
    fn read(
        row: &Row,
        matches: &ArgMatches,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadSetting> {
        let entry = |value, source| Self { row: *row, value, source, file: None };
        let flag = matches.try_get_one::<OsString>(row.variable).ok().flatten();
        if let (Some(flag), Some(value)) = (row.flag, flag) {
            let value = utf8(&format!("--{flag}"), row, value.clone())?;
            return Ok(entry(Some(value), Source::Flag));
        }
        let given = |name: &str| env(name).filter(|value| !value.is_empty());
        let variable = given(row.variable);
        let file_variable = file_variable(row);
        let file = given(&file_variable).filter(|_| row.secret);
        match (variable, file) {
            (Some(_), Some(_)) => {
                let name = row.variable;
                Err(BadSetting::line(&format!("{name} and {file_variable} are both set; give one")))
            }
            (Some(value), None) => {
                let value = utf8(row.variable, row, value)?;
                Ok(entry(Some(value), Source::Variable))
            }
            (None, Some(path)) => {
                let path = PathBuf::from(path);
                let value = read_secret(&file_variable, &path)?;
                Ok(Self { file: Some(path), ..entry(Some(value), Source::File) })
            }
            (None, None) => Ok(entry(row.default.map(str::to_owned), Source::Default)),
        }
    }

    /// The file that the value came from, unless it is one that gives its content only once.
    fn regular_file(&self) -> Option<&Path> {
        let path = self.file.as_deref()?;
        // One that is missing by now is not skipped: that is an error to be told of.
        let gives_once = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        (!gives_once).then_some(path)
    }

    /// The setting's name as its value was given.
    fn name(&self) -> String {
        match (self.source, self.row.flag) {
            (Source::Flag, Some(flag)) => format!("--{flag}"),
            (Source::File, _) => file_variable(&self.row),
            _ => self.row.variable.to_owned(),
        }
    }

    fn shown(&self) -> String {
        match &self.value {
            Some(value) => shown(&self.row, value),
            None => String::new(),
        }
    }

    fn printed(&self) -> String {
        let variable = self.row.variable;
        match &self.value {
            Some(_) => format!("{variable}={}  # {}\n", one_line(&self.shown()), self.source),
            None => format!("{variable}=  # not set\n"),
        }
    }

    fn refusal(&self, accepted: &str) -> BadSetting {
        let name = self.name();
        match &self.value {
            Some(_) => BadSetting::value(&name, &self.shown(), accepted),
            None => BadSetting::line(&format!("{name} is not set; it takes {accepted}")),
        }
    }
}

/// The variable that names a secret's file.
fn file_variable(row: &Row) -> String {
    format!("{}_FILE", row.variable)
}

/// What of a value may be seen.
fn shown(row: &Row, value: &str) -> String {
    if row.secret {
        return MASK.to_owned();
    }
    match row.shown {
        Shown::UrlWithoutPath => mask_url_and_path(value),
        Shown::Url => mask_url(value),
        Shown::Text => mask_urls(value),
    }
}

fn utf8(name: &str, row: &Row, value: OsString) -> Result<String, BadSetting> {
    value.into_string().map_err(|raw| {
        let shown = shown(row, &raw.to_string_lossy());
        BadSetting::value(name, &shown, &format!("{}, as UTF-8", row.accepted))
    })
}

/// The secret that a file holds, without the line break that editors put at its end.
fn read_secret(name: &str, path: &Path) -> Result<String, BadSetting> {
    let shown = path.display();
    let failed = |why: &str| BadSetting::line(&format!("{name}: \"{shown}\" {why}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| failed(&format!("cannot be read: {e}")))?;
    let read = file.take(LONGEST_SECRET + 1).read_to_string(&mut text);
    let read = read.map_err(|e| failed(&format!("cannot be read: {e}")))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LONGEST_SECRET {
        return Err(failed("is too long for a secret"));
    }
    let secret = text.strip_suffix('\n').map_or(&*text, |t| t.strip_suffix('\r').unwrap_or(t));
    if secret.is_empty() {
        return Err(failed("is empty; it takes a file that holds the secret"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
