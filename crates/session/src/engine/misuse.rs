//! Tokens that are used where, or when, their owner would not: what ends their sessions.

use super::{Ended, ROTATION_GRACE, Sessions};
use crate::{Cause, ClientDigest, Dead, EventContext, Intent, Outcome, Presented, SeenAt, Verdict};

/// Whether it is of a token from before a rotation.
pub(super) const fn is_of_replaced(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Verdict::Dead(Dead::Replaced)))
}

impl Sessions {
    /// Judges the tokens of a batch by where they were seen, and those from before a rotation.
    pub(super) async fn judge_misuse(
        &self,
        outcomes: &mut [Outcome],
        batch: &[Presented],
        seen_at: &[SeenAt],
    ) {
        let mut ended = Ended::new();
        for ((outcome, seen), presented) in outcomes.iter_mut().zip(seen_at).zip(batch) {
            if is_of_replaced(outcome) {
                *outcome = self.judge_reuse(*presented, seen, &mut ended).await;
            } else {
                self.revoke_if_elsewhere(outcome, seen, presented.intent, &mut ended).await;
            }
        }
    }

    /// What becomes of the use of a token from before a rotation: it is unknown, and the session
    /// ends where that looks like theft.
    pub(super) async fn judge_reuse(
        &self,
        presented: Presented,
        seen: &SeenAt,
        ended: &mut Ended,
    ) -> Outcome {
        let client = ClientDigest::of(seen);
        let context = EventContext::of_client(Cause::Reused, seen.clone());
        let judged = self.store.end_reused(&presented, client, ROTATION_GRACE, &context).await;
        if !matches!(judged, Ok(None)) {
            ended.insert(presented.id, judged.clone().map(|_| ()));
        }
        judged.map(|_| Verdict::Dead(Dead::Unknown))
    }

    async fn revoke_if_elsewhere(
        &self,
        outcome: &mut Outcome,
        seen: &SeenAt,
        intent: Intent,
        ended: &mut Ended,
    ) {
        let Ok(Verdict::Alive(session)) = outcome else {
            return;
        };
        if let Some(since) = ended.get(&session.id) {
            *outcome = since.clone().map(|()| Verdict::Dead(Dead::Unknown));
        } else if !self.binding.holds(&session.origin, seen) {
            let mut ending = Ok(());
            if intent == Intent::Use {
                let context = EventContext::of_client(Cause::Elsewhere, seen.clone());
                ending = self.store.remove(session.id, &context).await.map(|_| ());
                ended.insert(session.id, ending.clone());
            }
            *outcome = ending.map(|()| Verdict::Dead(Dead::Revoked));
        }
    }
}
