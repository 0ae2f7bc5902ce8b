//! The document: the prose of `performance.md.in` with the figures of a run in it, and what was
//! written by hand in `notes.md.in`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::charts;
use crate::comparison;
use crate::expiry::Expiry;
use crate::figures::{float, median};
use crate::filling::IN_USE;
use crate::flask;
use crate::machine;
use crate::options::Options;
use crate::pinning::Pinning;
use crate::results::Results;
use crate::services::Places;
use crate::tables::{self, grouped, mebibytes, milliseconds};
use crate::watching::{Latency, RATE};

const TEMPLATE: &str = include_str!("performance.md.in");
const NOTES: &str = include_str!("notes.md.in");

/// Writes `performance.md` and `images/performance-*.svg` into a directory.
pub(crate) fn write(
    results: &Results,
    options: &Options,
    places: &Places,
    directory: &Path,
) -> Result<()> {
    charts::draw(results, &directory.join("images"))?;
    let mut text = TEMPLATE.to_owned();
    for (name, value) in values(results, options, places) {
        let mark = format!("{{{{{name}}}}}");
        ensure!(text.contains(&mark), "the template has no {mark}");
        text = text.replace(&mark, value.trim_end());
    }
    ensure!(!text.contains("{{"), "the template asks for more than there is");
    let file = directory.join("performance.md");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn values(results: &Results, options: &Options, places: &Places) -> Vec<(&'static str, String)> {
    vec![
        ("comparison", comparison::table(results)),
        ("tails", comparison::tails(results)),
        ("alone", comparison::alone(results)),
        ("tables P", all_tables(results, Pinning::Pinned)),
        ("tables U", all_tables(results, Pinning::Unpinned)),
        ("plots", plots_against_connections(results)),
        ("left out", left_out(results)),
        ("live", grouped(float(options.live))),
        ("in use", grouped(float(options.live.min(IN_USE)))),
        ("rounds", options.rounds.to_string()),
        ("seconds", options.seconds.to_string()),
        ("rate", grouped(f64::from(RATE))),
        ("expiry", results.expiry.as_ref().map_or_else(String::new, expiry)),
        ("memory", memory(results)),
        ("flood", flood(results)),
        ("starts", starts(results)),
        ("machine", facts(results, places)),
        ("notes", NOTES.to_owned()),
    ]
}

fn all_tables(results: &Results, pinning: Pinning) -> String {
    let mut text = String::new();
    // What most is said about first.
    let mut connections = results.connections(pinning);
    connections.sort_by_key(|connections| (![64, 256].contains(connections), *connections));
    for connections in connections {
        let plural = if connections == 1 { "" } else { "s" };
        let table = tables::at(&results.samples, pinning, connections);
        let _ = write!(text, "{connections} connection{plural}:\n\n{table}\n");
    }
    text
}

fn plots_against_connections(results: &Results) -> String {
    let mut text = String::new();
    for pinning in [Pinning::Pinned, Pinning::Unpinned] {
        if results.connections(pinning).len() > 1 {
            let letter = pinning.letter();
            for what in ["throughput", "latency"] {
                let name = format!("performance-{what}-{}.svg", letter.to_lowercase());
                let _ = writeln!(text, "![{what} against connections, {letter}](images/{name})\n");
            }
        }
    }
    text
}

fn left_out(results: &Results) -> String {
    if results.left_out.is_empty() {
        return String::new();
    }
    format!("Left out in this run: {}.", results.left_out.join("; "))
}

fn percentiles(name: &str, latency: &Latency) -> String {
    format!(
        "| {name} | {} | {} | {} | {} |\n",
        milliseconds(latency.p50),
        milliseconds(latency.p99),
        milliseconds(latency.p999),
        milliseconds(latency.longest)
    )
}

const PERCENTILES: &str =
    "| | p50 | p99 | p99.9 | longest |\n| --- | ---: | ---: | ---: | ---: |\n";

fn expiry(expiry: &Expiry) -> String {
    let before = percentiles("before", &expiry.before);
    let during = percentiles("in the two seconds from then on", &expiry.during);
    format!(
        "{} sessions end in the same moment. In the {} seconds that were watched the service swept \
         {} sessions, with {:.0} ms of sweeping in all.\n\n{PERCENTILES}{before}{during}\n\
         ![validations while sessions expire](images/performance-expiry.svg)\n",
        grouped(float(expiry.sessions)),
        expiry.watched().as_secs(),
        grouped(float(expiry.swept)),
        expiry.sweep_ms,
    )
}

fn memory(results: &Results) -> String {
    let mut text = String::from("| live sessions | resident |\n| ---: | ---: |\n");
    for (sessions, bytes) in &results.growth {
        let sessions = grouped(float(*sessions));
        let _ = writeln!(text, "| {sessions} | {} |", mebibytes(float(*bytes)));
    }
    let per_session = |more: u64, sessions: usize| float(more) / float(sessions).max(1.0);
    if let (Some((none, empty)), Some((most, full))) =
        (results.growth.first(), results.growth.last())
    {
        let bytes = per_session(full.saturating_sub(*empty), most - none);
        let _ = writeln!(
            text,
            "\nWithout any session it is more than the [idle process](#start-idle-size) has: its users \
             have logged in, and the memory of an Argon2id hash (19 MiB) is kept. From there it is \
             {bytes:.0} bytes a session on average, the growth of the whole process, with what the \
             allocator holds ready; the store by itself takes [less](#where-the-time-goes)."
        );
        if let Some((empty, full)) = results.redis {
            let bytes = per_session(full.saturating_sub(empty), *most);
            let _ = writeln!(
                text,
                "In Redis it is {bytes:.0} bytes a session, the growth of Redis' process; Redis itself \
                 counts [less](scaling.md#the-arithmetic), where a user has 50 sessions and not \
                 thousands, whose list takes 100 bytes more for each."
            );
        }
    }
    text + "\n![memory against live sessions](images/performance-memory.svg)\n"
}

fn flood(results: &Results) -> String {
    let mut text = String::new();
    for flood in &results.floods {
        let letter = flood.pinning.letter();
        let _ = write!(
            text,
            "{letter}: {:.0} logins a second succeed, {:.0} are turned away with a 503.\n\n\
             {PERCENTILES}{}{}\n![validations during a flood of logins, {letter}]\
             (images/performance-flood-{}.svg)\n\n",
            flood.logins,
            flood.turned_away,
            percentiles("before", &flood.before),
            percentiles("during the flood", &flood.during),
            letter.to_lowercase()
        );
    }
    text
}

fn starts(results: &Results) -> String {
    let mut text = String::from(
        "| | start to ready | resident when idle | binary |\n| --- | ---: | ---: | ---: |\n",
    );
    for start in &results.starts {
        let _ = writeln!(
            text,
            "| `{}` | {:.0} ms | {} | {} |",
            start.name,
            start.ready_ms,
            mebibytes(start.resident),
            mebibytes(float(start.binary))
        );
    }
    text
}

fn facts(results: &Results, places: &Places) -> String {
    let mut text = String::from("| | |\n| --- | --- |\n");
    for (name, value) in machine::facts(&places.repository) {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let elsewhere = results.samples.iter().map(|sample| sample.elsewhere).collect();
    let _ = writeln!(
        text,
        "| what else took time while a row was measured, median | {:.1} % of all cores |",
        median(elsewhere).unwrap_or_default() * 100.0
    );
    let packages = flask::versions(&places.scratch);
    if !packages.is_empty() {
        let _ = writeln!(text, "| Python packages | {packages} |");
    }
    text
}
