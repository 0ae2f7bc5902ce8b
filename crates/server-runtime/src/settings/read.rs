//! Reading the table from the command line and the environment.

use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};

use clap::ArgMatches;

use super::bad::one_line;
use super::mask::{MASK, mask_url, mask_urls};
use super::{BadSetting, SOCKET_ADDR, Setting, socket_addr};

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
    /// The table, or what the process worked out by itself.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// The values of a table, as they were given; a caller asks for each by its variable.
#[derive(Clone)]
pub struct Settings {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    setting: Setting,
    value: Option<String>,
    source: Source,
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
        table: &[Setting],
        matches: &ArgMatches,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadSetting> {
        let mut entries: Vec<Entry> = Vec::with_capacity(table.len());
        for setting in table {
            if !entries.iter().any(|e| e.setting.variable == setting.variable) {
                entries.push(Entry::read(setting, matches, env)?);
            }
        }
        Ok(Self { entries })
    }

    /// The value as `parse` understands it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// A value that `parse` does not take.
    pub fn value<T>(
        &self,
        variable: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadSetting> {
        let Some(entry) = self.entry(variable) else {
            return Ok(None);
        };
        let Some(text) = &entry.value else {
            return Ok(None);
        };
        parse(text).map(Some).ok_or_else(|| self.refuse(variable, entry.setting.accepted))
    }

    /// The value, which has to be there.
    ///
    /// # Errors
    ///
    /// No value, or one that `parse` does not take.
    pub fn required<T>(
        &self,
        variable: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, BadSetting> {
        self.value(variable, parse)?.ok_or_else(|| {
            let accepted = self.entry(variable).map_or("a value", |e| e.setting.accepted);
            self.refuse(variable, accepted)
        })
    }

    /// The address to listen on: where it was not given, the platform's `PORT` on all addresses,
    /// else its default.
    ///
    /// # Errors
    ///
    /// What was given is no address, or `PORT` is no port.
    pub fn public_addr(&self, variable: &str) -> Result<SocketAddr, BadSetting> {
        if !self.is_set(variable)
            && let Some(port) = self.value("PORT", |text| text.parse::<u16>().ok())?
        {
            return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        }
        self.value(variable, socket_addr)?.ok_or_else(|| self.refuse(variable, SOCKET_ADDR))
    }

    /// Gives a setting a default that the process works out by itself; it changes nothing where a
    /// value was given.
    pub fn set_default(&mut self, variable: &str, value: impl Into<String>) {
        if let Some(entry) = self.entries.iter_mut().find(|e| e.setting.variable == variable)
            && (entry.value.is_none() || entry.source == Source::Default)
        {
            entry.value = Some(value.into());
            entry.source = Source::Default;
        }
    }

    /// Whether a value was given; a default is none.
    pub fn is_set(&self, variable: &str) -> bool {
        self.entry(variable).is_some_and(|e| e.value.is_some() && e.source != Source::Default)
    }

    /// The refusal of a value for a reason that only the caller knows: `accepted` says what would
    /// have been taken, as a setting's own text does.
    pub fn refuse(&self, variable: &str, accepted: &str) -> BadSetting {
        match self.entry(variable) {
            Some(entry) => entry.refusal(accepted),
            None => BadSetting::line(&format!("{variable} is not set; it takes {accepted}")),
        }
    }

    /// All settings as `VARIABLE=value  # source`, a line each, secrets masked.
    pub fn print(&self) -> String {
        self.entries.iter().map(Entry::printed).collect()
    }

    /// Every variable that is read: those of the table, and those that name a secret's file.
    pub(super) fn variables(&self) -> Vec<String> {
        let own = self.entries.iter().map(|entry| entry.setting.variable.to_owned());
        let secrets = self.entries.iter().filter(|entry| entry.setting.secret);
        own.chain(secrets.map(|entry| format!("{}_FILE", entry.setting.variable))).collect()
    }

    fn entry(&self, variable: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.setting.variable == variable)
    }
}

/// Names and sources; a value may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.entries.iter().map(|e| (e.setting.variable, e.source));
        f.debug_map().entries(sources).finish()
    }
}

impl Entry {
    fn read(
        setting: &Setting,
        matches: &ArgMatches,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadSetting> {
        let entry = |value, source| Self { setting: *setting, value, source };
        let flag = matches.try_get_one::<OsString>(setting.variable).ok().flatten();
        if let (Some(flag), Some(value)) = (setting.flag, flag) {
            let value = utf8(&format!("--{flag}"), setting, value.clone())?;
            return Ok(entry(Some(value), Source::Flag));
        }
        let given = |name: &str| env(name).filter(|value| !value.is_empty());
        let variable = given(setting.variable);
        let file_variable = format!("{}_FILE", setting.variable);
        let file = given(&file_variable).filter(|_| setting.secret);
        match (variable, file) {
            (Some(_), Some(_)) => {
                let name = setting.variable;
                Err(BadSetting::line(&format!("{name} and {file_variable} are both set; give one")))
            }
            (Some(value), None) => {
                let value = utf8(setting.variable, setting, value)?;
                Ok(entry(Some(value), Source::Variable))
            }
            (None, Some(path)) => {
                let value = read_secret(&file_variable, &path)?;
                Ok(entry(Some(value), Source::File))
            }
            (None, None) => Ok(entry(setting.default.map(str::to_owned), Source::Default)),
        }
    }

    /// The setting's name as its value was given.
    fn name(&self) -> String {
        match (self.source, self.setting.flag) {
            (Source::Flag, Some(flag)) => format!("--{flag}"),
            (Source::File, _) => format!("{}_FILE", self.setting.variable),
            _ => self.setting.variable.to_owned(),
        }
    }

    fn shown(&self) -> String {
        match &self.value {
            Some(value) => shown(&self.setting, value),
            None => String::new(),
        }
    }

    fn printed(&self) -> String {
        let variable = self.setting.variable;
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

/// What of a value may be seen.
fn shown(setting: &Setting, value: &str) -> String {
    match (setting.secret, setting.url) {
        (true, _) => MASK.to_owned(),
        (false, true) => mask_url(value),
        (false, false) => mask_urls(value),
    }
}

fn utf8(name: &str, setting: &Setting, value: OsString) -> Result<String, BadSetting> {
    value.into_string().map_err(|raw| {
        let shown = shown(setting, &raw.to_string_lossy());
        BadSetting::value(name, &shown, &format!("{}, as UTF-8", setting.accepted))
    })
}

/// The secret that a file holds, without the line break that editors put at its end.
fn read_secret(name: &str, path: &OsString) -> Result<String, BadSetting> {
    let shown = path.to_string_lossy();
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
