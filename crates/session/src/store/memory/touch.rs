//! Presented tokens: one alone, or a few at a time.

use std::hint::black_box;
use std::sync::Arc;

use super::flags::{ENDING, USED, WRITING};
use super::journal::{Batch, Change, Part};
use super::key::Key;
use super::lock_batch::{LOCKS_AT_ONCE, Locked};
use super::record::Record;
use super::shard::Shard;
use super::steps::live;
use super::wall_clock::Now;
use super::{MemoryStore, Written};
use crate::{Event, Intent, Kind, Outcome, Presented, StoreError, TouchContext, Verdict};

/// What became of a batch.
#[derive(Default)]
pub(crate) struct Touched {
    /// The answers, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Which of them hold only once something is written.
    pub(crate) promised: Vec<(usize, Arc<Batch>)>,
    /// Which could not be answered before something is written, and must be presented again then.
    pub(crate) waiting: Vec<(usize, Arc<Batch>)>,
}

/// What became of a batch so far.
struct Answers<'a> {
    touched: Touched,
    /// Sessions that were ended, to be forgotten when no lock is held.
    ended: Vec<Record>,
    store: &'a MemoryStore,
    written: Option<&'a Written>,
    context: TouchContext<'a>,
}

impl MemoryStore {
    /// Answers for each presented token, in order.
    pub(crate) fn touch_all(&self, batch: &[Presented], context: TouchContext<'_>) -> Touched {
        let outcomes = Vec::with_capacity(batch.len());
        let touched = Touched { outcomes, ..Touched::default() };
        let written = self.written.as_ref();
        let mut answers = Answers { touched, ended: Vec::new(), store: self, written, context };
        for few in batch.chunks(LOCKS_AT_ONCE) {
            match few {
                [presented] => self.touch_alone(presented, &mut answers),
                _ => self.touch_few(few, &mut answers),
            }
            if !answers.ended.is_empty() {
                self.forget_all(&mut answers.ended);
            }
        }
        answers.touched
    }

    fn touch_alone(&self, presented: &Presented, answers: &mut Answers<'_>) {
        let mut shard = self.shard(Key::of(presented.id)).lock();
        answers.touch(&mut shard, presented, self.wall_clock.now());
    }

    fn touch_few(&self, few: &[Presented], answers: &mut Answers<'_>) {
        let number = |presented: &Presented| Key::of(presented.id).part(self.shards.len());
        let mut locked = Locked::of(&self.shards, few.iter().map(number));
        for presented in few {
            black_box(locked.part(number(presented)).prefetch(presented.id));
        }
        let now = self.wall_clock.now();
        for presented in few {
            answers.touch(locked.part(number(presented)), presented, now);
        }
    }
}

impl Answers<'_> {
    /// Judges one presented token, and does what its intent asks for.
    fn touch(&mut self, shard: &mut Shard, presented: &Presented, now: Now) {
        let index = match live(shard, presented, now.moment) {
            Ok(index) if shard.at(index).flags.has(WRITING) => return self.wait(presented),
            Ok(index) => index,
            Err(_) if self.is_writing(shard, presented) => return self.wait(presented),
            Err(dead) => return self.touched.outcomes.push(Ok(Verdict::Dead(dead))),
        };
        let record = shard.at_mut(index);
        if presented.intent == Intent::Use {
            record.use_at(now.moment);
        }
        let view = record.view(now);
        let ends = match presented.intent {
            Intent::Use => record.kind == Kind::SingleUse,
            Intent::Look => false,
            Intent::End => true,
        };
        match self.written {
            Some(written) => self.note(written, shard, index, (presented.intent, ends), now),
            None if ends => {
                let record = shard.take(index);
                self.store.events.push_all([self.ended_event(&record, presented.intent, now)]);
                self.ended.push(record);
            }
            None => {}
        }
        self.touched.outcomes.push(Ok(Verdict::Alive(view)));
    }

    /// Has what was done to the session at `index` written down. A use that ends it does so once it
    /// is written: until then no other request learns whether it lives.
    fn note(
        &mut self,
        written: &Written,
        shard: &mut Shard,
        index: u32,
        (intent, ends): (Intent, bool),
        now: Now,
    ) {
        let record = shard.at_mut(index);
        let id = record.id;
        let batch = match (intent, ends) {
            (Intent::Use, true) => {
                record.flags.set(WRITING);
                record.flags.set(ENDING);
                let event = Box::new(self.ended_event(record, intent, now));
                written.journal.hold(id, Part::Session, Change::UsedUp(id, event))
            }
            (_, true) => {
                let record = shard.take(index);
                let event = Box::new(self.ended_event(&record, intent, now));
                self.ended.push(record);
                written.journal.push(Change::Ended(id, Some(event)))
            }
            (Intent::Use, false) => {
                if !record.flags.has(USED) {
                    record.flags.set(USED);
                    written.marks.mark(id, now.moment, record.expiry.idle());
                }
                return;
            }
            _ => return,
        };
        self.touched.promised.push((self.touched.outcomes.len(), batch));
    }

    /// The event of the end of the session that is being judged.
    fn ended_event(&self, record: &Record, intent: Intent, now: Now) -> Event {
        let context = self.context.ending(self.touched.outcomes.len(), intent);
        record.ended(&context, now)
    }

    /// Whether a token that opens nothing now may do so once what is being written is written, or
    /// is not.
    fn is_writing(&self, shard: &Shard, presented: &Presented) -> bool {
        let is_writing = |index| shard.at(index).flags.has(WRITING);
        self.written.is_some() && shard.find(presented.id).is_some_and(is_writing)
    }

    fn wait(&mut self, presented: &Presented) {
        let journal = self.written.map(|written| &written.journal);
        let batch = journal.and_then(|journal| journal.batch_of(presented.id, Part::Session));
        self.touched.waiting.extend(batch.map(|batch| (self.touched.outcomes.len(), batch)));
        let being_written = StoreError("the session is being written".to_owned());
        self.touched.outcomes.push(Err(being_written));
    }
}
