//! The counts of one process, in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;

use super::held::{Remembered, Shards};
use super::pace::micros;
use super::{AttemptKey, AttemptLimit, AttemptStore, Reservation};
use crate::StoreError;

/// Counts attempts in memory, which is bounded: where there is no room, the counts that restrict
/// least go first, and those that throttle never.
pub struct MemoryAttempts {
    clock: Arc<dyn Clock>,
    shards: Shards,
}

impl MemoryAttempts {
    /// For `capacity` counts and as many remembered keys, at most some 100 and 60
    /// bytes each where they are many. What is over
    /// is dropped as others come.
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self { clock, shards: Shards::new(capacity) }
    }

    fn now_us(&self) -> u64 {
        micros(self.clock.boot_time())
    }

    fn reserve_now(&self, limits: &[AttemptLimit]) -> Result<Reservation, StoreError> {
        let mut held = self.shards.hold(limits);
        let now_us = self.now_us();
        let wait_us = held.longest_wait_us(limits, now_us);
        if wait_us > 0 {
            return Ok(Reservation::Throttled { retry_after: Duration::from_micros(wait_us) });
        }
        if !held.make_room(limits, now_us) {
            return Err(StoreError(
                "no room for more counts: all stored ones are throttling".to_owned(),
            ));
        }
        for limit in limits {
            held.count(limit, now_us);
        }
        Ok(Reservation::Admitted)
    }

    pub(crate) fn remember_now(&self, key: AttemptKey, period: Duration) {
        let mut shard = self.shards.lock(key);
        let now_us = self.now_us();
        let until_us = now_us.saturating_add(micros(period));
        if let Some(remembered) = shard.remembered.find_mut(key) {
            remembered.until_us = remembered.until_us.max(until_us);
        } else if shard.remembered.make_room(1, now_us, |_| false) {
            shard.remembered.insert(Remembered { key, until_us }, now_us);
        }
    }
}

#[async_trait]
impl AttemptStore for MemoryAttempts {
    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<Reservation, StoreError> {
        self.reserve_now(limits)
    }

    async fn refund(&self, limits: &[AttemptLimit]) -> Result<(), StoreError> {
        for limit in limits {
            self.shards.lock(limit.key).refund(limit, self.now_us());
        }
        Ok(())
    }

    async fn clear(&self, key: AttemptKey) -> Result<(), StoreError> {
        self.shards.lock(key).counts.remove(key);
        Ok(())
    }

    async fn remember(&self, key: AttemptKey, period: Duration) -> Result<(), StoreError> {
        self.remember_now(key, period);
        Ok(())
    }

    async fn is_remembered(&self, key: AttemptKey) -> Result<bool, StoreError> {
        let shard = self.shards.lock(key);
        Ok(shard.remembered.find(key).is_some_and(|remembered| remembered.until_us > self.now_us()))
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;
    use crate::attempts::conformance::{Fixture, attempt_store_conformance};

    fn fixture() -> Fixture {
        let (store, clock) = store(1000);
        let pass = move |by| {
            clock.advance(by);
            Box::pin(std::future::ready(())) as _
        };
        Fixture::new(Arc::new(store), Box::new(pass))
    }

    fn store(capacity: usize) -> (MemoryAttempts, ManualClock) {
        let clock = ManualClock::new();
        (MemoryAttempts::new(Arc::new(clock.clone()), capacity), clock)
    }

    #[tokio::test]
    async fn time_counts_while_the_machine_is_suspended() {
        let (store, clock) = store(10);
        exhaust(&store, limit(1));
        store.remember_now(key(2), Duration::from_mins(5));
        clock.suspend(Duration::from_mins(5));
        assert_eq!(remaining(&store, limit(1)), 10);
        assert!(!store.is_remembered(key(2)).await.unwrap());
    }

    fn key(name: u32) -> AttemptKey {
        AttemptKey::of(&[&name.to_be_bytes()])
    }

    /// Ten at once, one more each 30 s.
    fn limit(name: u32) -> AttemptLimit {
        let burst = 10.try_into().unwrap();
        AttemptLimit { key: key(name), burst, per: Duration::from_mins(5) }
    }

    fn admits(store: &MemoryAttempts, limit: AttemptLimit) -> bool {
        store.reserve_now(&[limit]).unwrap() == Reservation::Admitted
    }

    /// How many more were admitted.
    fn remaining(store: &MemoryAttempts, limit: AttemptLimit) -> usize {
        (0..99).filter(|_| admits(store, limit)).count()
    }

    fn exhaust(store: &MemoryAttempts, limit: AttemptLimit) {
        assert!(remaining(store, limit) < 99);
    }

    attempt_store_conformance!(std::future::ready(Some(fixture())));

    #[test]
    fn threads_that_race_for_thousands_of_keys_never_get_more_than_a_burst_of_each() {
        const KEYS: u32 = 4000;
        let (store, _) = store(100_000);
        let try_all = || -> Vec<usize> {
            (0..KEYS).map(|name| (0..4).filter(|_| admits(&store, limit(name))).count()).collect()
        };
        let by_thread: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(try_all)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for name in 0..KEYS as usize {
            let admitted: usize = by_thread.iter().map(|admitted| admitted[name]).sum();
            assert_eq!(admitted, 10, "{name}");
        }
    }

    #[test]
    fn a_microsecond_less_than_told_does_not_do() {
        let (store, clock) = store(100);
        exhaust(&store, limit(1));
        clock.advance(Duration::from_millis(12_345));
        let Reservation::Throttled { retry_after } = store.reserve_now(&[limit(1)]).unwrap() else {
            panic!("admitted");
        };
        assert_eq!(retry_after, Duration::from_millis(30_000 - 12_345));
        clock.advance(retry_after.checked_sub(Duration::from_micros(1)).unwrap());
        assert!(!admits(&store, limit(1)));
        clock.advance(Duration::from_micros(1));
        assert!(admits(&store, limit(1)));
    }

    #[test]
    fn a_jump_of_the_date_changes_no_count() {
        let (store, clock) = store(100);
        exhaust(&store, limit(1));
        clock.jump_date(24 * 3_600_000);
        assert!(!admits(&store, limit(1)));
    }

    #[test]
    fn a_flood_of_names_stays_within_the_capacity_and_its_memory() {
        const CAPACITY: usize = 28_672;
        let (store, clock) = store(CAPACITY);
        for name in 0..120_000 {
            assert!(admits(&store, limit(name)));
            store.remember_now(key(name), Duration::from_hours(1));
            clock.advance(Duration::from_micros(10));
        }
        let (counts, remembered, bytes) = store.shards.size();
        assert_eq!((counts, remembered), (CAPACITY, CAPACITY));
        assert!(bytes <= CAPACITY * (100 + 60), "{bytes}");
    }

    #[test]
    fn a_flood_of_names_lifts_no_throttle_and_forgets_no_one_who_is_close_to_it() {
        let (store, _) = store(10_000);
        (0..100).for_each(|name| exhaust(&store, limit(name)));
        for _ in 0..9 {
            (100..200).for_each(|name| assert!(admits(&store, limit(name))));
        }
        (1000..60_000).for_each(|name| assert!(admits(&store, limit(name))));
        for name in 0..100 {
            assert!(!admits(&store, limit(name)), "{name}");
        }
        for name in 100..200 {
            assert!(admits(&store, limit(name)) && !admits(&store, limit(name)), "{name}");
        }
    }

    #[test]
    fn where_there_is_no_room_what_restricts_least_goes_first() {
        let (store, _) = store(4);
        for (name, times) in [(1, 5), (2, 2), (3, 7), (4, 3)] {
            (0..times).for_each(|_| assert!(admits(&store, limit(name))));
        }
        assert!(admits(&store, limit(5)));
        assert_eq!([1, 3, 4].map(|name| remaining(&store, limit(name))), [5, 3, 7]);
    }

    #[test]
    fn a_store_full_of_throttles_admits_nobody_uncounted_until_one_is_over() {
        let (store, clock) = store(4);
        (0..4).for_each(|name| exhaust(&store, limit(name)));
        assert!(store.reserve_now(&[limit(9)]).is_err());
        assert!(!admits(&store, limit(0)), "those that are kept are answered for");
        clock.advance(Duration::from_secs(30));
        assert!(admits(&store, limit(9)));
    }

    #[test]
    fn an_attempt_makes_no_room_for_one_of_its_limits_at_the_cost_of_another() {
        let (store, _) = store(3);
        let all = [1, 2, 3].map(limit);
        exhaust(&store, limit(7));
        exhaust(&store, limit(8));
        store.reserve_now(&all[..1]).unwrap();
        assert!(store.reserve_now(&all).is_err());
        assert_eq!(remaining(&store, limit(1)), 9, "nothing was counted, and nothing forgotten");
    }

    #[test]
    fn what_is_over_is_dropped_as_others_come() {
        let (store, clock) = store(100_000);
        (0..10_000).for_each(|name| assert!(admits(&store, limit(name))));
        clock.advance(Duration::from_mins(5));
        (10_000..20_000).for_each(|name| assert!(admits(&store, limit(name))));
        assert!(store.shards.size().0 <= 10_100, "{:?}", store.shards.size());
    }

    #[test]
    fn of_the_remembered_the_one_that_would_be_forgotten_soonest_goes_first() {
        let (store, clock) = store(4);
        for name in [3, 1, 4, 2, 5] {
            store.remember_now(key(name), Duration::from_hours(name.into()));
        }
        clock.advance(Duration::from_secs(1));
        let is_remembered =
            |name| store.shards.lock(key(name)).remembered.find(key(name)).is_some();
        assert_eq!([1, 2, 3, 4, 5].map(is_remembered), [false, true, true, true, true]);
    }
}
