//! What can be asked for on the command line, behind `cargo bench --bench load --`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::builds::{BUILDS, Build};
use crate::pinning::Pinning;
use crate::rows::ROWS;

/// What is measured beside the rows.
const SECTIONS: &[&str] = &["start", "expiry", "flood"];

/// How to measure, and what.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) live: usize,
    pub(crate) connections: Vec<u16>,
    pub(crate) pinnings: Vec<Pinning>,
    pub(crate) only: Vec<String>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) binaries: Option<PathBuf>,
    /// Directories of other builds, by the names in [`BUILDS`].
    pub(crate) builds: Vec<(&'static Build, PathBuf)>,
    pub(crate) quick: bool,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read(matches: &ArgMatches) -> Result<Self> {
        let quick = matches.get_flag("quick");
        let number = |name: &str, default: u64, quickly: u64| {
            let default = if quick { quickly } else { default };
            matches.get_one::<u64>(name).copied().unwrap_or(default)
        };
        let only = texts(matches, "only");
        if let Some(unknown) = only.iter().find(|name| !is_name(name)) {
            bail!("nothing is called {unknown}: {}", all_names().join(", "));
        }
        let pinning = matches.get_one::<String>("pinning").map_or("both", String::as_str);
        Ok(Self {
            rounds: usize::try_from(number("rounds", 3, 1))?,
            seconds: number("seconds", 3, 1),
            live: usize::try_from(number("live", 1_000_000, 10_000))?,
            connections: matches.get_many("connections").map_or_else(
                || if quick { vec![64] } else { vec![1, 16, 64, 256] },
                |given| given.copied().collect(),
            ),
            pinnings: match pinning {
                "P" => vec![Pinning::Pinned],
                "U" => vec![Pinning::Unpinned],
                _ => vec![Pinning::Pinned, Pinning::Unpinned],
            },
            only,
            settings: texts(matches, "set")
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            binaries: matches.get_one::<PathBuf>("binaries").cloned(),
            builds: BUILDS
                .iter()
                .filter_map(|build| Some((build, matches.get_one::<PathBuf>(build.name)?.clone())))
                .collect(),
            quick,
        })
    }

    /// Whether a row or a section is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || name == "hello" || self.only.iter().any(|only| only == name)
    }

    /// Whether this run measures all that the document shows, in the way that it says.
    pub(crate) fn is_whole(&self) -> bool {
        !self.quick
            && self.only.is_empty()
            && self.settings.is_empty()
            && self.binaries.is_none()
            && self.pinnings.len() == 2
            && self.connections == [1, 16, 64, 256]
            && self.rounds >= 3
            && self.seconds >= 3
            && self.live >= 1_000_000
    }
}

/// The command line.
pub(crate) fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(u64).range(1..)).help(help)
    };
    let list = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_delimiter(',').action(ArgAction::Append).help(help)
    };
    let directory = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(PathBuf)).value_name("DIR").help(help)
    };
    Command::new("cargo bench --bench load --")
        .about("Measures the services beside their yardsticks and writes docs/performance.md.")
        .arg(Arg::new("bench").long("bench").action(ArgAction::SetTrue).hide(true))
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .help("One round of a second at 64 connections with 10,000 live sessions"),
        )
        .arg(number("rounds", "How often each row is measured [3]"))
        .arg(number("seconds", "How long one measurement takes [3]"))
        .arg(number("live", "Live sessions among which those in use are [1000000]"))
        .arg(
            list("connections", "Numbers of connections [1,16,64,256]")
                .value_parser(value_parser!(u16).range(1..)),
        )
        .arg(
            Arg::new("pinning")
                .long("pinning")
                .value_parser(["P", "U", "both"])
                .help("P: all servers on core 0, the generator on core 1; U: unpinned [both]"),
        )
        .arg(list("only", "Rows by the names that the progress shows, and start, expiry, flood"))
        .arg(
            Arg::new("set")
                .long("set")
                .action(ArgAction::Append)
                .value_name("NAME=VALUE")
                .help("A setting of the services, to try it; may be repeated"),
        )
        .arg(directory(
            "binaries",
            "A directory with other builds of the services, to measure them",
        ))
        .args(BUILDS.iter().map(|build| directory(build.name, build.help)))
}

/// All names that can be asked for.
fn all_names() -> Vec<&'static str> {
    ROWS.iter().map(|(name, _)| *name).chain(SECTIONS.iter().copied()).collect()
}

fn is_name(name: &str) -> bool {
    all_names().contains(&name)
}

fn texts(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}
