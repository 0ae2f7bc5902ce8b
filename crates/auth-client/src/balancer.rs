//! Several URLs as one service: which of them gets the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::breaker::Epoch;
use crate::dispatch::Dispatch;
use crate::upstream::{Lease, Upstream};

/// The URLs.
pub(crate) struct Balancer {
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    dispatch: Arc<Dispatch>,
    /// Where the round robin stands.
    next: AtomicUsize,
}

impl Balancer {
    pub(crate) fn new(upstreams: Vec<Arc<Upstream>>, dispatch: Arc<Dispatch>) -> Self {
        Self { upstreams, dispatch, next: AtomicUsize::new(0) }
    }

    /// The least busy of those that are available and not in `tried`; of equals, round robin. One
    /// that is draining comes last: what is sent to it as its listener closes is delayed, or lost.
    ///
    /// Each breaker is read here, once; its epoch is part of the lease.
    pub(crate) fn pick(&self, tried: &[Arc<Upstream>]) -> Option<Lease> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
        let (later, first) = self.upstreams.split_at(start);
        let mut best: Option<((bool, usize), Epoch, &Arc<Upstream>)> = None;
        for upstream in first.iter().chain(later) {
            let (epoch, draining) = (upstream.admit(), upstream.is_draining());
            if (epoch.is_none() || draining) && !upstream.is_probed() {
                // Its probe has ended with the runtime that it ran on.
                self.dispatch.start_probe(upstream);
            }
            let Some(epoch) = epoch else { continue };
            let rank = (draining, upstream.load());
            let is_better = best.as_ref().is_none_or(|(other, ..)| rank < *other);
            if is_better && !tried.iter().any(|other| Arc::ptr_eq(other, upstream)) {
                best = Some((rank, epoch, upstream));
            }
        }
        best.map(|(_, epoch, upstream)| upstream.lease(epoch))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        for upstream in &self.upstreams {
            upstream.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuthClientOptions;
    use crate::breaker::THRESHOLD;

    fn balancer(size: usize) -> Balancer {
        let urls = (0..size).map(|i| format!("http://h{i}/").parse().unwrap()).collect();
        let options = AuthClientOptions::new(urls);
        let dispatch = Arc::new(Dispatch::new(&options).unwrap());
        let upstream = |url| {
            let clock = Arc::new(clock::ManualClock::new());
            Upstream::new(url, size == 1, clock, &dispatch).unwrap()
        };
        Balancer::new(options.urls.iter().map(upstream).collect(), Arc::clone(&dispatch))
    }

    #[test]
    fn equals_take_turns_and_the_less_busy_goes_first() {
        let balancer = balancer(3);
        let mut names: Vec<String> =
            (0..3).map(|_| balancer.pick(&[]).unwrap().upstream.name.clone()).collect();
        names.sort();
        assert_eq!(names, ["http://h0", "http://h1", "http://h2"]);

        let busy: Vec<Lease> = (0..5).map(|_| balancer.pick(&[]).unwrap()).collect();
        let loads: Vec<usize> = balancer.upstreams.iter().map(|u| u.load()).collect();
        assert!(loads.iter().all(|load| (1..=2).contains(load)), "{loads:?}");
        drop(busy);
        assert!(balancer.upstreams.iter().all(|u| u.load() == 0));
    }

    #[tokio::test]
    async fn one_whose_breaker_is_open_or_that_was_tried_is_not_picked() {
        let balancer = balancer(2);
        let epoch = balancer.upstreams[0].admit().unwrap();
        for _ in 0..THRESHOLD {
            balancer.upstreams[0].record_failure(epoch, "test");
        }
        for _ in 0..4 {
            assert_eq!(balancer.pick(&[]).unwrap().upstream.name, "http://h1");
        }
        assert!(balancer.pick(&balancer.upstreams[1..]).is_none());
    }

    #[tokio::test]
    async fn one_that_is_draining_is_picked_only_where_there_is_no_other() {
        let balancer = balancer(2);
        let picked = |tried: &[Arc<Upstream>]| balancer.pick(tried).unwrap();
        balancer.upstreams[0].set_draining(true);
        let busy: Vec<Lease> = (0..4).map(|_| picked(&[])).collect();
        assert!(busy.iter().all(|lease| lease.upstream.name == "http://h1"));
        assert_eq!(picked(&balancer.upstreams[1..]).upstream.name, "http://h0");
        balancer.upstreams[1].set_draining(true);
        assert_eq!(picked(&[]).upstream.name, "http://h0", "of several, the less busy");
        balancer.upstreams[0].set_draining(false);
        assert_eq!(picked(&[]).upstream.name, "http://h0");
    }
}
