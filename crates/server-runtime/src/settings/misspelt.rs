//! Variables that are no settings, and look so much like one that somebody most likely meant it.

use std::ffi::OsString;

use strsim::osa_distance;

use super::Settings;

/// So many letters may be wrong, missing, too many or exchanged.
const SLIPS: usize = 2;
/// Shorter names are like too many others.
const SHORTEST: usize = 8;

impl Settings {
    /// Logs a warning for each variable of the environment that is none of these settings and is
    /// spelt nearly like one. Values are neither looked at nor shown; an empty one counts as absent.
    pub fn warn_of_misspelt(&self, environment: impl Iterator<Item = (OsString, OsString)>) {
        for line in self.misspelt(environment) {
            tracing::warn!("{line}");
        }
    }

    fn misspelt(&self, environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
        let variables = self.variables();
        let given = environment.filter(|(_, value)| !value.is_empty());
        let names = given.filter_map(|(name, _)| name.into_string().ok());
        let doubtful = names.filter(|name| name.len() >= SHORTEST && !variables.contains(name));
        let mut lines: Vec<String> = doubtful
            .filter_map(|name| {
                let meant = nearest(&name, &variables)?;
                Some(format!("{} is no setting: is {meant} meant?", name.escape_debug()))
            })
            .collect();
        lines.sort();
        lines
    }
}

fn nearest<'a>(name: &str, variables: &'a [String]) -> Option<&'a String> {
    let like = variables.iter().filter(|other| other.len().abs_diff(name.len()) <= SLIPS);
    let measured = like.map(|other| (osa_distance(name, other), other));
    measured.filter(|(slips, _)| *slips <= SLIPS).min_by_key(|(slips, _)| *slips).map(|(_, o)| o)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::settings::{Row, Setting, TEXT};

    const TABLE: &[Row] = &[
        Setting::new("AUTH_TOKEN_TTL", TEXT, "How long").row(),
        Setting::new("AUTH_TOKEN_MAX", TEXT, "How long at most").row(),
        Setting::new("PORT", TEXT, "Where").row(),
        Setting::secret("AUTH_INTERNAL_KEY", TEXT, "What opens it").row(),
    ];

    fn warned_of(name: &str, value: &str) -> Vec<String> {
        let matches = Settings::command(Command::new("thing"), TABLE).get_matches_from(["thing"]);
        let settings = Settings::read(TABLE, &matches, &|_| None).unwrap();
        settings.misspelt([(name.into(), value.into())].into_iter())
    }

    #[test]
    fn a_name_with_a_slip_or_two_is_told_with_what_was_meant_and_without_its_value() {
        for (name, meant) in [
            ("AUTH_TOKEN_TTLL", "AUTH_TOKEN_TTL"),
            ("AUTH_TOKN_TTL", "AUTH_TOKEN_TTL"),
            ("AUHT_TOKEN_TLT", "AUTH_TOKEN_TTL"),
            ("AUTH_TOKENTTL", "AUTH_TOKEN_TTL"),
            ("AUTH_TOKEN_MAXX", "AUTH_TOKEN_MAX"),
            ("AUTH_INTERNAL_KEYS", "AUTH_INTERNAL_KEY"),
            ("AUTH_INTERNAL_KEY_FIEL", "AUTH_INTERNAL_KEY_FILE"),
        ] {
            let expected = [format!("{name} is no setting: is {meant} meant?")];
            assert_eq!(warned_of(name, "geheim"), expected);
        }
    }

    #[test]
    fn what_is_a_setting_is_short_is_empty_or_is_unlike_any_is_not_told() {
        for name in [
            "AUTH_TOKEN_TTL",
            "AUTH_INTERNAL_KEY_FILE",
            "PORTT",
            "AUTH_TOKEN",
            "BUSINESS_ADDR",
            "PATH",
        ] {
            assert!(warned_of(name, "x").is_empty(), "{name}");
        }
        assert!(warned_of("AUTH_TOKEN_TTLL", "").is_empty());
    }

    #[test]
    fn a_name_cannot_break_the_line() {
        assert!(!warned_of("AUTH_TOKEN_TTL\n", "x")[0].contains('\n'));
    }
}
