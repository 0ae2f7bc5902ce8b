//! Presented tokens: uses and looks, many in one request, and what ends sessions, each by itself.
//!
//! A use that would use its session up is not done with the others: its event says who used it,
//! which would make every use of every session longer. The script leaves it alone, and replies so.

use std::collections::HashSet;

use super::scripts::{END_PRESENTED, TOUCH};
use super::{RedisStore, record, reply, session_key};
use crate::redis_connection::{Reply, ScriptReply, ScriptRequest};
use crate::{
    Dead, EventContext, EventKind, Intent, Kind, Outcome, Presented, SessionId, StoreError,
    TouchContext, Verdict,
};

impl RedisStore {
    /// Answers for each presented token, in order.
    pub(super) async fn touch_all(
        &self,
        batch: &[Presented],
        context: TouchContext<'_>,
    ) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        let mut pending: Vec<usize> = (0..batch.len()).collect();
        let mut single_use = HashSet::new();
        while !pending.is_empty() {
            let round = Round::of(batch, &pending, &single_use);
            let used_up = self.touch_some(batch, &round.touched, &mut outcomes).await;
            if !round.ended.is_empty() {
                self.end_some(batch, &round.ended, context, &mut outcomes).await;
            }
            pending = round.waiting;
            if !used_up.is_empty() {
                single_use.extend(used_up.iter().map(|at| batch[*at].id));
                // What was looked at in between is looked at once more, in its turn.
                let again = round.touched.iter().filter(|at| single_use.contains(&batch[**at].id));
                pending.extend(again);
                pending.sort_unstable();
            }
        }
        let outcomes = outcomes.into_iter();
        let mut outcomes: Vec<Outcome> =
            outcomes.map(|outcome| outcome.unwrap_or_else(|| Err(reply::unreadable()))).collect();
        self.confirm_endings(batch, &mut outcomes).await;
        outcomes
    }

    /// Uses and looks of a batch, as many in one request as it takes; the indices of uses that would
    /// use a session up, which was not done.
    async fn touch_some(
        &self,
        batch: &[Presented],
        indices: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Vec<usize> {
        let mut used_up = Vec::new();
        if indices.is_empty() {
            return used_up;
        }
        let mut requests = self.connection.batch(&TOUCH);
        for at in indices {
            requests.push(&session_key(batch[*at].id), &touch_argument(&batch[*at]));
        }
        let replies = self.connection.run_batch(requests).await;
        for (at, reply) in indices.iter().zip(replies) {
            match reply {
                Ok(reply) if reply.content() == [4] => used_up.push(*at),
                reply => outcomes[*at] = Some(touched(&batch[*at], reply)),
            }
        }
        used_up
    }

    /// What ends sessions, and looks in between: each by itself, in their order.
    async fn end_some(
        &self,
        batch: &[Presented],
        indices: &[usize],
        context: TouchContext<'_>,
        outcomes: &mut [Option<Outcome>],
    ) {
        let ending = |at: &usize| context.ending(*at, batch[*at].intent);
        let requests: Vec<ScriptRequest> =
            indices.iter().map(|at| self.end_request(&batch[*at], &ending(at))).collect();
        let replies = self.connection.run(&requests).await;
        for (at, reply) in indices.iter().zip(replies) {
            outcomes[*at] = Some(self.presented_end(&batch[*at], reply, &ending(at)));
        }
    }

    fn end_request(&self, presented: &Presented, context: &EventContext) -> ScriptRequest {
        let intent = match presented.intent {
            Intent::Use => "use",
            Intent::Look => "look",
            Intent::End => "end",
        };
        let request = self.reporting(&END_PRESENTED, presented.id);
        let request = request.arg(&record::stored_digest(&presented.digest)).arg(intent);
        self.with_event(request, EventKind::SessionEnded, presented.id, context)
    }

    fn presented_end(
        &self,
        presented: &Presented,
        reply: Reply,
        context: &EventContext,
    ) -> Outcome {
        let reply = reply?;
        let (now, bytes) = match reply::state(&reply)? {
            Ok(found) => found,
            Err(dead) => return Ok(Verdict::Dead(dead)),
        };
        let session = match presented.intent {
            Intent::Use => record::decode_used(presented.id, bytes, now),
            Intent::Look | Intent::End => record::decode(presented.id, bytes, now),
        };
        let session = session.ok_or_else(reply::unreadable)?;
        if presented.intent != Intent::Look {
            self.reported(EventKind::SessionEnded, &session, context, now);
        }
        Ok(Verdict::Alive(session))
    }

    /// Where replicas are waited for, what is reported as over must be over there as well: a
    /// single-use token that was used up could be used once more after a failover, and a logout
    /// that failed for want of a replica would succeed when it is tried again, because the token
    /// is dead by then.
    async fn confirm_endings(&self, batch: &[Presented], outcomes: &mut [Outcome]) {
        if !self.connection.waits_for_replica() {
            return;
        }
        let reports_end = |at: &usize| match (batch[*at].intent, &outcomes[*at]) {
            (Intent::Use, Ok(Verdict::Alive(session))) => session.kind == Kind::SingleUse,
            (Intent::Look, Ok(Verdict::Dead(_))) | (Intent::End, Ok(_)) => true,
            _ => false,
        };
        let ended: Vec<usize> = (0..batch.len().min(outcomes.len())).filter(reports_end).collect();
        let request = |at: &usize| ScriptRequest::command("EXISTS", &session_key(batch[*at].id));
        let requests: Vec<ScriptRequest> = ended.iter().map(request).collect();
        for (at, reply) in ended.into_iter().zip(self.connection.run_durably(&requests).await) {
            if let Err(error) = reply {
                outcomes[at] = Err(error);
            }
        }
    }
}

/// The argument of the script for one use or look.
fn touch_argument(presented: &Presented) -> [u8; 17] {
    let mut argument = [0; 17];
    argument[..16].copy_from_slice(&record::stored_digest(&presented.digest));
    argument[16] = match presented.intent {
        Intent::Use => 0,
        Intent::Look | Intent::End => 1,
    };
    argument
}

fn touched(presented: &Presented, reply: Result<ScriptReply, StoreError>) -> Outcome {
    let reply = reply?;
    let (now, id) = (reply.now_ms(), presented.id);
    let session = match (reply.content(), presented.intent) {
        ([0], _) => return Ok(Verdict::Dead(Dead::Unknown)),
        ([1], _) => return Ok(Verdict::Dead(Dead::Expired)),
        ([3], _) => return Ok(Verdict::Dead(Dead::Replaced)),
        (record, Intent::Use) => record::decode_used(id, record, now),
        (record, Intent::Look | Intent::End) => record::decode(id, record, now),
    };
    session.map(Verdict::Alive).ok_or_else(reply::unreadable)
}

/// Which items of a batch are done next.
#[derive(Default)]
struct Round {
    /// Uses and looks, all in one request.
    touched: Vec<usize>,
    /// What ends sessions, or comes after that; done after those, each by itself.
    ended: Vec<usize>,
    /// What must wait for those: uses after an end that may have failed.
    waiting: Vec<usize>,
}

impl Round {
    /// INVARIANT: items of one session are done in their order.
    fn of(batch: &[Presented], pending: &[usize], single_use: &HashSet<SessionId>) -> Self {
        let mut round = Self::default();
        let (mut ending, mut waiting) = (HashSet::new(), HashSet::new());
        for at in pending {
            let Presented { id, intent, .. } = batch[*at];
            let is_ending = ending.contains(&id) || single_use.contains(&id);
            if waiting.contains(&id) {
                round.waiting.push(*at);
            } else if intent == Intent::Use && ending.contains(&id) && !single_use.contains(&id) {
                waiting.insert(id);
                round.waiting.push(*at);
            } else if intent == Intent::End || is_ending {
                ending.insert(id);
                round.ended.push(*at);
            } else {
                round.touched.push(*at);
            }
        }
        round
    }
}
