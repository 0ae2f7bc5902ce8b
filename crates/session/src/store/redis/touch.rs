//! Presented tokens: uses and looks, many in one request, and what ends sessions, each by itself.
//!
//! A use says from where it is made, since that may be the event of the end of a single-use session.

use std::collections::HashSet;

use super::key::Key;
use super::scripts::{END_PRESENTED, TOUCH};
use super::{RedisStore, record, reply};
use crate::redis_connection::{Reply, ScriptReply, ScriptRequest};
use crate::{
    Dead, EventContext, EventKind, Intent, Kind, Outcome, Presented, SeenAt, SessionId, StoreError,
    TouchContext, Verdict, event,
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
        while !pending.is_empty() {
            let round = Round::of(batch, &pending);
            self.touch_some(batch, &round.touched, context, &mut outcomes).await;
            if !round.ended.is_empty() {
                self.end_some(batch, &round.ended, context, &mut outcomes).await;
            }
            pending = round.waiting;
        }
        let outcomes = outcomes.into_iter();
        let mut outcomes: Vec<Outcome> =
            outcomes.map(|outcome| outcome.unwrap_or_else(|| Err(reply::unreadable()))).collect();
        self.confirm_endings(batch, &mut outcomes).await;
        outcomes
    }

    /// Uses and looks of a batch, as many in one request as it takes.
    async fn touch_some(
        &self,
        batch: &[Presented],
        indices: &[usize],
        context: TouchContext<'_>,
        outcomes: &mut [Option<Outcome>],
    ) {
        if indices.is_empty() {
            return;
        }
        let mut requests = self.connection.batch(&TOUCH);
        for at in indices {
            let presented = &batch[*at];
            let argument = touch_argument(presented, context.seen_at.get(*at));
            let stream = self.streams.of(presented.id.uuid());
            requests.push(&self.key_of(presented.id), &argument, Some(stream));
        }
        let mut former = Vec::new();
        for (at, reply) in indices.iter().zip(self.connection.run_batch(requests).await) {
            let presented = &batch[*at];
            match (&reply, self.former_key_of(presented.id)) {
                (Ok(reply), Some(key)) if reply.content() == [UNKNOWN] => former.push((*at, key)),
                _ => {
                    outcomes[*at] = Some(self.touched(presented, reply, context, *at));
                }
            }
        }
        if !former.is_empty() {
            self.touch_former(batch, &former, context, outcomes).await;
        }
    }

    /// Uses and looks of sessions that may have been opened by a version before.
    async fn touch_former(
        &self,
        batch: &[Presented],
        former: &[(usize, Key)],
        context: TouchContext<'_>,
        outcomes: &mut [Option<Outcome>],
    ) {
        let mut requests = self.connection.batch(&TOUCH);
        for (at, key) in former {
            requests.push(key, &touch_argument(&batch[*at], context.seen_at.get(*at)), None);
        }
        let mut appends = Vec::new();
        for ((at, _), reply) in former.iter().zip(self.connection.run_batch(requests).await) {
            let presented = &batch[*at];
            let record = reply.as_ref().map(|reply| reply.content().to_vec()).unwrap_or_default();
            let outcome = self.touched(presented, reply, context, *at);
            if is_used_up(presented, &outcome) {
                let context = used(context, *at);
                let event = Self::encoded_event(EventKind::SessionEnded, presented.id, &context);
                appends.push(self.late_event(presented.id, &record, &event));
            }
            outcomes[*at] = Some(outcome);
        }
        self.append_late(&appends).await;
    }

    /// What became of a use or a look; the end of a session that was used up is reported.
    fn touched(
        &self,
        presented: &Presented,
        reply: Result<ScriptReply, StoreError>,
        context: TouchContext<'_>,
        at: usize,
    ) -> Outcome {
        let reply = reply?;
        let now = reply.now_ms();
        let outcome = verdict(presented, &reply, now);
        if let Ok(Verdict::Alive(session)) = &outcome
            && is_used_up(presented, &outcome)
        {
            self.reported(EventKind::SessionEnded, session, &used(context, at), now);
        }
        outcome
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
        let ids: Vec<SessionId> = indices.iter().map(|at| batch[*at].id).collect();
        let replies = self.run_about(&ids, &requests).await;
        for (at, reply) in indices.iter().zip(replies) {
            outcomes[*at] = Some(self.presented_end(&batch[*at], reply, &ending(at)));
        }
    }

    fn end_request(&self, presented: &Presented, context: &EventContext) -> ScriptRequest {
        let (id, digest) = (presented.id, record::stored_digest(&presented.digest));
        if presented.intent != Intent::End {
            return ScriptRequest::on(&END_PRESENTED, &self.key_of(id)).arg(&digest).arg("look");
        }
        let request = self.reporting(&END_PRESENTED, id).arg(&digest).arg("end");
        Self::with_event(request, EventKind::SessionEnded, id, context)
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
        let session = record::decode(presented.id, bytes, now).ok_or_else(reply::unreadable)?;
        if presented.intent == Intent::End {
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
            (Intent::Use, outcome) => is_used_up(&batch[*at], outcome),
            (Intent::Look, Ok(Verdict::Dead(_))) | (Intent::End, Ok(_)) => true,
            _ => false,
        };
        let ended = (0..batch.len().min(outcomes.len())).filter(reports_end);
        let keys = ended.flat_map(|at| {
            let id = batch[at].id;
            let keys = [Some(self.key_of(id)), self.former_key_of(id)];
            keys.into_iter().flatten().map(move |key| (at, key))
        });
        let (ended, requests): (Vec<usize>, Vec<ScriptRequest>) =
            keys.map(|(at, key)| (at, ScriptRequest::command("EXISTS", &key))).unzip();
        for (at, reply) in ended.into_iter().zip(self.connection.run_durably(&requests).await) {
            if let Err(error) = reply {
                outcomes[at] = Err(error);
            }
        }
    }
}

/// What the script replies where there is no such session.
const UNKNOWN: u8 = 0;

/// The argument of the script for one use or look.
fn touch_argument(presented: &Presented, seen_at: Option<&SeenAt>) -> Vec<u8> {
    let mut argument = Vec::with_capacity(192);
    argument.extend(record::stored_digest(&presented.digest));
    let is_use = presented.intent == Intent::Use;
    argument.push(u8::from(!is_use));
    argument.extend(presented.id.uuid().as_bytes());
    let client = seen_at.filter(|_| is_use).map(event::encoded_client);
    let client = client.unwrap_or_else(|| event::encoded_client(&SeenAt::default()));
    let length = u16::try_from(client.len()).ok();
    // What is too long to be counted is none that a server of ours has let in.
    argument.extend(length.unwrap_or_default().to_be_bytes());
    argument.extend(length.map(|_| client).unwrap_or_default());
    argument
}

/// The context in which the token of this index uses its session up.
fn used(context: TouchContext<'_>, at: usize) -> EventContext {
    context.ending(at, Intent::Use)
}

/// Whether this was the one use of its session.
fn is_used_up(presented: &Presented, outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Verdict::Alive(session)) if session.kind == Kind::SingleUse)
        && presented.intent == Intent::Use
}

fn verdict(presented: &Presented, reply: &ScriptReply, now: u64) -> Outcome {
    let session = match (reply.content(), presented.intent) {
        ([UNKNOWN], _) => return Ok(Verdict::Dead(Dead::Unknown)),
        ([1], _) => return Ok(Verdict::Dead(Dead::Expired)),
        ([3], _) => return Ok(Verdict::Dead(Dead::Replaced)),
        (record, Intent::Use) => record::decode_used(presented.id, record, now),
        (record, Intent::Look | Intent::End) => record::decode(presented.id, record, now),
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
    fn of(batch: &[Presented], pending: &[usize]) -> Self {
        let mut round = Self::default();
        let (mut ending, mut waiting) = (HashSet::new(), HashSet::new());
        for at in pending {
            let Presented { id, intent, .. } = batch[*at];
            if waiting.contains(&id) {
                round.waiting.push(*at);
            } else if intent == Intent::Use && ending.contains(&id) {
                waiting.insert(id);
                round.waiting.push(*at);
            } else if intent == Intent::End || ending.contains(&id) {
                ending.insert(id);
                round.ended.push(*at);
            } else {
                round.touched.push(*at);
            }
        }
        round
    }
}
