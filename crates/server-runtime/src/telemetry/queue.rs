//! The two bounded queues between the threads that log and the one that writes: one for audit
//! lines, one for all others. Enqueuing a line never waits for the reader of the log.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The most bytes that wait in each queue: some thousand lines.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Which queue a line goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The lines of the target `audit`, which no flood of others may push out.
    Audit,
    Other,
}

/// Lines that wait to be written, and who waits for them.
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line was put in while the writer had none.
    filled: Condvar,
    /// Nothing waits, and nothing is being written.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    audit: Lines,
    other: Lines,
    /// The number of the next line, so that lines of both queues leave in the order they came in.
    next: u64,
    /// The writer has taken a line and has not come back.
    writing: bool,
    /// Not all that is logged gets through: audit lines leave first.
    pressed: bool,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<(u64, Box<[u8]>)>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), drained: Condvar::new() }
    }

    /// Puts a line in; `false` where it does not fit and is lost.
    pub(super) fn put(&self, kind: Kind, line: &[u8]) -> bool {
        let mut state = self.state.lock();
        if state.of(kind).bytes + line.len() > LIMIT_BYTES {
            state.pressed = true;
            return false;
        }
        let number = state.next;
        state.next += 1;
        let lines = state.of(kind);
        lines.bytes += line.len();
        lines.waiting.push_back((number, line.into()));
        drop(state);
        self.filled.notify_one();
        true
    }

    /// How many bytes of audit lines wait, where that is more than half of what there is room for.
    pub(super) fn audit_backlog(&self) -> Option<usize> {
        Some(self.state.lock().audit.bytes).filter(|bytes| *bytes > LIMIT_BYTES / 2)
    }

    /// The line to be written next, and its queue, once there is one. The one before is written.
    pub(super) fn next(&self) -> (Kind, Box<[u8]>) {
        let mut state = self.state.lock();
        loop {
            state.writing = false;
            if let Some(next) = state.take() {
                state.writing = true;
                return next;
            }
            self.drained.notify_all();
            self.filled.wait(&mut state);
        }
    }

    /// Waits until every line is written, and no longer than `within`. From now on audit lines
    /// leave first.
    pub(super) fn drain(&self, within: Duration) {
        let mut state = self.state.lock();
        state.pressed = true;
        self.drained.wait_while_for(&mut state, |state| !state.is_drained(), within);
    }
}

impl State {
    fn of(&mut self, kind: Kind) -> &mut Lines {
        match kind {
            Kind::Audit => &mut self.audit,
            Kind::Other => &mut self.other,
        }
    }

    fn take(&mut self) -> Option<(Kind, Box<[u8]>)> {
        let audit_first = match (self.audit.waiting.front(), self.other.waiting.front()) {
            (Some((audit, _)), Some((other, _))) => self.pressed || audit < other,
            (audit, _) => audit.is_some(),
        };
        let kind = if audit_first { Kind::Audit } else { Kind::Other };
        let lines = self.of(kind);
        let Some((_, line)) = lines.waiting.pop_front() else {
            self.pressed = false;
            return None;
        };
        lines.bytes -= line.len();
        Some((kind, line))
    }

    fn is_drained(&self) -> bool {
        !self.writing && self.audit.waiting.is_empty() && self.other.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(queue: &Queue) -> String {
        String::from_utf8(queue.next().1.into()).unwrap()
    }

    /// Fills a queue; how many lines fitted.
    fn fill(queue: &Queue, kind: Kind) -> usize {
        let line = [b'x'; 1000];
        (0..LIMIT_BYTES).take_while(|_| queue.put(kind, &line)).count()
    }

    #[test]
    fn lines_of_both_queues_leave_in_the_order_in_which_they_came() {
        let queue = Queue::new();
        for (kind, line) in
            [(Kind::Other, "1"), (Kind::Audit, "2"), (Kind::Audit, "3"), (Kind::Other, "4")]
        {
            assert!(queue.put(kind, line.as_bytes()));
        }
        assert_eq!([text(&queue), text(&queue), text(&queue), text(&queue)].concat(), "1234");
    }

    #[test]
    fn a_full_queue_leaves_room_in_the_one_for_audit_which_leaves_first_then() {
        let queue = Queue::new();
        assert_eq!(fill(&queue, Kind::Other), LIMIT_BYTES / 1000);
        assert!(queue.put(Kind::Audit, b"login"));
        assert_eq!(text(&queue), "login");
        assert!(queue.put(Kind::Audit, b"logout"));
        assert_eq!(text(&queue), "logout");
        assert_eq!(queue.next().0, Kind::Other);
        assert!(queue.put(Kind::Other, &[b'x'; 1000]), "what was taken left room");
    }

    #[test]
    fn the_queue_for_audit_is_bounded_too() {
        let queue = Queue::new();
        assert_eq!(fill(&queue, Kind::Audit), LIMIT_BYTES / 1000);
        assert!(queue.put(Kind::Other, b"refused"));
    }

    #[test]
    fn audit_lines_are_a_backlog_once_they_take_half_of_their_room() {
        let queue = Queue::new();
        fill(&queue, Kind::Other);
        for _ in 0..=LIMIT_BYTES / 2 / 1000 {
            assert_eq!(queue.audit_backlog(), None);
            queue.put(Kind::Audit, &[b'x'; 1000]);
        }
        let backlog = queue.audit_backlog().unwrap();
        queue.next();
        assert!(queue.audit_backlog().is_none_or(|left| left < backlog));
    }

    #[test]
    fn a_line_that_is_larger_than_the_queue_is_lost_and_the_next_one_is_not() {
        let queue = Queue::new();
        assert!(!queue.put(Kind::Other, &vec![b'x'; LIMIT_BYTES + 1]));
        assert!(queue.put(Kind::Other, b"short"));
        assert_eq!(text(&queue), "short");
    }

    #[test]
    fn draining_waits_for_the_line_that_is_being_written_and_gives_up_in_time() {
        let queue = Queue::new();
        queue.drain(Duration::from_hours(1));
        queue.put(Kind::Other, b"last");
        assert_eq!(text(&queue), "last");
        // The writer has taken it and hangs, since the log is not read.
        queue.drain(Duration::from_millis(20));
        assert!(!queue.state.lock().is_drained());
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| text(&queue));
            queue.drain(Duration::from_hours(1));
            queue.put(Kind::Other, b"one more");
            assert_eq!(writer.join().unwrap(), "one more");
        });
    }
}
