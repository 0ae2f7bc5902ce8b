//! Presented tokens: one alone, or a few at a time.

use std::hint::black_box;

use super::MemoryStore;
use super::dates::Now;
use super::key::Key;
use super::record::Record;
use super::shard::Shard;
use super::steps::live;
use super::together::{Locked, TOGETHER};
use crate::{Intent, Kind, Outcome, Presented, Verdict};

/// What became of a batch so far.
struct Answers {
    outcomes: Vec<Outcome>,
    /// Sessions that were ended, to be forgotten when no lock is held.
    ended: Vec<Record>,
}

impl MemoryStore {
    /// Answers for each presented token, in order.
    pub(super) fn touch_all(&self, batch: &[Presented]) -> Vec<Outcome> {
        let outcomes = Vec::with_capacity(batch.len());
        let mut answers = Answers { outcomes, ended: Vec::new() };
        for few in batch.chunks(TOGETHER) {
            match few {
                [presented] => self.touch_alone(presented, &mut answers),
                _ => self.touch_few(few, &mut answers),
            }
            if !answers.ended.is_empty() {
                self.forget_all(&mut answers.ended);
            }
        }
        answers.outcomes
    }

    fn touch_alone(&self, presented: &Presented, answers: &mut Answers) {
        let mut shard = self.shard(Key::of(presented.id)).lock();
        answers.touch(&mut shard, presented, self.dates.now());
    }

    fn touch_few(&self, few: &[Presented], answers: &mut Answers) {
        let number = |presented: &Presented| Key::of(presented.id).part(self.shards.len());
        let mut locked = Locked::of(&self.shards, few.iter().map(number));
        for presented in few {
            black_box(locked.part(number(presented)).near(presented.id));
        }
        let now = self.dates.now();
        for presented in few {
            answers.touch(locked.part(number(presented)), presented, now);
        }
    }
}

impl Answers {
    /// Judges one presented token, and does what its intent asks for.
    fn touch(&mut self, shard: &mut Shard, presented: &Presented, now: Now) {
        let place = match live(shard, presented, now.moment) {
            Ok(place) => place,
            Err(dead) => return self.outcomes.push(Ok(Verdict::Dead(dead))),
        };
        let record = shard.at_mut(place);
        if presented.intent == Intent::Use {
            record.use_at(now.moment);
        }
        self.outcomes.push(Ok(Verdict::Alive(record.view(now))));
        let ends = match presented.intent {
            Intent::Use => record.kind == Kind::SingleUse,
            Intent::Look => false,
            Intent::End => true,
        };
        if ends {
            self.ended.push(shard.take(place));
        }
    }
}
