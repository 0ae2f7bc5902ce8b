//! The queue of the hashing pool: who waits, who is next, and who is turned away when it is full.
//!
//! Right passwords are not throttled, so that logins of one network or at one account could fill
//! it. While it is not full, one network may have all of it: all clients may be one network behind
//! a balancer. When it is full, the largest network or account makes room for one that would still
//! have less: shares even out, and no further. Networks take turns, and within each its accounts, so
//! that no caller waits behind all of a crowd.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// On whose behalf a password is hashed: what the queue is shared out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The client's network; none where the work was requested by no client.
    pub(crate) network: Option<IpAddr>,
    /// The account, as a number that no client can choose.
    pub(crate) account: u64,
}

/// A queue in which each waiter has a `T`, through which it is woken when its turn has come.
pub(super) struct FairQueue<T> {
    capacity: usize,
    pushed: u64,
    waiters: BTreeMap<Ticket, Waiter<T>>,
    /// The network whose turn it is next comes first; each is in it once.
    turns: VecDeque<Option<IpAddr>>,
    networks: HashMap<Option<IpAddr>, Network>,
    /// How many wait for each account, whatever their network.
    accounts: HashMap<u64, usize>,
}

/// A waiter; a later one has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiter<T> {
    share: Share,
    grant: T,
}

/// Who waits of one network.
#[derive(Default)]
struct Network {
    waiting: usize,
    /// The account whose turn it is next comes first; each is in it once.
    turns: VecDeque<u64>,
    /// Who waits for each account, in the order of arrival.
    accounts: HashMap<u64, VecDeque<Ticket>>,
}

impl<T> FairQueue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            pushed: 0,
            waiters: BTreeMap::new(),
            turns: VecDeque::new(),
            networks: HashMap::new(),
            accounts: HashMap::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Adds a waiter. Where the queue is full, one with a larger share is turned away, whose `grant`
    /// is dropped; `None` where there is none.
    pub(super) fn push(&mut self, share: Share, grant: T) -> Option<Ticket> {
        if self.waiters.len() >= self.capacity {
            let shed = self.largest_network(share).or_else(|| self.largest_account(share))?;
            self.remove(shed);
        }
        self.pushed += 1;
        let ticket = Ticket(self.pushed);
        self.waiters.insert(ticket, Waiter { share, grant });
        *self.accounts.entry(share.account).or_default() += 1;
        let turns = &mut self.turns;
        let network = self.networks.entry(share.network).or_insert_with(|| {
            turns.push_back(share.network);
            Network::default()
        });
        network.push(share.account, ticket);
        Some(ticket)
    }

    /// Takes the next one out.
    pub(super) fn pop(&mut self) -> Option<T> {
        let of = *self.turns.front()?;
        self.turns.rotate_left(1);
        let next = self.networks.get_mut(&of)?.next()?;
        self.remove(next)
    }

    /// Takes a waiter out, who may be out already.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let Waiter { share, grant } = self.waiters.remove(&ticket)?;
        if let Some(network) = self.networks.get_mut(&share.network) {
            network.remove(share.account, ticket);
            if network.waiting == 0 {
                self.networks.remove(&share.network);
                self.turns.retain(|network| *network != share.network);
            }
        }
        if let Some(waiting) = self.accounts.get_mut(&share.account) {
            *waiting -= 1;
            if *waiting == 0 {
                self.accounts.remove(&share.account);
            }
        }
        Some(grant)
    }

    fn of_network(&self, network: Option<IpAddr>) -> usize {
        self.networks.get(&network).map_or(0, |network| network.waiting)
    }

    /// The newest waiter of the largest network, if that has to make room for `share`.
    fn largest_network(&self, share: Share) -> Option<Ticket> {
        let (of, network) = self.networks.iter().max_by_key(|(_, network)| network.waiting)?;
        let other = self.of_network(share.network);
        has_to_make_room(network.waiting, other)
            .then(|| self.newest(|waiter| waiter.share.network == *of))?
    }

    /// The newest waiter at the largest account, if that has to make room for `share`: one of its
    /// network, or of a network that has more.
    ///
    /// INVARIANT: this never widens the difference between networks, so that no two evict each
    /// other's waiters for ever.
    fn largest_account(&self, share: Share) -> Option<Ticket> {
        let (account, waiting) = self.accounts.iter().max_by_key(|(_, waiting)| **waiting)?;
        let other = self.accounts.get(&share.account).copied().unwrap_or_default();
        let present = self.of_network(share.network);
        let found = |waiter: &Waiter<T>| {
            let network = waiter.share.network;
            waiter.share.account == *account
                && (network == share.network || self.of_network(network) > present)
        };
        has_to_make_room(*waiting, other).then(|| self.newest(found))?
    }

    fn newest(&self, found: impl Fn(&Waiter<T>) -> bool) -> Option<Ticket> {
        self.waiters.iter().rev().find(|(_, waiter)| found(waiter)).map(|(ticket, _)| *ticket)
    }
}

/// Whether a crowd of `waiting` is still the larger one once `other` has one more.
const fn has_to_make_room(waiting: usize, other: usize) -> bool {
    waiting > other + 1
}

impl Network {
    fn push(&mut self, account: u64, ticket: Ticket) {
        self.waiting += 1;
        let turns = &mut self.turns;
        let waiting = self.accounts.entry(account).or_insert_with(|| {
            turns.push_back(account);
            VecDeque::new()
        });
        waiting.push_back(ticket);
    }

    /// The next waiter, which stays in the queue; its account's next turn comes after all others.
    fn next(&mut self) -> Option<Ticket> {
        let account = *self.turns.front()?;
        self.turns.rotate_left(1);
        self.accounts.get(&account)?.front().copied()
    }

    fn remove(&mut self, account: u64, ticket: Ticket) {
        let Some(waiting) = self.accounts.get_mut(&account) else { return };
        waiting.retain(|one| *one != ticket);
        if waiting.is_empty() {
            self.accounts.remove(&account);
            self.turns.retain(|one| *one != account);
        }
        self.waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(network: u8, account: u64) -> Share {
        Share { network: Some([192, 0, 2, network].into()), account }
    }

    /// A queue of 16 with these in it, each called by its index.
    fn queue(shares: impl IntoIterator<Item = Share>) -> FairQueue<usize> {
        let mut queue = FairQueue::new(16);
        for (index, share) in shares.into_iter().enumerate() {
            assert!(queue.push(share, index).is_some(), "{index}");
        }
        queue
    }

    fn all(mut queue: FairQueue<usize>) -> Vec<usize> {
        let order = std::iter::from_fn(|| queue.pop()).collect();
        assert!(queue.networks.is_empty() && queue.accounts.is_empty() && queue.turns.is_empty());
        order
    }

    #[test]
    fn one_network_and_one_account_may_have_all_of_an_idle_room() {
        let mut queue = queue((0..16).map(|_| share(1, 1)));
        assert_eq!(queue.push(share(1, 1), 99), None);
        assert_eq!(all(queue), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn in_a_full_room_the_newest_of_the_largest_network_goes_and_networks_take_turns() {
        let mut queue = queue((0..16).map(|account| share(1, account)));
        assert!(queue.push(share(2, 99), 99).is_some());
        assert!(queue.push(share(2, 98), 98).is_some());
        let mut expected = vec![0, 99, 1, 98];
        expected.extend(2..14);
        assert_eq!(all(queue), expected);
    }

    #[test]
    fn many_accounts_at_one_network_are_one_share() {
        let mut queue = queue((0..16).map(|account| share(1, account)));
        assert_eq!(queue.push(share(1, 99), 99), None);
        assert!(queue.push(share(2, 3), 98).is_some());
    }

    #[test]
    fn one_account_from_many_networks_is_one_share() {
        let mut queue = queue((0..16).map(|network| share(network, 1)));
        assert_eq!(queue.push(share(99, 1), 99), None);
        assert!(queue.push(share(99, 2), 98).is_some());
        // Behind one balancer too.
        let mut queue = self::queue((0..16).map(|_| share(1, 1)));
        assert!(queue.push(share(1, 2), 98).is_some());
        let order = all(queue);
        assert_eq!((order.len(), &order[..3]), (16, &[0, 98, 1][..]));
        assert!(!order.contains(&15));
    }

    #[test]
    fn eight_networks_that_fill_the_queue_keep_out_no_ninth() {
        for networks in 1..=16_u8 {
            let mut queue = queue((0..16).map(|n| share(n % networks, u64::from(n))));
            let lets_in = queue.push(share(99, 99), 99).is_some();
            assert_eq!(lets_in, networks < 16, "{networks}");
            assert_eq!(queue.len(), 16);
        }
    }

    #[test]
    fn a_full_queue_comes_to_rest_whoever_goes_on_asking() {
        // Networks and accounts that overlap, and what is at stake each time: who is shed asks anew.
        let asks: Vec<Share> =
            (0..40_u8).map(|n| share(n % 5, u64::from(n % 3) * u64::from(n % 2))).collect();
        let mut queue = queue(asks[..16].iter().copied());
        let rounds = (0..200)
            .take_while(|_| asks.iter().filter(|ask| queue.push(**ask, 0).is_some()).count() > 0);
        assert!(rounds.count() < 20, "they evict each other's waiters for ever");
    }

    #[test]
    fn no_share_is_turned_away_for_one_that_has_as_much() {
        let mut even = queue((0..16).map(|n| share(n, 7)));
        assert_eq!(even.push(share(3, 7), 99), None);
        // Seven of one network, each at another account, and nine elsewhere at one account.
        let crowd = (0..7).map(|n| share(1, n)).chain((0..9).map(|n| share(10 + n, 77)));
        assert_eq!(queue(crowd).push(share(1, 99), 99), None);
    }

    #[test]
    fn shares_even_out_and_no_further() {
        let mut queue = queue((0..16).map(|account| share(1, account)));
        let entered = (0..16).filter(|n| queue.push(share(2, 50 + n), 99).is_some()).count();
        assert_eq!(entered, 8);
        assert_eq!(queue.push(share(1, 99), 99), None);
    }

    #[test]
    fn a_waiter_who_was_served_has_no_turn_left_and_one_who_leaves_leaves_nothing() {
        let mut queue = queue([share(1, 1), share(1, 1), share(1, 1)]);
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.pop(), Some(1));
        let ticket = queue.push(share(2, 2), 7).unwrap();
        assert_eq!(queue.remove(ticket), Some(7));
        assert_eq!(queue.remove(ticket), None);
        assert!(queue.push(share(2, 2), 8).is_some());
        assert_eq!(all(queue), [2, 8]);
    }
}
