//! Whether so much was seen that it shows something: a run that could not look has not passed.

use crate::check::{PROPERTIES, Property, Verdict};
use crate::events::{Event, History};
use crate::rules::Rules;

/// In how many places each property must have been looked at.
const LEAST: u64 = 20;
/// How many clear answers each node must have given while nothing was disturbed.
const OF_A_NODE: usize = 50;
/// How many of a hundred answers must be clear while nothing is disturbed.
const CLEAR: usize = 80;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Looked {
    pub(crate) events: usize,
    pub(crate) verdict: Verdict,
    disturbances: Vec<&'static str>,
    calm: usize,
    by_node: Vec<usize>,
}

impl Looked {
    /// Takes in a history in which nothing is wrong.
    pub(crate) fn add(&mut self, history: &History, verdict: Verdict, nodes: usize) {
        let disturbed = |event: &&Event| {
            history.disturbances.iter().any(|d| d.start <= event.end && event.start <= d.end)
        };
        let calm: Vec<&Event> = history.events.iter().filter(|event| !disturbed(event)).collect();
        self.by_node.resize(nodes, 0);
        for event in calm.iter().filter(|event| !event.is_unknown()) {
            self.by_node[event.node] += 1;
        }
        self.calm += calm.len();
        self.events += history.events.len();
        self.disturbances.extend(history.disturbances.iter().map(|d| d.what));
        self.verdict.add(verdict);
    }

    /// What is missing, if anything is.
    pub(crate) fn missing(&self, rules: &Rules) -> Option<String> {
        let clear: usize = self.by_node.iter().sum();
        if clear * 100 < self.calm * CLEAR {
            let calm = self.calm;
            return Some(format!("{clear} of {calm} answers are clear, and nothing was disturbed"));
        }
        if self.by_node.iter().any(|clear| *clear < OF_A_NODE) {
            return Some(format!("clear answers by node: {:?}", self.by_node));
        }
        let is_wanted = |property: &Property| match property {
            Property::CapHolds => rules.cap > 0,
            Property::BoundToItsClient => rules.bound,
            _ => true,
        };
        let mut wanted = PROPERTIES.into_iter().filter(is_wanted);
        let property = wanted.find(|p| self.verdict.looked(*p) < LEAST)?;
        Some(format!("{property:?} was looked at {} times only", self.verdict.looked(property)))
    }

    /// For whoever reads the output of a run.
    pub(crate) fn summary(mut self) -> String {
        self.disturbances.sort_unstable();
        let kinds = self.disturbances.chunk_by(|a, b| a == b);
        let kinds: Vec<String> =
            kinds.map(|same| format!("{} {} times", same[0], same.len())).collect();
        let looked = PROPERTIES.map(|p| format!("{}: {}", p as usize, self.verdict.looked(p)));
        format!(
            "{} requests; {}; looked at by property: {}; no violation",
            self.events,
            kinds.join(", "),
            looked.join(", ")
        )
    }
}
