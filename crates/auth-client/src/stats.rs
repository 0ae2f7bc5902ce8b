//! What the client has seen so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use auth_api_types::Reason;

use crate::{Answer, AuthUnavailable};

/// What a client has seen so far.
#[derive(Clone, Debug)]
pub struct Stats {
    /// How many validations ended how: `alive`, one of the reasons of a dead token, or one of the
    /// names of [`AuthUnavailable`].
    pub validations: Vec<(&'static str, u64)>,
    /// How many requests held how many questions.
    pub batches: BatchSizes,
    /// The URLs.
    pub upstreams: Vec<UpstreamStats>,
}

/// How one URL does at the moment.
#[derive(Clone, Debug)]
pub struct UpstreamStats {
    /// The URL's scheme, host and port.
    pub name: String,
    /// How many questions to it wait or are in flight.
    pub in_flight: usize,
    /// Whether its circuit breaker is open: it failed, and has not answered the probe since.
    pub breaker_open: bool,
}

/// How many requests held how many questions.
#[derive(Clone, Debug)]
pub struct BatchSizes {
    /// For each step the most questions of a request that it counts, and how many requests it
    /// counted that no smaller step does.
    pub steps: Vec<(usize, u64)>,
    /// The questions of all requests.
    pub questions: u64,
}

const STEPS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

#[derive(Default)]
pub(crate) struct BatchCounts {
    requests: [AtomicU64; STEPS.len()],
    questions: AtomicU64,
}

impl BatchCounts {
    pub(crate) fn count(&self, questions: usize) {
        let step = STEPS.partition_point(|most| *most < questions);
        if let Some(count) = self.requests.get(step).or(self.requests.last()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.questions.fetch_add(questions as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> BatchSizes {
        let requests = self.requests.iter().map(|count| count.load(Ordering::Relaxed));
        BatchSizes {
            steps: STEPS.into_iter().zip(requests).collect(),
            questions: self.questions.load(Ordering::Relaxed),
        }
    }
}

const REASONS: [Reason; 4] = [Reason::Malformed, Reason::Unknown, Reason::Expired, Reason::Revoked];

#[derive(Default)]
pub(crate) struct Counts {
    alive: AtomicU64,
    dead: [AtomicU64; REASONS.len()],
    unavailable: [AtomicU64; AuthUnavailable::ALL.len()],
}

impl Counts {
    pub(crate) fn count(&self, outcome: &Result<Answer, AuthUnavailable>) {
        let count = match outcome {
            Ok(Answer::Alive(_)) => Some(&self.alive),
            Ok(Answer::Dead(reason)) => at(&REASONS, &self.dead, reason),
            Err(why) => at(&AuthUnavailable::ALL, &self.unavailable, why),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
        let dead = REASONS.iter().map(|reason| reason.as_str()).zip(&self.dead);
        let failed =
            AuthUnavailable::ALL.iter().map(|failed| failed.as_str()).zip(&self.unavailable);
        std::iter::once(("alive", &self.alive))
            .chain(dead)
            .chain(failed)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .collect()
    }
}

fn at<'a, K: PartialEq>(keys: &[K], counts: &'a [AtomicU64], key: &K) -> Option<&'a AtomicU64> {
    keys.iter().position(|other| other == key).and_then(|index| counts.get(index))
}
