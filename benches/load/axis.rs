//! The scale of a plot's side: from where to where, and where it is labelled.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One axis: where its labels stand, and what they say.
#[derive(Clone)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) ticks: Vec<(f64, String)>,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Axis {
    /// An axis with even steps from 0, or nearly so.
    pub(crate) fn even(title: &str, to: f64, show: impl Fn(f64) -> String) -> Self {
        let step = step(to / 5.0);
        let mut ticks = Vec::new();
        let mut at = 0.0;
        while at < to + step * 0.999 {
            ticks.push((at, show(at)));
            at += step;
        }
        let to = ticks.last().map_or(to, |(at, _)| *at);
        Self { title: title.to_owned(), ticks, from: 0.0, to }
    }

    /// An axis on which a factor of ten is always as long; values on it are logarithms.
    pub(crate) fn logarithmic(
        title: &str,
        from: f64,
        to: f64,
        show: impl Fn(f64) -> String,
    ) -> Self {
        let mut ticks = Vec::new();
        for exponent in -6..9 {
            for digit in [1.0, 2.0, 5.0] {
                ticks.push(digit * 10_f64.powi(exponent));
            }
        }
        let first = ticks.iter().rposition(|tick| *tick <= from).unwrap_or(0);
        let last = ticks.iter().position(|tick| *tick >= to).unwrap_or(ticks.len() - 1);
        let ticks: Vec<_> =
            ticks[first..=last].iter().map(|tick| (tick.log10(), show(*tick))).collect();
        let (from, to) = (ticks[0].0, ticks[ticks.len() - 1].0);
        Self { title: title.to_owned(), ticks, from, to }
    }

    /// An axis of names, evenly apart, at 0, 1, 2 and so on.
    pub(crate) fn named(title: &str, names: &[String]) -> Self {
        let at = |index: usize| f64::from(u32::try_from(index).unwrap_or_default());
        let ticks = names.iter().enumerate().map(|(index, name)| (at(index), name.clone()));
        let to = at(names.len().saturating_sub(1)) + 0.1;
        Self { title: title.to_owned(), ticks: ticks.collect(), from: -0.1, to }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a pixel of a page")]
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value - self.from) / (self.to - self.from);
        limit.0 + (f64::from(limit.1 - limit.0) * part).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let within = |at: &f64| (self.from..=self.to).contains(at);
        self.ticks.iter().map(|(at, _)| *at).filter(within).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let near = |(at, _): &&(f64, String)| (at - value).abs() < 1e-9;
        self.ticks.iter().find(near).map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// 1, 2 or 5 times a power of ten, at least as much as given.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    let fitting = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= least * 0.999);
    fitting.unwrap_or(10.0) * power
}
