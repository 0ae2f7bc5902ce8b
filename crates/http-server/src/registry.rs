//! All open connections of a process: which network each is from, and which are evicted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::eviction::{Candidate, EvictionRequest, choose};
use crate::network::Network;

/// The open connections of a process. Its listeners share it, since they share its open files.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: Mutex<Connections>,
    open: AtomicUsize,
    evicting: Arc<AtomicUsize>,
    listeners: AtomicUsize,
}

#[derive(Debug, Default)]
struct Connections {
    all: HashMap<u64, Entry>,
    /// How many each network has; listeners with a right to all open files are counted apart.
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
pub(crate) struct ListenerCount {
    number: usize,
    /// Whether it has a right to all of the process's open files.
    reserved: bool,
    open: AtomicUsize,
}

/// Among which connections the ones to evict are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    /// The listener's own.
    Listener,
    /// Those of all listeners that have the same right to open files.
    Equals,
    /// Those of all listeners with a lesser right.
    Lesser,
}

/// A connection's entry in the registry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    id: u64,
    listener: Arc<ListenerCount>,
    network: Network,
    activity: Arc<Activity>,
}

impl Registry {
    /// A listener that has no connections yet.
    pub(crate) fn listener(&self, reserved: bool) -> Arc<ListenerCount> {
        let number = self.listeners.fetch_add(1, Ordering::Relaxed);
        Arc::new(ListenerCount { number, reserved, open: AtomicUsize::new(0) })
    }

    pub(crate) fn enter(
        self: &Arc<Self>,
        listener: &Arc<ListenerCount>,
        network: Network,
    ) -> Registration {
        let activity = Arc::new(Activity::new(self.evicting.clone()));
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
        Registration { registry: self.clone(), id, listener: listener.clone(), network, activity }
    }

    /// How many connections are open in the whole process.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many of them are to be evicted and still open.
    pub(crate) fn evicting(&self) -> usize {
        self.evicting.load(Ordering::Relaxed)
    }

    /// How many connections a network has at listeners with the same right to open files.
    pub(crate) fn held(&self, listener: &ListenerCount, network: Network) -> usize {
        let connections = self.connections.lock();
        connections.sizes.get(&(listener.reserved, network)).copied().unwrap_or_default()
    }

    /// Wakes every connection of a listener, to check whether it is to close.
    pub(crate) fn wake_all(&self, listener: &ListenerCount) {
        let connections = self.connections.lock();
        let own = connections.all.values().filter(|one| one.listener.number == listener.number);
        own.for_each(|one| one.activity.wake());
    }

    /// Evicts connections for one that arrives at `listener`. Returns how many.
    pub(crate) fn make_room(
        &self,
        listener: &ListenerCount,
        scope: Scope,
        request: EvictionRequest,
    ) -> usize {
        let now = Instant::now();
        let connections = self.connections.lock();
        let reserved = listener.reserved && !matches!(scope, Scope::Lesser);
        let chosen = {
            let within = connections.all.values().filter(|one| match scope {
                Scope::Listener => one.listener.number == listener.number,
                Scope::Equals | Scope::Lesser => one.listener.reserved == reserved,
            });
            let candidates = within
                .filter_map(|one| Candidate::of(one.network, &one.activity, now, request.after));
            let size = |of| connections.sizes.get(&(reserved, of)).copied().unwrap_or_default();
            choose(candidates, size, now, request)
        };
        for activity in &chosen {
            activity.request_eviction();
        }
        chosen.len()
    }
}

impl ListenerCount {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved
    }
}

impl Registration {
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Registration {
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
        self.activity.cancel_eviction();
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

    const NOW: EvictionRequest = EvictionRequest { held: 0, count: 9, after: Duration::ZERO };

    #[test]
    fn listeners_with_a_lesser_right_make_room_for_those_with_a_greater_and_never_the_other_way() {
        let registry = Arc::new(Registry::default());
        let (public, internal) = (registry.listener(false), registry.listener(true));
        let registrations =
            [registry.enter(&public, network(1)), registry.enter(&internal, network(1))];
        let room = |listener: &ListenerCount, scope| registry.make_room(listener, scope, NOW);
        let eviction_requested = || {
            registrations
                .each_ref()
                .map(|registration| registration.activity().eviction_requested())
        };
        assert_eq!((room(&public, Scope::Equals), eviction_requested()), (1, [true, false]));
        assert_eq!(room(&public, Scope::Equals), 0, "the only one is being evicted already");
        registrations[0].activity().cancel_eviction();
        assert_eq!((room(&internal, Scope::Lesser), eviction_requested()), (1, [true, false]));
        assert_eq!((room(&internal, Scope::Equals), eviction_requested()), (1, [true, true]));
        assert_eq!(registry.evicting(), 2);
    }

    #[test]
    fn a_listener_that_is_full_ends_its_own_connections() {
        let registry = Arc::new(Registry::default());
        let (public, business) = (registry.listener(false), registry.listener(false));
        let registrations =
            [registry.enter(&public, network(1)), registry.enter(&business, network(1))];
        assert_eq!(registry.make_room(&business, Scope::Listener, NOW), 1);
        assert!(
            !registrations[0].activity().eviction_requested()
                && registrations[1].activity().eviction_requested()
        );
    }

    #[test]
    fn a_connection_is_counted_until_its_registration_is_dropped() {
        let registry = Arc::new(Registry::default());
        let listener = registry.listener(false);
        let registrations =
            [registry.enter(&listener, network(1)), registry.enter(&listener, network(1))];
        assert_eq!((registry.open(), listener.open()), (2, 2));
        assert_eq!(registry.held(&listener, network(1)), 2);
        registrations[0].activity().request_eviction();
        registrations[0].activity().request_eviction();
        assert_eq!(registry.evicting(), 1);
        drop(registrations);
        assert_eq!((registry.open(), listener.open(), registry.evicting()), (0, 0, 0));
        let connections = registry.connections.lock();
        assert!(connections.all.is_empty() && connections.sizes.is_empty());
    }
}
