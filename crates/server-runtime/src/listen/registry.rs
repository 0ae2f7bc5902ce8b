//! All open connections of a process: whose they are, and which make room when there are too many.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::activity::Activity;
use super::eviction::{Candidate, Claim, choose};
use super::network::Network;

/// The open connections of a process. Its listeners share it, since they share its open files.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: Mutex<Connections>,
    open: AtomicUsize,
    leaving: Arc<AtomicUsize>,
    listeners: AtomicUsize,
}

#[derive(Debug, Default)]
struct Connections {
    all: HashMap<u64, Entry>,
    /// How many each network has, apart for the listeners that have a right to all open files.
    sizes: HashMap<(bool, Network), usize>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    listener: Arc<ListenerCount>,
    network: Network,
    activity: Arc<Activity>,
}

/// One listener, and how many connections it has.
#[derive(Debug)]
pub(super) struct ListenerCount {
    number: usize,
    /// Whether it has a right to all of the process's open files.
    reserved: bool,
    open: AtomicUsize,
}

/// Whose connections may end to make room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Among {
    /// The listener's own.
    Listener,
    /// Those of all listeners that have the same right to open files.
    Equals,
    /// Those of all listeners with a lesser right.
    Lesser,
}

/// A place in the registry, free again once it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    id: u64,
    listener: Arc<ListenerCount>,
    network: Network,
    activity: Arc<Activity>,
}

impl Registry {
    /// A listener that has no connections yet.
    pub(super) fn listener(&self, reserved: bool) -> Arc<ListenerCount> {
        let number = self.listeners.fetch_add(1, Ordering::Relaxed);
        Arc::new(ListenerCount { number, reserved, open: AtomicUsize::new(0) })
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        listener: &Arc<ListenerCount>,
        network: Network,
    ) -> Place {
        let activity = Arc::new(Activity::new(self.leaving.clone()));
        let entry = Entry { listener: listener.clone(), network, activity: activity.clone() };
        let id = {
            let mut connections = self.connections.lock();
            connections.next += 1;
            let id = connections.next;
            connections.all.insert(id, entry);
            *connections.sizes.entry((listener.reserved, network)).or_default() += 1;
            id
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        listener.open.fetch_add(1, Ordering::Relaxed);
        Place { registry: self.clone(), id, listener: listener.clone(), network, activity }
    }

    /// How many connections are open in the whole process.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many of them have been told to make room.
    pub(super) fn leaving(&self) -> usize {
        self.leaving.load(Ordering::Relaxed)
    }

    /// How many connections a network has at listeners with the same right to open files.
    pub(super) fn held(&self, listener: &ListenerCount, network: Network) -> usize {
        let connections = self.connections.lock();
        connections.sizes.get(&(listener.reserved, network)).copied().unwrap_or_default()
    }

    /// Has every connection of a listener look up what it is to do.
    pub(super) fn wake_all(&self, listener: &ListenerCount) {
        let connections = self.connections.lock();
        let own = connections.all.values().filter(|one| one.listener.number == listener.number);
        own.for_each(|one| one.activity.wake());
    }

    /// Tells connections to make room for one that comes in at `listener`. Returns how many.
    pub(super) fn make_room(&self, listener: &ListenerCount, among: Among, claim: Claim) -> usize {
        let now = Instant::now();
        let connections = self.connections.lock();
        let reserved = listener.reserved && !matches!(among, Among::Lesser);
        let chosen = {
            let within = connections.all.values().filter(|one| match among {
                Among::Listener => one.listener.number == listener.number,
                Among::Equals | Among::Lesser => one.listener.reserved == reserved,
            });
            let candidates = within
                .filter_map(|one| Candidate::of(one.network, &one.activity, now, claim.after));
            let size = |of| connections.sizes.get(&(reserved, of)).copied().unwrap_or_default();
            choose(candidates, size, now, claim)
        };
        for activity in &chosen {
            activity.make_way();
        }
        chosen.len()
    }
}

impl ListenerCount {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.reserved
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut connections = self.registry.connections.lock();
            connections.all.remove(&self.id);
            let key = (self.listener.reserved, self.network);
            if let Some(size) = connections.sizes.get_mut(&key) {
                *size -= 1;
                if *size == 0 {
                    connections.sizes.remove(&key);
                }
            }
        }
        self.activity.stay();
        self.registry.open.fetch_sub(1, Ordering::Relaxed);
        self.listener.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    const NOW: Claim = Claim { held: 0, count: 9, after: Duration::ZERO };

    #[test]
    fn listeners_with_a_lesser_right_make_room_for_those_with_a_greater_and_never_the_other_way() {
        let registry = Arc::new(Registry::default());
        let (public, internal) = (registry.listener(false), registry.listener(true));
        let places = [registry.enter(&public, network(1)), registry.enter(&internal, network(1))];
        let room = |listener: &ListenerCount, among| registry.make_room(listener, among, NOW);
        let yielding = || places.each_ref().map(|place| place.activity().yielding());
        assert_eq!((room(&public, Among::Equals), yielding()), (1, [true, false]));
        assert_eq!(room(&public, Among::Equals), 0, "the only one is leaving");
        places[0].activity().stay();
        assert_eq!((room(&internal, Among::Lesser), yielding()), (1, [true, false]));
        assert_eq!((room(&internal, Among::Equals), yielding()), (1, [true, true]));
        assert_eq!(registry.leaving(), 2);
    }

    #[test]
    fn a_listener_that_is_full_ends_its_own_connections() {
        let registry = Arc::new(Registry::default());
        let (public, business) = (registry.listener(false), registry.listener(false));
        let places = [registry.enter(&public, network(1)), registry.enter(&business, network(1))];
        assert_eq!(registry.make_room(&business, Among::Listener, NOW), 1);
        assert!(!places[0].activity().yielding() && places[1].activity().yielding());
    }

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let registry = Arc::new(Registry::default());
        let listener = registry.listener(false);
        let places = [registry.enter(&listener, network(1)), registry.enter(&listener, network(1))];
        assert_eq!((registry.open(), listener.open()), (2, 2));
        assert_eq!(registry.held(&listener, network(1)), 2);
        places[0].activity().make_way();
        places[0].activity().make_way();
        assert_eq!(registry.leaving(), 1);
        drop(places);
        assert_eq!((registry.open(), listener.open(), registry.leaving()), (0, 0, 0));
        let connections = registry.connections.lock();
        assert!(connections.all.is_empty() && connections.sizes.is_empty());
    }
}
