//! What the figures come to: the pair beside each of the other ways to the same end.

use std::fmt::Write;

use crate::figures::{Figure, figure};
use crate::pinning::Pinning;
use crate::results::Results;
use crate::tables::{ratio, times};

/// What the pair is held against, and with which of its rows.
const AGAINST: &[(&str, &str, &str)] = &[
    ("both services, `/data`, against one call a request", "data", "data-unbatched"),
    ("both services, `/data`, against nginx with `auth_request`", "data", "nginx-auth"),
    ("both services, `/data`, against two Flask services", "data", "flask"),
    ("both services, `/data`, against axum-login in one process", "data", "axum-login"),
    ("the same, where axum-login saves each use as well", "data", "axum-login-saved"),
    ("both services, `/data`, Redis, against axum-login, Redis", "data-redis", "axum-login-redis"),
    ("the same, where axum-login saves each use as well", "data-redis", "axum-login-saved-redis"),
];

const RATIOS: &[(&str, &str)] = &[
    ("auth-service, `/validateToken`", "validate"),
    ("both services, `/data`", "data"),
    ("auth-service, `/validateToken`, Redis", "validate-redis"),
    ("both services, `/data`, Redis", "data-redis"),
];

/// Two tables: parts of "hello", and how many times the others.
pub(crate) fn table(results: &Results) -> String {
    let columns: Vec<(Pinning, u16)> = [Pinning::Pinned, Pinning::Unpinned]
        .into_iter()
        .flat_map(|pinning| results.connections(pinning).into_iter().map(move |c| (pinning, c)))
        .filter(|(_, connections)| [64, 256].contains(connections))
        .collect();
    let head = |title: &str| {
        let names = columns.iter().map(|(pinning, c)| format!(" {} {c} |", pinning.letter()));
        let names: String = names.collect();
        format!("| {title} |{names}\n| --- |{}\n", " ---: |".repeat(columns.len()))
    };
    let of = |name, column: &(Pinning, u16)| figure(&results.samples, column.0, name, column.1);
    let mut text = head("requests a second, as a part of axum “hello”");
    for (title, name) in RATIOS {
        row(&mut text, title, columns.iter().map(|c| of(name, c).map(|f| ratio(f.ratio))));
    }
    text.push('\n');
    text += &head("how many times as many requests a second");
    for (title, name, other) in AGAINST {
        let cell = |c| Some(times(of(name, c)?.per_second / of(other, c)?.per_second));
        row(&mut text, title, columns.iter().map(cell));
    }
    text
}

/// One call at a time: what sharing calls costs whoever shares with nobody.
pub(crate) fn alone(results: &Results) -> String {
    let of = |name| figure(&results.samples, Pinning::Pinned, name, 1);
    let (Some(shared), Some(each)) = (of("data"), of("data-unbatched")) else {
        return String::new();
    };
    format!(
        "With one connection, where no two requests meet, half of the answers of `/data` come \
         within {:.0} µs, and within {:.0} µs with one call a request.",
        shared.p50, each.p50
    )
}

/// The tail of both ways at 64 and 256 connections.
pub(crate) fn tails(results: &Results) -> String {
    let mut text = String::new();
    for connections in [64, 256] {
        let of = |name| figure(&results.samples, Pinning::Pinned, name, connections);
        let (Some(shared), Some(each)) = (of("data"), of("data-unbatched")) else {
            continue;
        };
        let p99 = |figure: &Figure| figure.p99 / 1000.0;
        let _ = writeln!(
            text,
            "At {connections} connections 99 % of the answers of `/data` come within {:.2} ms, and \
             within {:.2} ms with one call a request.",
            p99(&shared),
            p99(&each)
        );
    }
    text
}

/// A line, unless all of it is missing.
fn row(text: &mut String, title: &str, cells: impl Iterator<Item = Option<String>>) {
    let cells: Vec<Option<String>> = cells.collect();
    if cells.iter().all(Option::is_none) {
        return;
    }
    let cells = cells.into_iter().map(|cell| format!(" {} |", cell.unwrap_or_default()));
    let _ = writeln!(text, "| {title} |{}", cells.collect::<String>());
}
