//! Turns: readers of events are served a few at a time, so that no request waits behind a thousand of
//! them.
//!
//! A turn is one wake-up and one write. The longer a reader waits for its turn, the more events it
//! gets in that write: this is what bounds the work, however many events there are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How often turns are given.
const TICK: Duration = Duration::from_millis(1);
/// How many are given at a time.
const AT_ONCE: usize = 32;
/// How many may be given in a millisecond in the long run.
const A_MILLISECOND: f64 = 20.0;
/// How many of those that nobody took are given later, beside these.
const SAVED: f64 = 1_000.0;

/// How far the wanted events are read that a reader has, once it has its turn: nothing was there for
/// it up to this position. `None` where that is as far as it knows.
pub(super) type Reached = Option<Arc<str>>;

/// Who waits for a turn.
pub(super) type Waiter = oneshot::Sender<Reached>;

/// Who is served next.
pub(super) struct Turns {
    state: Mutex<State>,
    queued: Notify,
}

struct State {
    queue: VecDeque<(Waiter, Reached)>,
    /// How many turns may be given now.
    credit: f64,
}

impl Turns {
    pub(super) fn new() -> Self {
        let state = State { queue: VecDeque::new(), credit: SAVED };
        Self { state: Mutex::new(state), queued: Notify::new() }
    }

    /// Has these served behind those that wait already.
    pub(super) fn queue(&self, waiters: impl IntoIterator<Item = Waiter>, reached: &Reached) {
        let waiters = waiters.into_iter().map(|waiter| (waiter, reached.clone()));
        self.state.lock().queue.extend(waiters);
        self.queued.notify_one();
    }

    /// Has fewer turns given for a while: one of them was as much work as so many more.
    pub(super) fn charge(&self, turns: f64) {
        let mut state = self.state.lock();
        state.credit = (state.credit - turns).max(-SAVED);
    }

    /// Gives turns for as long as it is polled. It sleeps while nobody waits for one.
    pub(super) async fn run(&self) {
        let mut before = Instant::now();
        loop {
            while self.state.lock().queue.is_empty() {
                self.queued.notified().await;
            }
            let now = Instant::now();
            self.give(now - before);
            before = now;
            tokio::time::sleep(TICK).await;
        }
    }

    /// Gives the turns that are due so long after the last time; how many there were.
    fn give(&self, since: Duration) -> usize {
        let due = self.state.lock().due(since);
        let count = due.len();
        for (waiter, reached) in due {
            // Who went away meanwhile needs no turn.
            let _gone = waiter.send(reached);
        }
        count
    }
}

impl State {
    fn due(&mut self, since: Duration) -> Vec<(Waiter, Reached)> {
        self.credit = (self.credit + since.as_secs_f64() * 1_000.0 * A_MILLISECOND).min(SAVED);
        let mut due = Vec::new();
        while due.len() < AT_ONCE
            && self.credit >= 1.0
            && let Some((waiter, reached)) = self.queue.pop_front()
        {
            if !waiter.is_closed() {
                self.credit -= 1.0;
                due.push((waiter, reached));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn waiting(turns: &Turns, count: usize) -> Vec<oneshot::Receiver<Reached>> {
        let (waiters, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| oneshot::channel()).unzip();
        turns.queue(waiters, &None);
        receivers
    }

    fn served(receivers: &mut [oneshot::Receiver<Reached>]) -> usize {
        receivers.iter_mut().map_while(|receiver| receiver.try_recv().ok()).count()
    }

    #[test]
    fn a_few_are_served_at_a_time_in_their_order_and_no_more_than_so_many_a_second() {
        let turns = Turns::new();
        let mut all = waiting(&turns, 3_000);
        assert_eq!(turns.give(MS), AT_ONCE);
        assert_eq!(served(&mut all), AT_ONCE);
        let mut given = AT_ONCE;
        for _ in 0..31 {
            given += turns.give(MS);
        }
        assert_eq!(given, 32 * AT_ONCE, "what was saved is used up first");
        let before = given;
        for _ in 0..50 {
            given += turns.give(MS);
        }
        assert!((1_000..2_100).contains(&(given - before)), "{}", given - before);
    }

    #[test]
    fn who_has_gone_takes_no_turn_of_others() {
        let turns = Turns::new();
        let mut all = waiting(&turns, 100);
        drop(all.drain(..90));
        assert_eq!(turns.give(MS), 10);
        assert_eq!(served(&mut all), 10);
    }

    #[test]
    fn much_work_at_once_is_made_up_for_by_a_pause() {
        let turns = Turns::new();
        let _all = waiting(&turns, 100);
        turns.charge(SAVED + 40.0);
        assert_eq!(turns.give(MS), 0);
        assert_eq!(turns.give(MS), 0);
        assert!(turns.give(MS) > 0);
    }

    #[tokio::test]
    async fn it_sleeps_until_somebody_waits() {
        let turns = Turns::new();
        let mut run = std::pin::pin!(turns.run());
        tokio::select! {
            () = &mut run => {}
            () = tokio::time::sleep(20 * MS) => {}
        }
        let receiver = waiting(&turns, 1).remove(0);
        tokio::select! {
            () = run => {}
            reached = receiver => assert_eq!(reached, Ok(None)),
        }
    }
}
