//! `auth-service users import FILE`: users of another system, with the hashes it kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use users::{Directory, Format, Imported, ImportedUser, Rows};

use super::output;

/// How many rows are handed over at a time.
const BATCH: usize = 1_000;
/// How many refused rows are named; the rest is counted.
const NAMED: usize = 1_000;

/// What became of a file.
#[derive(Default, Serialize)]
struct Report {
    created: u64,
    already_there: u64,
    refused: u64,
    /// The first columns or keys that stand for nothing.
    ignored: Vec<String>,
    /// The first thousand.
    reasons: Vec<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    line: u64,
    reason: String,
}

/// The subcommand.
pub(super) fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("CSV with a header, or JSON lines, names in any case, with or without _: email, password_hash, first_name, last_name, roles (separated by ;), disabled");
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(["csv", "jsonl"])
        .help("By default, what the file's ending says");
    Command::new("import")
        .about("Imports users; each row whole or not at all; safe to run again")
        .arg(file)
        .arg(format)
}

/// Imports the file; the exit code is 1 where a row was refused.
pub(super) async fn run(
    directory: &Directory,
    matches: &ArgMatches,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let path = matches.get_one::<PathBuf>("file").context("no file was named")?;
    let format = format(path, matches.get_one::<String>("format").map(String::as_str))?;
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let progress = progress(file.metadata()?.len());
    let counted = progress.wrap_read(file);
    let mut rows = Rows::new(Box::new(counted), format)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut report = Report::default();
    let mut batch = Vec::with_capacity(BATCH);
    for row in rows.by_ref() {
        let row = row.with_context(|| format!("cannot read {} on", path.display()))?;
        match row.user {
            Ok(user) => batch.push((row.line, user)),
            Err(reason) => report.refuse(row.line, reason),
        }
        if batch.len() == BATCH {
            report.add(directory, std::mem::take(&mut batch)).await?;
        }
    }
    report.add(directory, batch).await?;
    report.ignored = rows.ignored().to_vec();
    // What a row's own words refuse is known before what the batch around it does.
    report.reasons.sort_by_key(|row| row.line);
    progress.finish_and_clear();
    let printed = output::print(report.written(as_json)?)?;
    Ok(if report.refused == 0 { printed } else { ExitCode::FAILURE })
}

impl Report {
    async fn add(
        &mut self,
        directory: &Directory,
        batch: Vec<(u64, ImportedUser)>,
    ) -> anyhow::Result<()> {
        let (lines, users): (Vec<u64>, Vec<ImportedUser>) = batch.into_iter().unzip();
        for (line, outcome) in lines.into_iter().zip(directory.import(users).await?) {
            match outcome {
                Imported::Created => self.created += 1,
                Imported::AlreadyThere => self.already_there += 1,
                Imported::Refused(reason) => self.refuse(line, reason),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.refused += 1;
        if self.reasons.len() < NAMED {
            self.reasons.push(Refusal { line, reason });
        }
    }

    fn written(&self, as_json: bool) -> anyhow::Result<String> {
        if as_json {
            return Ok(serde_json::to_string_pretty(self)?);
        }
        let refused = self.reasons.iter().map(|row| format!("line {}: {}\n", row.line, row.reason));
        let ignored = match &self.ignored[..] {
            [] => String::new(),
            names => format!("not understood, and left out: {}\n", names.join(", ")),
        };
        Ok(format!(
            "{}{ignored}created {}, already there {}, refused {}",
            refused.collect::<String>(),
            self.created,
            self.already_there,
            self.refused
        ))
    }
}

fn format(path: &Path, named: Option<&str>) -> anyhow::Result<Format> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match named.or(ending) {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl") => Ok(Format::JsonLines),
        _ => bail!("{}: say --format csv or --format jsonl", path.display()),
    }
}

/// A bar on a terminal; nothing elsewhere.
fn progress(bytes: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed} (left: {eta})");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
