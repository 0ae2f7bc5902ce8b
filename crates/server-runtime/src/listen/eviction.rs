//! Which connections end when another one comes in and there is no room.
//!
//! Nobody is shut out by somebody else: the network with the most connections makes room first, and
//! within it what has kept us waiting longest. What is being answered never ends for it. While there
//! is room nobody's share counts, so that everybody may be one network behind a balancer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::activity::{Activity, Phase};
use super::network::Network;

/// In which order a network's connections end, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A head or a body that is not whole, or an answer that is not taken, for quite a while.
    Overdue,
    /// Between two requests.
    Idle,
    /// A head or a body that only began to come.
    Recent,
}

/// A connection that may end.
pub(super) struct Candidate<'a> {
    network: Network,
    rank: Rank,
    since: Instant,
    activity: &'a Arc<Activity>,
}

/// What somebody who comes in may end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// How many connections the newcomer's network has already.
    pub(super) held: usize,
    /// How many connections may end at once.
    pub(super) count: usize,
    /// How long the newcomer's own network, and one that is no larger, must have kept us waiting.
    pub(super) after: Duration,
}

impl<'a> Candidate<'a> {
    /// The connection as it is `now`; `None` where it must not end.
    pub(super) fn of(
        network: Network,
        activity: &'a Arc<Activity>,
        now: Instant,
        after: Duration,
    ) -> Option<Self> {
        let phase = activity.phase();
        if activity.yielding() || phase == Phase::Busy {
            return None;
        }
        let waited = |since: Instant| now.saturating_duration_since(since) >= after;
        let (rank, since) = match activity.blocked_since() {
            Some(blocked) if waited(blocked) => (Rank::Overdue, blocked),
            Some(blocked) if is_stalled(blocked, now, after) => (Rank::Recent, blocked),
            // It is taken little by little, and so is being served.
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

/// Whether an answer of which nothing was taken since `blocked` is not being served any more.
pub(super) fn is_stalled(blocked: Instant, now: Instant, after: Duration) -> bool {
    now.saturating_duration_since(blocked) >= after / 8
}

/// The connections that end, the first one first. `sizes` is how many each network has in all.
pub(super) fn choose<'a>(
    candidates: impl Iterator<Item = Candidate<'a>>,
    sizes: impl Fn(Network) -> usize,
    now: Instant,
    claim: Claim,
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
        if chosen.len() == claim.count || size < claim.held {
            break;
        }
        let Some(candidates) = networks.get_mut(&network) else { continue };
        // Otherwise the newcomer's network would have more than this one.
        let contested = size <= claim.held + 1;
        if let Some(next) = candidates.pop_if(|next| !contested || next.waited(now, claim.after)) {
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

    /// The indices of those that end, ten seconds after the beginning of all.
    fn chosen(all: &[(u8, Arc<Activity>)], held: usize, count: usize) -> Vec<usize> {
        let now = Instant::now() + Duration::from_secs(10);
        let candidates =
            all.iter().filter_map(|(last, one)| Candidate::of(network(*last), one, now, AFTER));
        let size = |of| all.iter().filter(|(last, _)| network(*last) == of).count();
        let chosen = choose(candidates, size, now, Claim { held, count, after: AFTER });
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
    fn ones_own_network_makes_room_only_where_it_kept_us_waiting() {
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
    fn an_answer_that_nobody_takes_is_overdue_and_one_that_is_taken_slowly_is_served() {
        let all = [(1, connection(Phase::Idle, 0)), (1, connection(Phase::Idle, 0))];
        all[0].1.block();
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
