//! When a session ends, as arithmetic on the boot time, which is monotonic. It reads no clock and knows no store.

use std::time::Duration;

use clock::Moment;

/// Milliseconds in six bytes, the highest first: enough for 8,900 years and the most there can be; there are four of
/// them in each of ten million sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ms([u8; 6]);

/// When a session ends if it is not used, and when it ends in any case.
///
/// INVARIANT: no change makes the end earlier. A store may file a session under an end that it had
/// once, and look again only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// The idle time that a use gives; 0 where a use gives none.
    idle: Ms,
    /// When it was last used; at first, when it began.
    used: Ms,
    absolute: Ms,
}

impl Ms {
    const MAX: u64 = (1 << 48) - 1;

    /// The whole milliseconds of `duration`.
    pub(crate) fn of(duration: Duration) -> Self {
        Self::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// That many, or as many as there can be.
    pub(crate) fn new(ms: u64) -> Self {
        let [_, _, bytes @ ..] = ms.min(Self::MAX).to_be_bytes();
        Self(bytes)
    }

    /// As they are stored.
    pub(crate) const fn to_bytes(self) -> [u8; 6] {
        self.0
    }

    /// From what was stored.
    pub(crate) const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// As a number.
    pub(crate) const fn get(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.split_at_mut(2).1.copy_from_slice(&self.0);
        u64::from_be_bytes(bytes)
    }
}

impl Expiry {
    /// A session that begins at `now`, ends `ttl` after its last use, and at the latest
    /// `max_lifetime` from now.
    pub(crate) fn sliding(now: Moment, ttl: Duration, max_lifetime: Duration) -> Self {
        let idle = Ms::of(ttl);
        if idle.get() == 0 {
            return Self::fixed(now, Duration::ZERO);
        }
        Self { idle, ..Self::fixed(now, max_lifetime) }
    }

    /// A session that ends `lifetime` from `now`, used or not.
    pub(crate) fn fixed(now: Moment, lifetime: Duration) -> Self {
        let end = Ms::of(now).get().saturating_add(Ms::of(lifetime).get());
        Self { idle: Ms::new(0), used: Ms::of(now), absolute: Ms::new(end) }
    }

    /// What was stored.
    pub(crate) const fn stored(idle: Ms, used: Ms, absolute: Ms) -> Self {
        Self { idle, used, absolute }
    }

    /// The idle time that a use gives; 0 where a use gives none.
    pub(crate) const fn idle(&self) -> Ms {
        self.idle
    }

    /// Whether the session has ended. The moment `expires_at` itself is past the end.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        now >= self.expires_at()
    }

    /// What a use at `now` leaves: `min(now + idle time, absolute end)`, and never an earlier end
    /// than before.
    #[must_use]
    pub(crate) fn slid(self, now: Moment) -> Self {
        let used = Ms::new(self.used.get().max(Ms::of(now).get()));
        Self { used, ..self }
    }

    /// The remaining time before the session ends unused.
    pub(crate) fn remaining(&self, now: Moment) -> Duration {
        Duration::from_millis(self.expires_ms().saturating_sub(Ms::of(now).get()))
    }

    /// When it ends unused: the order in which a sweep or a full quota takes sessions.
    pub(crate) const fn expires_at(&self) -> Moment {
        Duration::from_millis(self.expires_ms())
    }

    /// When it ends in any case.
    pub(crate) const fn absolute_end(&self) -> Moment {
        Duration::from_millis(self.absolute.get())
    }

    /// When it was last used; at first, when it began.
    pub(crate) const fn last_used(&self) -> Moment {
        Duration::from_millis(self.used.get())
    }

    const fn expires_ms(&self) -> u64 {
        let (idle, absolute) = (self.idle.get(), self.absolute.get());
        let slid = self.used.get() + idle;
        if idle == 0 || slid > absolute { absolute } else { slid }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_use_gives_the_full_idle_time_again_up_to_the_absolute_end() {
        let expiry = Expiry::sliding(s(100), s(30), s(50));
        assert!(!expiry.is_over(s(129)));
        assert!(expiry.is_over(s(130)));
        assert_eq!(expiry.slid(s(110)).remaining(s(110)), s(30));
        assert_eq!(expiry.slid(s(129)).remaining(s(129)), s(21));
        assert!(expiry.slid(s(149)).is_over(s(150)));
    }

    #[test]
    fn a_fixed_end_is_not_moved_by_a_use() {
        let expiry = Expiry::fixed(s(100), s(60));
        assert_eq!(expiry.slid(s(150)).expires_at(), s(160));
        assert_eq!(expiry.slid(s(150)).last_used(), s(150));
        assert!(expiry.is_over(s(160)));
    }

    #[test]
    fn no_idle_time_at_all_is_over_at_once_and_an_endless_one_never_is() {
        assert!(Expiry::sliding(s(100), Duration::ZERO, s(60)).is_over(s(100)));
        let endless = Expiry::sliding(s(100), Duration::MAX, Duration::MAX);
        assert!(!endless.slid(s(1 << 36)).is_over(s(1 << 37)));
    }

    proptest! {
        #[test]
        fn a_use_never_shortens_and_never_passes_the_absolute_end(
            start in 0_u64..1 << 40, ttl in 1_u64..1 << 34, max in 1_u64..1 << 36,
            uses in proptest::collection::vec(0_u64..1 << 30, 0..20),
        ) {
            let at = Duration::from_millis;
            let mut expiry = Expiry::sliding(at(start), at(ttl), at(max));
            let mut now = start;
            for gap in uses {
                now += gap;
                let used = expiry.slid(at(now));
                prop_assert!(used.expires_at() >= expiry.expires_at());
                prop_assert!(used.expires_at() <= at(start + max));
                expiry = used;
            }
        }
    }
}
