//! One place for calls to one URL, in one lane: takes what waits, sends it, hands out the answers,
//! and again.
//!
//! It is a task of its own, which lives as long as the client: a caller that goes away takes
//! nothing with it but its own question. It never waits for company.

use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::AuthUnavailable;
use crate::calls::Calls;
use crate::lane::{Lane, Place};
use crate::message::{Call, Message};
use crate::queue::{Outcome, Waiting, turn_away};
use crate::upstream::Upstream;

/// A call that takes longer than this part of the budget gives up its place: one that hangs must
/// not keep those who come later from being asked for in time.
const OVERDUE: u32 = 10;

/// Works until the place is given up, or the task is aborted.
pub(crate) async fn work(upstream: Arc<Upstream>, calls: Arc<Calls>, place: Place) {
    let lane = Arc::clone(place.lane());
    let mut place = Some(place);
    while place.is_some() {
        let (questions, more) = lane.take();
        if questions.is_empty() {
            lane.arrived.notified().await;
            // Whoever can ask without waiting for anything does so now.
            yield_now().await;
            continue;
        }
        if more {
            lane.arrived.notify_one();
        }
        call(&upstream, &lane, &calls, questions, &mut place).await;
    }
}

/// Sends one call and hands out its answers, each caller's own to each. It ends early where nobody
/// waits for it any more.
async fn call(
    upstream: &Arc<Upstream>,
    lane: &Arc<Lane>,
    calls: &Arc<Calls>,
    questions: Vec<Waiting>,
    place: &mut Option<Place>,
) {
    let Some(epoch) = upstream.admit() else {
        return turn_away(questions);
    };
    let (messages, replies) = questions
        .into_iter()
        .map(|question| (question.message, question.reply))
        .unzip::<_, _, Vec<Message>, Vec<_>>();
    calls.sizes.count(messages.len());
    let mut sent = pin!(calls.wire().send(upstream, Call::of(messages)));
    let mut overdue = pin!(sleep(calls.budget / OVERDUE));
    let mut waits = 0;
    let outcome = loop {
        // From here on it hears of everybody who leaves.
        let gone = lane.gone.notified();
        if nobody_waits(&replies, &mut waits) {
            return;
        }
        select! {
            biased;
            outcome = &mut sent => break outcome,
            () = gone => {}
            () = &mut overdue, if place.is_some() => {
                *place = None;
                calls.staff(upstream, lane);
            }
        }
    };
    match calls.heard(upstream, epoch, outcome) {
        Ok(answers) => {
            for (reply, answer) in replies.into_iter().zip(answers) {
                let _ = reply.send(answer.ok_or(AuthUnavailable::Unclear));
            }
        }
        Err(why) => {
            for reply in replies {
                let _ = reply.send(Err(why));
            }
        }
    }
}

/// Looks on from the last one that was seen to wait.
fn nobody_waits(replies: &[oneshot::Sender<Outcome>], waits: &mut usize) -> bool {
    let left = replies[*waits..].iter().take_while(|reply| reply.is_closed()).count();
    *waits += left;
    *waits == replies.len()
}
