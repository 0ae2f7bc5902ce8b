//! Which plots there are.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::axis::Axis;
use crate::bars::{self, Entry};
use crate::expiry::Expiry;
use crate::figures::{Figure, figure, float};
use crate::flood::Flood;
use crate::pinning::Pinning;
use crate::plots::{Line, lines};
use crate::results::Results;
use crate::rows::{ROWS, short_title};
use crate::tables::{grouped, short_milliseconds};
use crate::watching::{Latency, Timed, windows};

/// The lines of the plots against connections.
const LINES: &[&str] =
    &["hello", "validate", "data", "data-unbatched", "validate-redis", "data-redis"];
const WINDOW: Duration = Duration::from_millis(500);

/// Draws all plots for which something was measured.
pub(crate) fn draw(results: &Results, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let file = |name: &str| directory.join(format!("performance-{name}.svg"));
    ratios(results, &file("ratios"))?;
    for pinning in [Pinning::Pinned, Pinning::Unpinned] {
        let letter = pinning.letter().to_lowercase();
        if results.connections(pinning).len() > 1 {
            throughput(results, pinning, &file(&format!("throughput-{letter}")))?;
            latency(results, pinning, &file(&format!("latency-{letter}")))?;
        }
    }
    if results.growth.len() > 1 {
        memory(results, &file("memory"))?;
    }
    if let Some(expiry) = &results.expiry {
        expiring(expiry, &file("expiry"))?;
    }
    for flood in &results.floods {
        let letter = flood.pinning.letter().to_lowercase();
        flooded(flood, &file(&format!("flood-{letter}")))?;
    }
    Ok(())
}

fn ratios(results: &Results, file: &Path) -> Result<()> {
    let of = |name, pinning| figure(&results.samples, pinning, name, 64).map(|f| f.ratio);
    let entry = |(name, _): &(&'static str, _)| Entry {
        name: short_title(name),
        values: vec![of(name, Pinning::Pinned), of(name, Pinning::Unpinned)],
    };
    let entries: Vec<Entry> = ROWS.iter().map(entry).collect();
    let measured = |entry: &Entry| entry.values.iter().any(Option::is_some);
    let entries: Vec<Entry> = entries.into_iter().filter(measured).collect();
    let colours =
        ["all servers on one core, the generator on the other (P)", "unpinned, all cores (U)"];
    let title = "Requests a second as a part of axum “hello”, 64 connections";
    bars::draw(file, title, &colours, &entries)
}

fn throughput(results: &Results, pinning: Pinning, file: &Path) -> Result<()> {
    let thousands = |figure: &Figure| figure.per_second / 1000.0;
    let (x, drawn) = against_connections(results, pinning, thousands);
    let y = Axis::even("requests a second, in thousands", highest(&drawn), |v| format!("{v:.0}"));
    let title = format!("Throughput against connections ({})", pinning.letter());
    lines(file, &title, (&x, &y), &drawn, &[])
}

fn latency(results: &Results, pinning: Pinning, file: &Path) -> Result<()> {
    let (x, drawn) = against_connections(results, pinning, |figure| figure.p99.log10());
    let y = logarithmic(&drawn, "99 % are answered within");
    let title = format!("Latency against connections: p99 ({})", pinning.letter());
    lines(file, &title, (&x, &y), &drawn, &[])
}

fn against_connections(
    results: &Results,
    pinning: Pinning,
    value: impl Fn(&Figure) -> f64,
) -> (Axis, Vec<Line>) {
    let connections = results.connections(pinning);
    let names: Vec<String> = connections.iter().map(ToString::to_string).collect();
    let line = |name: &&'static str| {
        let at = |(index, connections): (usize, &u16)| {
            let figure = figure(&results.samples, pinning, name, *connections)?;
            Some((float(index), value(&figure)))
        };
        let points: Vec<_> = connections.iter().enumerate().filter_map(at).collect();
        Line { name: short_title(name), points, dots: true }
    };
    let lines = LINES.iter().map(line).filter(|line| !line.points.is_empty()).collect();
    (Axis::named("connections", &names), lines)
}

fn memory(results: &Results, file: &Path) -> Result<()> {
    let mebibytes = |bytes: u64| float(bytes) / f64::from(1 << 20);
    let point = |(sessions, bytes): &(usize, u64)| (float(*sessions), mebibytes(*bytes));
    let points: Vec<_> = results.growth.iter().map(point).collect();
    let most = points.last().map_or(1.0, |(sessions, _)| *sessions);
    let drawn = [Line { name: "auth-service,\nsessions in memory".to_owned(), points, dots: true }];
    let x = Axis::even("live sessions", most, grouped);
    let y = Axis::even("resident memory, MiB", highest(&drawn), |value| format!("{value:.0}"));
    lines(file, "Memory against live sessions", (&x, &y), &drawn, &[])
}

fn expiring(expiry: &Expiry, file: &Path) -> Result<()> {
    let words = format!("{} sessions\nend, and are swept", grouped(float(expiry.sessions)));
    let second = Duration::from_secs(1);
    let span = (expiry.ended, expiry.ended + second, words);
    over_time(file, "Validations while sessions expire", &expiry.timed, span)
}

fn flooded(flood: &Flood, file: &Path) -> Result<()> {
    let words = format!("{:.0} logins a second,\nmore are waiting", flood.logins);
    let title = format!("Validations during a flood of logins ({})", flood.pinning.letter());
    over_time(file, &title, &flood.timed, (flood.began, flood.ended, words))
}

fn over_time(
    file: &Path,
    title: &str,
    timed: &[Timed],
    span: (Duration, Duration, String),
) -> Result<()> {
    let first = timed.first().map_or(Duration::ZERO, |(due, _)| *due);
    let seconds = |moment: Duration| moment.saturating_sub(first).as_secs_f64();
    let windows = windows(timed, WINDOW);
    let line = |name: &str, of: fn(&Latency) -> f64| Line {
        name: name.to_owned(),
        points: windows.iter().map(|(at, seen)| (seconds(*at), of(seen).log10())).collect(),
        dots: false,
    };
    let drawn = [
        line("p50", |latency| latency.p50),
        line("p99", |latency| latency.p99),
        line("p99.9", |latency| latency.p999),
    ];
    let last = timed.last().map_or(1.0, |(due, _)| seconds(*due));
    let x = Axis { to: last, ..Axis::even("seconds", last, |value| format!("{value:.0}")) };
    let y = logarithmic(&drawn, "answered within (windows of half a second)");
    let (from, to, words) = span;
    lines(file, title, (&x, &y), &drawn, &[(seconds(from), seconds(to), words)])
}

/// An axis for logarithms of microseconds.
fn logarithmic(lines: &[Line], title: &str) -> Axis {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let lowest = values().fold(f64::INFINITY, f64::min);
    let highest = values().fold(f64::NEG_INFINITY, f64::max);
    Axis::logarithmic(title, 10_f64.powf(lowest), 10_f64.powf(highest), short_milliseconds)
}

fn highest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max)
}
