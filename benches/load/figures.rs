//! From samples to figures: medians over the rounds, and ratios to "hello" in the same round.

use crate::pinning::Pinning;
use crate::rounds::Sample;

/// A row's figures at one number of connections.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) row: &'static str,
    pub(crate) per_second: f64,
    /// Throughput as a part of that of "hello".
    pub(crate) ratio: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) cpu: f64,
}

/// The medians of one row, if it was measured so.
pub(crate) fn figure(
    samples: &[Sample],
    pinning: Pinning,
    row: &'static str,
    connections: u16,
) -> Option<Figure> {
    let of = |name: &'static str| {
        samples.iter().filter(move |sample| {
            (sample.pinning, sample.row, sample.connections) == (pinning, name, connections)
        })
    };
    let mine = |value: fn(&Sample) -> f64| median(of(row).map(value).collect());
    let ratios = of(row).filter_map(|sample| {
        let hello = of("hello").find(|hello| hello.round == sample.round)?;
        Some(sample.seen.per_second / hello.seen.per_second)
    });
    Some(Figure {
        row,
        per_second: mine(|sample| sample.seen.per_second)?,
        ratio: median(ratios.collect())?,
        p50: mine(|sample| sample.seen.p50)?,
        p99: mine(|sample| sample.seen.p99)?,
        p999: mine(|sample| sample.seen.p999)?,
        cpu: mine(|sample| sample.cpu)?,
    })
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().map_or(f64::NAN, |count| count as f64)
}

/// The middle one, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, values[middle - 1]))
}
