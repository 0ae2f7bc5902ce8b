//! Presented tokens whose answers hold only once something is written.

use std::sync::Arc;

use super::DurableStore;
use crate::store::memory::journal::Batch;
use crate::store::memory::promises::Promises;
use crate::store::memory::touch::Touched;
use crate::{Intent, Outcome, Presented, SeenAt, StoreError, TouchContext, Verdict};

impl DurableStore {
    /// Waits for what was promised, and presents again what had to wait for others.
    pub(super) async fn answer(
        &self,
        batch: &[Presented],
        context: TouchContext<'_>,
        first: Touched,
    ) -> Vec<Outcome> {
        let mut outcomes = first.outcomes;
        let (mut promised, mut waiting) = (first.promised, first.waiting);
        loop {
            for (at, written) in promised {
                if let Err(error) = written.written().await {
                    outcomes[at] = Err(error);
                }
            }
            if waiting.is_empty() {
                break;
            }
            for (_, written) in &waiting {
                // Whatever became of it, the session can be judged again.
                let _ = written.written().await;
            }
            let again: Vec<Presented> = waiting.iter().map(|(at, _)| batch[*at]).collect();
            let seen = |(at, _): &(usize, _)| context.seen_at.get(*at).cloned().unwrap_or_default();
            let seen_at: Vec<SeenAt> = waiting.iter().map(seen).collect();
            let context = TouchContext { seen_at: &seen_at, ..context };
            let next = self.memory.touch_all(&again, context);
            let original = |(at, written): (usize, Arc<Batch>)| (waiting[at].0, written);
            promised = next.promised.into_iter().map(original).collect();
            let next_waiting = next.waiting.into_iter().map(original).collect();
            for ((at, _), outcome) in waiting.iter().zip(next.outcomes) {
                outcomes[*at] = outcome;
            }
            waiting = next_waiting;
        }
        let is_dead_end = |at: &usize| {
            batch[*at].intent == Intent::End && matches!(outcomes[*at], Ok(Verdict::Dead(_)))
        };
        let dead_ends: Vec<usize> = (0..batch.len()).filter(is_dead_end).collect();
        if !dead_ends.is_empty()
            && let Err(error) = self.earlier_ends_written().await
        {
            for at in dead_ends {
                outcomes[at] = Err(error.clone());
            }
        }
        outcomes
    }

    /// Waits until what was to be ended is written: by this operation, or, where it found nothing
    /// live, by those before it.
    ///
    /// # Errors
    ///
    /// It is not written yet.
    pub(super) async fn ended(&self, promises: Promises) -> Result<(), StoreError> {
        if promises.is_empty() {
            self.earlier_ends_written().await
        } else {
            promises.written().await
        }
    }

    /// Whether the file takes what is to be written, as far as the writer knows.
    ///
    /// # Errors
    ///
    /// What was to be written could not be, and is not as yet.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        self.condition.failure.lock().clone().map_or(Ok(()), |reason| Err(StoreError(reason)))
    }

    /// INVARIANT: whoever ends a session and finds it dead is answered once its end is written.
    /// Another request may have ended it, and may still wait: a crash would bring it back.
    async fn earlier_ends_written(&self) -> Result<(), StoreError> {
        if let Some(batch) = self.memory.changes().latest() {
            // Its own requests are told what became of it.
            let _ = batch.written().await;
        }
        // An end that could not be written is written before the file counts as writable again.
        self.writable()
    }
}
