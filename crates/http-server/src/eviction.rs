//! Which connections are evicted when another one arrives and there is no room.
//!
//! No network can shut out another one: the network with the most connections makes room first, and
//! within it the connection that has kept us waiting longest. A request that is being answered is
//! never cut. While there is room no network's share counts, so that all clients may come from one
//! network, that of a balancer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::activity::{Activity, Phase};
use crate::network::Network;

/// In which order a network's connections are evicted, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// A head or a body that is incomplete, or a response that is not read, for longer than allowed.
    Overdue,
    /// Between two requests.
    Idle,
    /// A head or a body that began to arrive a moment ago.
    Recent,
}

/// A connection that may be evicted.
pub(crate) struct Candidate<'a> {
    network: Network,
    rank: Rank,
    since: Instant,
    activity: &'a Arc<Activity>,
}

/// What a connection that arrives may evict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvictionRequest {
    /// How many connections the newcomer's network has already.
    pub(crate) held: usize,
    /// How many connections may be evicted at once.
    pub(crate) count: usize,
    /// How long the newcomer's own network, and one that is no larger, must have kept us waiting.
    pub(crate) after: Duration,
}

impl<'a> Candidate<'a> {
    /// The connection as it is `now`; `None` where it must not be evicted.
    pub(crate) fn of(
        network: Network,
        activity: &'a Arc<Activity>,
        now: Instant,
        after: Duration,
    ) -> Option<Self> {
        let phase = activity.phase();
        if activity.eviction_requested() || phase == Phase::Busy {
            return None;
        }
        let waited = |since: Instant| now.saturating_duration_since(since) >= after;
        let (rank, since) = match activity.blocked_since() {
            Some(blocked) if waited(blocked) => (Rank::Overdue, blocked),
            Some(blocked) if is_stalled(blocked, now, after) => (Rank::Recent, blocked),
            // The client reads it little by little, so it is being served.
            Some(_) => return None,
            None if phase == Phase::Idle && activity.used() => (Rank::Idle, activity.since()),
            None if waited(activity.since()) => (Rank::Overdue, activity.since()),
            None => (Rank::Recent, activity.since()),
        };
        Some(Self { network, rank, since, activity })
    }

    fn waited(&self, now: Instant, after: Duration) -> bool {
        now.saturating_duration_since(self.since) >= after
    }
}

/// Whether a response of which nothing was read since `blocked` is not being served any more.
pub(crate) fn is_stalled(blocked: Instant, now: Instant, after: Duration) -> bool {
    now.saturating_duration_since(blocked) >= after / 8
}

/// The connections to evict, the first one first. `sizes` is how many each network has in all.
pub(crate) fn choose<'a>(
    candidates: impl Iterator<Item = Candidate<'a>>,
    sizes: impl Fn(Network) -> usize,
    now: Instant,
    request: EvictionRequest,
) -> Vec<&'a Arc<Activity>> {
    let mut networks: HashMap<Network, Vec<Candidate<'a>>> = HashMap::new();
    for candidate in candidates {
        networks.entry(candidate.network).or_default().push(candidate);
    }
    for candidates in networks.values_mut() {
        candidates.sort_unstable_by_key(|one| Reverse((one.rank, one.since)));
    }
    let key = |size: usize, candidates: &[Candidate<'a>]| {
        candidates.last().map(|next| (size, Reverse((next.rank, next.since)), next.network))
    };
    let mut largest: BinaryHeap<_> =
        networks.iter().filter_map(|(network, all)| key(sizes(*network), all)).collect();
    let mut chosen = Vec::new();
    while let Some((size, _, network)) = largest.pop() {
        if chosen.len() == request.count || size < request.held {
            break;
        }
        let Some(candidates) = networks.get_mut(&network) else { continue };
        // Otherwise the newcomer's network would have more than this one.
        let contested = size <= request.held + 1;
        if let Some(next) = candidates.pop_if(|next| !contested || next.waited(now, request.after))
        {
            chosen.push(next.activity);
            largest.extend(key(size - 1, candidates));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const AFTER: Duration = Duration::from_secs(1);

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    /// A connection of a network in a phase that began so many milliseconds after its beginning.
    fn connection(phase: Phase, began_ms: u64) -> Arc<Activity> {
        let activity = Arc::new(Activity::new(Arc::new(AtomicUsize::new(0))));
        activity.enter(Phase::Busy);
        activity.enter(phase);
        activity.began_after(began_ms);
        activity
    }

    /// The indices of those that are evicted, ten seconds after the beginning of all.
    fn chosen(all: &[(u8, Arc<Activity>)], held: usize, count: usize) -> Vec<usize> {
        let now = Instant::now() + Duration::from_secs(10);
        let candidates =
            all.iter().filter_map(|(last, one)| Candidate::of(network(*last), one, now, AFTER));
        let size = |of| all.iter().filter(|(last, _)| network(*last) == of).count();
        let chosen = choose(candidates, size, now, EvictionRequest { held, count, after: AFTER });
        let index = |one: &Arc<Activity>| all.iter().position(|(_, other)| Arc::ptr_eq(one, other));
        chosen.into_iter().map(|one| index(one).unwrap()).collect()
    }

    #[test]
    fn the_largest_network_makes_room_and_what_is_incomplete_longest_ends_first() {
        let all = [
            (1, connection(Phase::Head, 0)),
            (2, connection(Phase::Head, 500)),
            (2, connection(Phase::Body, 100)),
            (2, connection(Phase::Idle, 0)),
            (2, connection(Phase::Busy, 0)),
            (2, connection(Phase::Head, 9_900)),
        ];
        assert_eq!(chosen(&all, 0, 4), [2, 1, 3, 5]);
        // Down to what the others have, and no further.
        assert_eq!(chosen(&all, 0, 9), [2, 1, 3, 5, 0]);
        assert_eq!(chosen(&all, 2, 9), [2, 1, 3]);
    }

    #[test]
    fn the_newcomers_own_network_makes_room_only_where_it_kept_us_waiting() {
        let all = [
            (1, connection(Phase::Head, 9_900)),
            (1, connection(Phase::Idle, 9_900)),
            (1, connection(Phase::Busy, 0)),
        ];
        assert_eq!(chosen(&all, 3, 9), [0; 0]);
        let all = [(1, connection(Phase::Idle, 0)), (1, connection(Phase::Head, 8_000))];
        assert_eq!(chosen(&all, 2, 1), [1]);
    }

    #[test]
    fn a_smaller_network_never_makes_room_for_a_larger_one() {
        let all = [(1, connection(Phase::Head, 0)), (2, connection(Phase::Busy, 0))];
        assert_eq!(chosen(&all, 2, 9), [0; 0]);
        assert_eq!(chosen(&all, 1, 9), [0]);
    }

    #[test]
    fn a_response_that_is_not_read_is_overdue_and_one_that_is_read_slowly_is_served() {
        let all = [(1, connection(Phase::Idle, 0)), (1, connection(Phase::Idle, 0))];
        all[0].1.set_blocked();
        assert_eq!(chosen(&all, 0, 9), [0, 1]);
        let now = all[0].1.blocked_since().unwrap() + AFTER / 10;
        assert!(Candidate::of(network(1), &all[0].1, now, AFTER).is_none());
        all[0].1.enter(Phase::Busy);
        assert_eq!(chosen(&all, 0, 9), [1]);
    }

    #[test]
    fn networks_of_one_connection_each_end_by_age_too() {
        let all: Vec<_> =
            (1..9).map(|last| (last, connection(Phase::Head, 1000 * u64::from(last)))).collect();
        assert_eq!(chosen(&all, 1, 3), [0, 1, 2]);
        assert_eq!(chosen(&all, 0, 1), [0]);
    }
}
