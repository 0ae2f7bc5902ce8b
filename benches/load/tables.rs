//! Figures as Markdown.

use std::fmt::Write;

use crate::figures::{Figure, figure};
use crate::pinning::Pinning;
use crate::rounds::Sample;
use crate::rows::{ROWS, title};

/// All rows at one number of connections.
pub(crate) fn at(samples: &[Sample], pinning: Pinning, connections: u16) -> String {
    let mut table = String::from(
        "| | requests/s | of \"hello\" | p50 | p99 | p99.9 | CPU a request |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (name, _) in ROWS {
        if let Some(figure) = figure(samples, pinning, name, connections) {
            table.push_str(&line(&figure));
        }
    }
    table
}

fn line(figure: &Figure) -> String {
    let mut line = String::new();
    let _ = writeln!(
        line,
        "| {} | {} | {} | {} | {} | {} | {:.1} µs |",
        title(figure.row),
        grouped(figure.per_second),
        ratio(figure.ratio),
        milliseconds(figure.p50),
        milliseconds(figure.p99),
        milliseconds(figure.p999),
        figure.cpu
    );
    line
}

/// Small ratios with as many digits as they need to say anything.
pub(crate) fn ratio(value: f64) -> String {
    if value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") }
}

/// Microseconds as milliseconds, three digits of them.
pub(crate) fn milliseconds(microseconds: f64) -> String {
    let value = microseconds / 1000.0;
    let digits = if value < 10.0 { 2 } else { 0 };
    let digits = if value < 1.0 { 3 } else { digits };
    format!("{value:.digits$} ms")
}

/// Microseconds as milliseconds, for an axis.
pub(crate) fn short_milliseconds(microseconds: f64) -> String {
    format!("{} ms", microseconds / 1000.0)
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as MiB.
pub(crate) fn mebibytes(bytes: f64) -> String {
    let value = bytes / f64::from(1 << 20);
    let digits = usize::from(value < 100.0);
    format!("{value:.digits$} MiB")
}

/// How many times something else it is.
pub(crate) fn times(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { 0 };
    format!("{value:.digits$} ×")
}
