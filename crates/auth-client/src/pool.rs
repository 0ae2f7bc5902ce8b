//! Several URLs as one service: which of them is asked next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::upstream::{Lease, Upstream};

/// The URLs.
pub(crate) struct Pool {
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

impl Pool {
    pub(crate) fn new(upstreams: Vec<Arc<Upstream>>) -> Self {
        Self { upstreams, turn: AtomicUsize::new(0) }
    }

    /// The least busy of those that are not left out and not in `tried`; of equals, in turn. One
    /// that goes away comes last: what is sent to it as it closes its doors is held up, or lost.
    pub(crate) fn pick(&self, tried: &[Arc<Upstream>]) -> Option<Lease> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
        let (later, first) = self.upstreams.split_at(turn);
        let was_tried = |one: &Arc<Upstream>| tried.iter().any(|other| Arc::ptr_eq(other, one));
        loop {
            let candidates = first.iter().chain(later).filter(|one| !was_tried(one));
            let best = candidates
                .filter(|one| one.is_closed())
                .min_by_key(|one| (one.is_leaving(), one.load()))?;
            // Otherwise it has been left out just now.
            if let Some(lease) = best.lease() {
                return Some(lease);
            }
        }
    }

    /// Whether there is anyone to ask.
    pub(crate) fn any_closed(&self) -> bool {
        self.upstreams.iter().any(|upstream| upstream.is_closed())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for upstream in &self.upstreams {
            upstream.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::THRESHOLD;

    fn pool(size: usize) -> Pool {
        let upstream = |i| {
            let url = format!("http://h{i}/").parse().unwrap();
            Arc::new(
                Upstream::new(&url, size == 1, 1, Arc::new(clock::ManualClock::new())).unwrap(),
            )
        };
        Pool::new((0..size).map(upstream).collect())
    }

    #[test]
    fn equals_take_turns_and_the_less_busy_goes_first() {
        let pool = pool(3);
        let mut names: Vec<String> =
            (0..3).map(|_| pool.pick(&[]).unwrap().upstream.name.clone()).collect();
        names.sort();
        assert_eq!(names, ["http://h0", "http://h1", "http://h2"]);

        let busy: Vec<Lease> = (0..5).map(|_| pool.pick(&[]).unwrap()).collect();
        let loads: Vec<usize> = pool.upstreams.iter().map(|u| u.load()).collect();
        assert!(loads.iter().all(|load| (1..=2).contains(load)), "{loads:?}");
        drop(busy);
        assert!(pool.upstreams.iter().all(|u| u.load() == 0));
    }

    #[test]
    fn one_that_is_left_out_or_was_tried_is_not_picked() {
        let pool = pool(2);
        let lease = pool.upstreams[0].lease().unwrap();
        for _ in 0..THRESHOLD {
            lease.upstream.failed(lease.epoch, "test");
        }
        drop(lease);
        for _ in 0..4 {
            assert_eq!(pool.pick(&[]).unwrap().upstream.name, "http://h1");
        }
        assert!(pool.pick(&pool.upstreams[1..]).is_none());
    }

    #[test]
    fn one_that_goes_away_is_picked_only_where_there_is_no_other() {
        let pool = pool(2);
        let picked = |tried: &[Arc<Upstream>]| pool.pick(tried).unwrap();
        pool.upstreams[0].begins_to_leave(true);
        let busy: Vec<Lease> = (0..4).map(|_| picked(&[])).collect();
        assert!(busy.iter().all(|lease| lease.upstream.name == "http://h1"));
        assert_eq!(picked(&pool.upstreams[1..]).upstream.name, "http://h0");
        pool.upstreams[1].begins_to_leave(true);
        assert_eq!(picked(&[]).upstream.name, "http://h0", "of several, the less busy");
        pool.upstreams[0].begins_to_leave(false);
        assert_eq!(picked(&[]).upstream.name, "http://h0");
    }
}
