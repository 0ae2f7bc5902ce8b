//! Presented tokens whose answers hold only once something is written.

use std::sync::Arc;

use super::DurableStore;
use crate::store::memory::journal::Batch;
use crate::store::memory::touch::Touched;
use crate::{Outcome, Presented, SeenAt, TouchContext};

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
                return outcomes;
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
    }
}
