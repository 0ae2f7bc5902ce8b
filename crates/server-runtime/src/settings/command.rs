//! The table as a command line.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Arg, ArgMatches, Command};

use super::bad::one_line;
use super::{BadSetting, Row, Settings};
use crate::output;

impl Settings {
    /// `command` with what every process has: the flags of `table`, the settings that only a variable
    /// gives at the end of its help, and the subcommands `healthcheck`, `config print`
    /// and `config check`.
    pub fn command(command: Command, table: &[Row]) -> Command {
        let healthcheck = Command::new("healthcheck")
            .about("Exits with 0 while the service that these settings describe is ready");
        let print = Command::new("print").about("Prints the settings in force, secrets masked");
        let check = Command::new("check").about(
            "Exits with 0 where a start would accept the settings, else says what it would not",
        );
        let config = Command::new("config").about("About the settings");
        command
            .args(Self::args(table))
            .after_help(variables_only(table))
            .subcommand(healthcheck)
            .subcommand(config.subcommand_required(true).subcommand(print).subcommand(check))
    }

    /// The flags of a table. They may stand before or after a subcommand; their ids are the
    /// variables.
    pub fn args(table: &[Row]) -> Vec<Arg> {
        let mut seen: Vec<&str> = Vec::new();
        let mut args = Vec::new();
        for row in table {
            if let Some(flag) = row.flag
                && !seen.contains(&row.variable)
            {
                seen.push(row.variable);
                args.push(arg(row, flag));
            }
        }
        args
    }
}

fn arg(row: &Row, flag: &'static str) -> Arg {
    Arg::new(row.variable)
        .long(flag)
        .value_name("VALUE")
        .value_parser(clap::value_parser!(OsString))
        .help(describe(row))
        .help_heading("Settings")
        .global(true)
}

fn describe(row: &Row) -> String {
    let default = row.default.map(|d| format!(" [default: {d}]")).unwrap_or_default();
    format!("{}: {} [variable: {}]{default}", row.help, row.accepted, row.variable)
}

fn variables_only(table: &[Row]) -> String {
    let mut text =
        "Each setting is also an environment variable; the flag wins, an empty variable \
                    counts as absent.\nVariables without a flag:\n"
            .to_owned();
    for row in table.iter().filter(|s| s.flag.is_none()) {
        let Row { variable, help, accepted, .. } = row;
        let default = row.default.map(|d| format!(" [default: {d}]")).unwrap_or_default();
        let file =
            if row.secret { format!("; or a file, in {variable}_FILE") } else { String::new() };
        let _ = writeln!(text, "  {variable}  {help}: {accepted}{file}{default}");
    }
    text
}

/// The table with each flag renamed to its variable: `--public-addr` becomes `--auth-public-addr`.
///
/// For a process that joins two tables whose short flags would collide. The names live as long as
/// the process: call it once.
pub fn with_long_flags(table: &[Row]) -> Vec<Row> {
    table.iter().map(long_flag).collect()
}

fn long_flag(row: &Row) -> Row {
    let flag = row.flag.map(|_| {
        let name = row.variable.to_ascii_lowercase().replace('_', "-");
        &*Box::leak(name.into_boxed_str())
    });
    Row { flag, ..*row }
}

/// Reads the command line, or ends the process: help and version go to standard output with exit
/// code 0, or 1 where they cannot be written; what cannot be understood is one line on standard
/// error and exit code 2.
pub fn parse_or_exit(command: Command) -> ArgMatches {
    match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let (text, code) = outcome(&error);
            if error.use_stderr() {
                // A failure is ignored: standard error is closed, and there is no other output.
                let _ = std::io::stderr().write_all(text.as_bytes());
                std::process::exit(code)
            }
            let Err(error) = output::print(&text) else { std::process::exit(code) };
            let _ = writeln!(std::io::stderr(), "{error}");
            std::process::exit(1)
        }
    }
}

/// What to print for clap's error, and the exit code.
fn outcome(error: &clap::Error) -> (String, i32) {
    use clap::error::ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
    };
    let text = error.render().to_string();
    match error.kind() {
        DisplayHelp | DisplayVersion => (text, 0),
        DisplayHelpOnMissingArgumentOrSubcommand => (text, i32::from(BadSetting::EXIT_CODE)),
        _ => (shorten(&text), i32::from(BadSetting::EXIT_CODE)),
    }
}

/// The error and the tips of clap's message in one line, without the usage.
fn shorten(text: &str) -> String {
    let what = text.split("\nUsage:").next().unwrap_or(text);
    let what = what.split("\nFor more information").next().unwrap_or(what);
    let mut line = String::new();
    for paragraph in what.split("\n\n").filter(|p| !p.trim().is_empty()) {
        if !line.is_empty() {
            line += "; ";
        }
        line += &paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    one_line(&line) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Setting, TEXT};

    const TABLE: &[Row] = &[
        Setting::new("X_PUBLIC_ADDR", TEXT, "Where to listen")
            .with_flag("public-addr")
            .with_default("127.0.0.1:8080")
            .row(),
        Setting::secret("X_KEY", TEXT, "What opens it").row(),
    ];

    fn command() -> Command {
        let name = "thing";
        Settings::command(Command::new(name).version("1.2.3"), TABLE)
            .subcommand(Command::new("users"))
    }

    fn failure(args: &[&str]) -> (String, i32) {
        outcome(&command().try_get_matches_from(args).expect_err("it must not be understood"))
    }

    #[test]
    fn a_flag_stands_before_or_after_a_subcommand() {
        for args in
            [["thing", "--public-addr", "a", "users"], ["thing", "users", "--public-addr", "a"]]
        {
            let matches = command().try_get_matches_from(args).unwrap();
            assert_eq!(matches.get_one::<OsString>("X_PUBLIC_ADDR").unwrap(), "a");
        }
    }

    #[test]
    fn help_names_every_setting_its_variable_and_its_default() {
        let (text, code) = failure(&["thing", "--help"]);
        assert_eq!(code, 0);
        for part in ["--public-addr", "X_PUBLIC_ADDR", "127.0.0.1:8080", "X_KEY", "X_KEY_FILE"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("--key"));
        assert_eq!(failure(&["thing", "--version"]), ("thing 1.2.3\n".to_owned(), 0));
    }

    #[test]
    fn what_cannot_be_understood_is_one_line_and_exit_code_2() {
        for (args, part) in [
            (&["thing", "--pblic-addr", "a"][..], "--pblic-addr"),
            (&["thing", "--public-addr"][..], "--public-addr"),
            (&["thing", "--public-addr", "a", "--public-addr", "b"][..], "--public-addr"),
            (&["thing", "user"][..], "user"),
            (&["thing", "--key=geheim"][..], "--key"),
        ] {
            let (text, code) = failure(args);
            assert_eq!(code, 2, "{text}");
            assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text:?}");
            assert!(text.contains(part), "{text}");
            assert!(!text.contains("geheim"), "{text}");
        }
    }

    #[test]
    fn long_flags_are_the_variables_in_kebab_case() {
        let long = with_long_flags(TABLE);
        assert_eq!(long[0].flag, Some("x-public-addr"));
        assert_eq!(long[1].flag, None);
    }
}
