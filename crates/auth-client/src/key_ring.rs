//! The keys of the auth service's internal listener: which of several is shown to which URL. The
//! first one is, and after a refusal the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use clock::Moment;
use parking_lot::RwLock;

use crate::InternalKey;

/// How long another key than the first is shown before the first is tried again: it may be accepted
/// by now, and the other one is to be given up.
const FIRST_AGAIN: Duration = Duration::from_mins(1);

/// The keys in force, none where the listener wants none. A clone is the same ring.
#[derive(Clone)]
pub(crate) struct KeyRing(Arc<RwLock<Arc<[InternalKey]>>>);

impl KeyRing {
    pub(crate) fn new(keys: Vec<InternalKey>) -> Self {
        Self(Arc::new(RwLock::new(keys.into())))
    }

    /// Shows these from now on.
    pub(crate) fn replace(&self, keys: Vec<InternalKey>) {
        *self.0.write() = keys.into();
    }

    /// The keys of this moment.
    pub(crate) fn keys(&self) -> Arc<[InternalKey]> {
        Arc::clone(&self.0.read())
    }

    /// Whether they were replaced since.
    pub(crate) fn is_replaced_since(&self, keys: &Arc<[InternalKey]>) -> bool {
        !Arc::ptr_eq(&self.0.read(), keys)
    }
}

/// The key that one URL accepted last, by its index.
#[derive(Default)]
pub(crate) struct AcceptedKey {
    index: AtomicUsize,
    /// When another than the first was accepted, or the first was tried again.
    since_ms: AtomicU64,
}

impl AcceptedKey {
    /// The indices of so many keys in the order in which they are shown; one also where there is no
    /// key, for the request without.
    pub(crate) fn order(&self, count: usize, now: Moment) -> impl Iterator<Item = usize> + use<> {
        let (count, first) = (count.max(1), self.first(now));
        (0..count).map(move |turn| (first + turn) % count)
    }

    fn first(&self, now: Moment) -> usize {
        let index = self.index.load(Ordering::Relaxed);
        if index == 0 {
            return 0;
        }
        let (since_ms, now_ms) = (self.since_ms.load(Ordering::Relaxed), as_ms(now));
        let is_due = now_ms.saturating_sub(since_ms) >= as_ms(FIRST_AGAIN);
        // One request finds out for all.
        let is_ours = is_due && self.claim(since_ms, now_ms);
        if is_ours { 0 } else { index }
    }

    fn claim(&self, since_ms: u64, now_ms: u64) -> bool {
        let (relaxed, since) = (Ordering::Relaxed, &self.since_ms);
        since.compare_exchange(since_ms, now_ms, relaxed, relaxed).is_ok()
    }

    /// Records that this one was accepted. Returns whether that is another than before.
    pub(crate) fn record(&self, index: usize, now: Moment) -> bool {
        // Most of the time nothing changes, and nothing is written.
        if self.index.load(Ordering::Relaxed) == index {
            return false;
        }
        self.since_ms.store(as_ms(now), Ordering::Relaxed);
        self.index.swap(index, Ordering::Relaxed) != index
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn order(accepted: &AcceptedKey, count: usize, now: Moment) -> Vec<usize> {
        accepted.order(count, now).collect()
    }

    #[test]
    fn the_first_key_is_shown_until_another_one_is_accepted() {
        let accepted = AcceptedKey::default();
        assert_eq!(order(&accepted, 0, SECOND), [0]);
        assert_eq!(order(&accepted, 3, SECOND), [0, 1, 2]);
        assert!(accepted.record(1, SECOND) && !accepted.record(1, SECOND));
        assert_eq!(order(&accepted, 3, SECOND), [1, 2, 0]);
        assert_eq!(order(&accepted, 1, SECOND), [0], "the list is shorter by now");
        assert!(accepted.record(0, SECOND));
        assert_eq!(order(&accepted, 3, SECOND), [0, 1, 2]);
    }

    #[test]
    fn the_first_is_tried_again_once_in_a_while_by_one_request() {
        let accepted = AcceptedKey::default();
        accepted.record(1, SECOND);
        let later = SECOND + FIRST_AGAIN;
        assert_eq!(
            order(&accepted, 2, SECOND + FIRST_AGAIN.saturating_sub(Duration::from_millis(1))),
            [1, 0]
        );
        assert_eq!(order(&accepted, 2, later), [0, 1]);
        assert_eq!(order(&accepted, 2, later), [1, 0], "one is enough");
        assert!(!accepted.record(1, later), "it was refused again");
        assert_eq!(order(&accepted, 2, later + FIRST_AGAIN), [0, 1]);
    }
}
