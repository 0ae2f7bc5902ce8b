//! The questions that wait for the next call of one URL: pure steps under a lock, nothing of time
//! or sockets.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::message::{Message, Room};
use crate::{Answer, AuthUnavailable};

/// What one caller gets.
pub(crate) type Outcome = Result<Answer, AuthUnavailable>;

/// So many questions of callers that went away may lie about before any of them is looked for.
const MAY_LIE_ABOUT: usize = 64;

/// A question, and where its answer goes.
pub(crate) struct Waiting {
    pub(crate) message: Message,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// First come, first served.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many callers went away since the last look; some of them may have been taken before.
    gone: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The questions of the next call: as many as have room in it, without those that nobody waits
    /// for.
    ///
    /// INVARIANT: what has been taken is complete. A question that is pushed later is part of a
    /// later call, and so is answered by what the auth service knows later.
    pub(crate) fn take(&mut self) -> Vec<Waiting> {
        let mut room = Room::of_a_call();
        let mut taken = Vec::with_capacity(self.waiting.len());
        while let Some(next) = self.waiting.pop_front() {
            if next.reply.is_closed() {
                continue;
            }
            if !room.take(&next.message) {
                self.waiting.push_front(next);
                break;
            }
            taken.push(next);
        }
        taken
    }

    /// Every question, for when none of them is to be sent from here.
    pub(crate) fn empty(&mut self) -> VecDeque<Waiting> {
        self.gone = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Takes note that a caller went away. What such callers leave behind is bounded by what the
    /// others have waiting.
    pub(crate) fn left(&mut self) {
        self.gone += 1;
        if self.gone > MAY_LIE_ABOUT.max(self.waiting.len() / 2) {
            self.waiting.retain(|waiting| !waiting.reply.is_closed());
            self.gone = 0;
        }
    }
}

/// Sends these callers elsewhere: nothing of their questions has left.
pub(crate) fn turn_away(questions: impl IntoIterator<Item = Waiting>) {
    for question in questions {
        let _ = question.reply.send(Err(AuthUnavailable::LeftOut));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Question;

    fn pushed(queue: &mut Queue, token: &str) -> oneshot::Receiver<Outcome> {
        let (reply, answer) = oneshot::channel();
        let message = Message::new(&Question::new(token)).unwrap();
        queue.push(Waiting { message, reply });
        answer
    }

    #[test]
    fn what_nobody_waits_for_is_not_taken() {
        let mut queue = Queue::default();
        let stays = pushed(&mut queue, "a");
        drop(pushed(&mut queue, "b"));
        let also_stays = pushed(&mut queue, "c");
        assert_eq!(queue.take().len(), 2);
        assert!(queue.is_empty());
        drop((stays, also_stays));
    }

    #[test]
    fn what_has_no_room_is_taken_next_in_its_order() {
        let mut queue = Queue::default();
        let answers: Vec<_> = (0..2_500).map(|_| pushed(&mut queue, "a")).collect();
        let sizes: Vec<usize> = (0..4).map(|_| queue.take().len()).collect();
        assert_eq!(sizes, [1024, 1024, 452, 0]);
        drop(answers);
    }

    #[test]
    fn callers_that_go_away_leave_nothing_that_grows() {
        let mut queue = Queue::default();
        let stays = pushed(&mut queue, "a");
        for _ in 0..100_000 {
            drop(pushed(&mut queue, "b"));
            queue.left();
            assert!(queue.waiting.len() <= 2 * MAY_LIE_ABOUT + 2);
        }
        drop(stays);
    }
}
