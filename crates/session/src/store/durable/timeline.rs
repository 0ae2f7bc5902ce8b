//! The clock that stored sessions live by: it goes on across stops of the service, however long they
//! take, and never goes back.

use std::sync::Arc;
use std::time::Duration;

use clock::{Boot, Clock, Moment};

/// Where the timeline was when it was last written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) timeline: Moment,
    pub(super) unix_ms: i64,
    /// Which boot it was, and how far into it.
    pub(super) boot: Option<Boot>,
}

/// Half of what the times of a session can say: beyond it, new ones could end as they are opened.
const LATEST: Moment = Duration::from_millis(1 << 47);

/// A clock whose boot time is the timeline.
pub(super) struct Timeline {
    clock: Arc<dyn Clock>,
    start: Moment,
    /// The clock's own boot time at the start.
    began: Moment,
    /// The machine's boot at the start.
    boot: Option<Boot>,
}

impl Timeline {
    /// Goes on from the anchor, or begins where there is none.
    ///
    /// INVARIANT: what passed is never taken for less than the boot's own clock says within one
    /// boot; beyond it the date is all there is, and one that went back counts for nothing.
    pub(super) fn resume(clock: Arc<dyn Clock>, anchor: Option<&Anchor>) -> Self {
        let (began, boot, unix_ms) = (clock.boot_time(), clock.boot(), clock.unix_ms());
        let start = match anchor {
            None => began,
            Some(anchor) => anchor.timeline.saturating_add(since(anchor, boot.as_ref(), unix_ms)),
        };
        Self { clock, start, began, boot }
    }

    /// Whether sessions can live by it.
    pub(super) fn is_possible(&self) -> bool {
        self.start <= LATEST
    }

    /// Where it is now.
    pub(super) fn anchor(&self) -> Anchor {
        let passed = self.clock.boot_time().saturating_sub(self.began);
        let boot = self.boot.as_ref();
        Anchor {
            timeline: self.start + passed,
            unix_ms: self.clock.unix_ms(),
            boot: boot.map(|boot| Boot { id: boot.id.clone(), since: boot.since + passed }),
        }
    }
}

/// The time between an anchor and now.
fn since(anchor: &Anchor, boot: Option<&Boot>, unix_ms: i64) -> Duration {
    let within_one_boot = anchor.boot.as_ref().zip(boot).and_then(|(then, now)| {
        if then.id == now.id { now.since.checked_sub(then.since) } else { None }
    });
    within_one_boot.unwrap_or_else(|| {
        let passed_ms = unix_ms.saturating_sub(anchor.unix_ms);
        Duration::from_millis(u64::try_from(passed_ms).unwrap_or_default())
    })
}

impl Clock for Timeline {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn boot_time(&self) -> Moment {
        self.start + self.clock.boot_time().saturating_sub(self.began)
    }

    fn unix_ms(&self) -> i64 {
        self.clock.unix_ms()
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const HOUR_MS: i64 = 3_600_000;

    /// How far the timeline is ahead of what it was, after `meanwhile`.
    fn passed(meanwhile: impl FnOnce(&ManualClock)) -> Duration {
        let clock = ManualClock::new();
        let before = Timeline::resume(Arc::new(clock.clone()), None);
        clock.advance(HOUR);
        let anchor = before.anchor();
        assert_eq!(anchor.timeline, before.boot_time());
        meanwhile(&clock);
        let after = Timeline::resume(Arc::new(clock), Some(&anchor));
        after.boot_time().checked_sub(anchor.timeline).unwrap()
    }

    #[test]
    fn within_one_boot_the_boots_clock_counts_and_not_the_date() {
        assert_eq!(passed(|clock| clock.advance(HOUR)), HOUR);
        assert_eq!(passed(|clock| clock.suspend(HOUR)), HOUR);
        assert_eq!(passed(|clock| clock.jump_date(9 * HOUR_MS)), Duration::ZERO);
        assert_eq!(passed(|clock| clock.jump_date(-9 * HOUR_MS)), Duration::ZERO);
    }

    #[test]
    fn across_boots_the_date_counts_unless_it_went_back() {
        assert_eq!(passed(ManualClock::reboot), Duration::ZERO);
        let hour_later = |clock: &ManualClock| {
            clock.reboot();
            clock.jump_date(HOUR_MS);
        };
        assert_eq!(passed(hour_later), HOUR);
        let back = |clock: &ManualClock| {
            clock.reboot();
            clock.jump_date(-HOUR_MS);
        };
        assert_eq!(passed(back), Duration::ZERO);
    }

    #[test]
    fn it_goes_on_with_the_clock_that_it_was_resumed_with() {
        let clock = ManualClock::new();
        let anchor = Anchor { timeline: 5 * HOUR, unix_ms: clock.unix_ms(), boot: None };
        let timeline = Timeline::resume(Arc::new(clock.clone()), Some(&anchor));
        clock.jump_date(-HOUR_MS);
        clock.suspend(HOUR);
        assert_eq!(timeline.boot_time(), 6 * HOUR);
        assert_eq!(timeline.anchor().timeline, 6 * HOUR);
    }
}
