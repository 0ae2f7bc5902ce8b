//! Which sessions were used since that was last written, and when it must be: by time in slots, so
//! that a tick looks at nothing but what is due.

use std::time::Duration;

use clock::Moment;
use parking_lot::Mutex;

use crate::SessionId;
use crate::expiry::Ms;

/// The time that a slot stands for.
const SLOT_MS: u64 = 100;
/// More slots than the longest delay has, so that none comes round before it was emptied.
const SLOTS: usize = 512;
/// A use is written within a tenth of the idle time, but no sooner and no later than this.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Sessions that were used, each once, in slots of the time when that is written.
pub(crate) struct Marks {
    slots: Box<[Mutex<Vec<SessionId>>]>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect() }
    }
}

impl Marks {
    /// Has the use of a session with this idle time written in time. A session that has none may
    /// wait for as long as any.
    pub(super) fn mark(&self, id: SessionId, now: Moment, idle: Ms) {
        let delay = match Duration::from_millis(idle.get()) {
            Duration::ZERO => LONGEST,
            idle => (idle / 10).clamp(SHORTEST, LONGEST),
        };
        self.slot(number(now + delay)).lock().push(id);
    }

    /// Takes what is due at `now`, where all up to `since` was taken before.
    pub(super) fn take_due(&self, since: Moment, now: Moment) -> Vec<SessionId> {
        let (first, last) = (number(since), number(now));
        let first = first.max(last.saturating_sub(SLOTS as u64 - 1));
        (first..=last).flat_map(|number| std::mem::take(&mut *self.slot(number).lock())).collect()
    }

    /// Takes all, due or not.
    pub(super) fn take_all(&self) -> Vec<SessionId> {
        self.slots.iter().flat_map(|slot| std::mem::take(&mut *slot.lock())).collect()
    }

    fn slot(&self, number: u64) -> &Mutex<Vec<SessionId>> {
        &self.slots[usize::try_from(number).unwrap_or_default() % SLOTS]
    }
}

/// Which slot a moment falls into.
fn number(moment: Moment) -> u64 {
    Ms::of(moment).get() / SLOT_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::fresh_id;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_use_is_due_within_a_tenth_of_the_idle_time_in_bounds() {
        for (idle_s, due_ms) in
            [(2, 1_000), (30, 3_000), (120, 12_000), (604_800, 30_000), (0, 30_000)]
        {
            let (marks, id, now) = (Marks::default(), fresh_id(), 77 * S);
            marks.mark(id, now, Ms::of(idle_s * S));
            let due = now + Duration::from_millis(due_ms);
            assert_eq!(marks.take_due(now, due.saturating_sub(Duration::from_millis(SLOT_MS))), []);
            assert_eq!(marks.take_due(now, due), [id], "{idle_s}");
            assert_eq!(marks.take_due(now, due + 60 * S), [], "it is taken once");
        }
    }

    #[test]
    fn what_nobody_took_for_long_is_not_lost() {
        let (marks, id, now) = (Marks::default(), fresh_id(), 77 * S);
        marks.mark(id, now, Ms::of(30 * S));
        assert_eq!(marks.take_due(now, now + 3_600 * S), [id]);
        marks.mark(id, now, Ms::of(30 * S));
        assert_eq!(marks.take_all(), [id]);
    }
}
