//! The waiting room of the hashing lane: who waits, who is next, and who goes when it is full.
//!
//! Right passwords are not throttled, so that logins of one network or at one account could fill
//! it. While there is room everybody may have all of it: everybody may be one network behind a
//! balancer. When it is full, whoever has more than an eighth of it makes room for who has less.
//! Networks take turns, and within each its accounts, so that nobody waits behind all of a crowd.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// On whose behalf a password is hashed: what the waiting room is shared out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The client's network; none where nobody asked from anywhere.
    pub(crate) network: Option<IpAddr>,
    /// The account, as a number that nobody can choose.
    pub(crate) account: u64,
}

/// The waiting room; each in it has a `T`, by which it is called.
pub(super) struct Room<T> {
    capacity: usize,
    entered: u64,
    waiters: BTreeMap<Ticket, Waiter<T>>,
    /// The network whose turn it is next comes first; each is in it once.
    turns: VecDeque<Option<IpAddr>>,
    networks: HashMap<Option<IpAddr>, Network>,
    /// How many wait for each account, whatever their network.
    accounts: HashMap<u64, usize>,
}

/// Somebody in the room; a later one has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiter<T> {
    share: Share,
    call: T,
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

impl<T> Room<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entered: 0,
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

    /// Lets somebody in. Where it is full, somebody with a larger share goes, whose `call` is
    /// dropped; `None` where there is nobody.
    pub(super) fn enter(&mut self, share: Share, call: T) -> Option<Ticket> {
        if self.waiters.len() >= self.capacity {
            let shed = self.largest_network(share).or_else(|| self.largest_account(share))?;
            self.leave(shed);
        }
        self.entered += 1;
        let ticket = Ticket(self.entered);
        self.waiters.insert(ticket, Waiter { share, call });
        *self.accounts.entry(share.account).or_default() += 1;
        let turns = &mut self.turns;
        let network = self.networks.entry(share.network).or_insert_with(|| {
            turns.push_back(share.network);
            Network::default()
        });
        network.enter(share.account, ticket);
        Some(ticket)
    }

    /// The next one, who is in the room no longer.
    pub(super) fn next(&mut self) -> Option<T> {
        let of = *self.turns.front()?;
        self.turns.rotate_left(1);
        let next = self.networks.get_mut(&of)?.next()?;
        self.leave(next)
    }

    /// Takes somebody out, who may be out already.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let Waiter { share, call } = self.waiters.remove(&ticket)?;
        if let Some(network) = self.networks.get_mut(&share.network) {
            network.leave(share.account, ticket);
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
        Some(call)
    }

    fn of_network(&self, network: Option<IpAddr>) -> usize {
        self.networks.get(&network).map_or(0, |network| network.waiting)
    }

    /// Whether so many are more than an eighth of the room, and stay more than `other` would be.
    const fn yields(&self, waiting: usize, other: usize) -> bool {
        waiting > self.capacity / 8 && waiting > other + 1
    }

    /// The newest waiter of the largest network, if that has to make room for `share`.
    fn largest_network(&self, share: Share) -> Option<Ticket> {
        let (of, network) = self.networks.iter().max_by_key(|(_, network)| network.waiting)?;
        let yields = self.yields(network.waiting, self.of_network(share.network));
        yields.then(|| self.newest(|waiter| waiter.share.network == *of))?
    }

    /// The newest waiter at the largest account, if that has to make room for `share`: not for one
    /// of a network that has more than the waiter's.
    fn largest_account(&self, share: Share) -> Option<Ticket> {
        let (account, waiting) = self.accounts.iter().max_by_key(|(_, waiting)| **waiting)?;
        let other = self.accounts.get(&share.account).copied().unwrap_or_default();
        let held = self.of_network(share.network);
        let found = |waiter: &Waiter<T>| {
            waiter.share.account == *account && self.of_network(waiter.share.network) >= held
        };
        self.yields(*waiting, other).then(|| self.newest(found))?
    }

    fn newest(&self, found: impl Fn(&Waiter<T>) -> bool) -> Option<Ticket> {
        self.waiters.iter().rev().find(|(_, waiter)| found(waiter)).map(|(ticket, _)| *ticket)
    }
}

impl Network {
    fn enter(&mut self, account: u64, ticket: Ticket) {
        self.waiting += 1;
        let turns = &mut self.turns;
        let waiting = self.accounts.entry(account).or_insert_with(|| {
            turns.push_back(account);
            VecDeque::new()
        });
        waiting.push_back(ticket);
    }

    /// The next one, who is in it still; its account's next turn comes after all others.
    fn next(&mut self) -> Option<Ticket> {
        let account = *self.turns.front()?;
        self.turns.rotate_left(1);
        self.accounts.get(&account)?.front().copied()
    }

    fn leave(&mut self, account: u64, ticket: Ticket) {
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

    /// A room of 16 with these in it, each called by its index.
    fn room(shares: impl IntoIterator<Item = Share>) -> Room<usize> {
        let mut room = Room::new(16);
        for (index, share) in shares.into_iter().enumerate() {
            assert!(room.enter(share, index).is_some(), "{index}");
        }
        room
    }

    fn all(mut room: Room<usize>) -> Vec<usize> {
        let order = std::iter::from_fn(|| room.next()).collect();
        assert!(room.networks.is_empty() && room.accounts.is_empty() && room.turns.is_empty());
        order
    }

    #[test]
    fn one_network_and_one_account_may_have_all_of_an_idle_room() {
        let mut room = room((0..16).map(|_| share(1, 1)));
        assert_eq!(room.enter(share(1, 1), 99), None);
        assert_eq!(all(room), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn in_a_full_room_the_newest_of_the_largest_network_goes_and_networks_take_turns() {
        let mut room = room((0..16).map(|account| share(1, account)));
        assert!(room.enter(share(2, 99), 99).is_some());
        assert!(room.enter(share(2, 98), 98).is_some());
        let mut expected = vec![0, 99, 1, 98];
        expected.extend(2..14);
        assert_eq!(all(room), expected);
    }

    #[test]
    fn ten_accounts_at_one_network_are_one_share() {
        let mut room = room((0..16).map(|account| share(1, account % 10)));
        assert_eq!(room.enter(share(1, 99), 99), None);
        assert!(room.enter(share(2, 3), 98).is_some());
    }

    #[test]
    fn one_account_from_many_networks_is_one_share() {
        let mut room = room((0..16).map(|network| share(network, 1)));
        assert_eq!(room.enter(share(99, 1), 99), None);
        assert!(room.enter(share(99, 2), 98).is_some());
        // Behind one balancer too.
        let mut room = self::room((0..16).map(|_| share(1, 1)));
        assert!(room.enter(share(1, 2), 98).is_some());
        let order = all(room);
        assert_eq!((order.len(), &order[..3]), (16, &[0, 98, 1][..]));
        assert!(!order.contains(&15));
    }

    #[test]
    fn nobody_goes_who_has_an_eighth_or_less_and_none_for_a_larger_one() {
        let mut even = room((0..16).map(|n| share(n / 2, u64::from(n / 2))));
        assert_eq!(even.enter(share(99, 99), 99), None);
        // Seven of one network, each at another account, and nine elsewhere at one account.
        let crowd = (0..7).map(|n| share(1, n)).chain((0..9).map(|n| share(10 + n, 77)));
        assert_eq!(room(crowd).enter(share(1, 99), 99), None);
    }

    #[test]
    fn shares_even_out_and_no_further() {
        let mut room = room((0..16).map(|account| share(1, account)));
        let entered = (0..16).filter(|n| room.enter(share(2, 50 + n), 99).is_some()).count();
        assert_eq!(entered, 8);
        assert_eq!(room.enter(share(1, 99), 99), None);
    }

    #[test]
    fn who_was_served_is_not_owed_a_turn_and_who_leaves_leaves_nothing() {
        let mut room = room([share(1, 1), share(1, 1), share(1, 1)]);
        assert_eq!(room.next(), Some(0));
        assert_eq!(room.next(), Some(1));
        let ticket = room.enter(share(2, 2), 7).unwrap();
        assert_eq!(room.leave(ticket), Some(7));
        assert_eq!(room.leave(ticket), None);
        assert!(room.enter(share(2, 2), 8).is_some());
        assert_eq!(all(room), [2, 8]);
    }
}
