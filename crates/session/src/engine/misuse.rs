//! Tokens that are used where, or when, their owner would not: what ends their sessions.

use super::{Ended, ROTATION_GRACE, Sessions};
use crate::{Cause, ClientDigest, Dead, EventContext, Intent, Outcome, Presented, SeenAt, Verdict};

impl Sessions {
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

    pub(super) async fn revoke_if_elsewhere(
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
