//! User agents, kept once however many sessions name them.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use parking_lot::Mutex;

/// Stripes of the table: each is tidied in one go, so each has to stay small.
const STRIPES: usize = 1024;

/// A user agent behind a thin pointer.
pub(super) struct Agent {
    pub(super) text: Arc<str>,
}

struct Known {
    hash: u64,
    agent: Weak<Agent>,
}

/// The user agents of all live sessions.
pub(super) struct Agents {
    /// Keyed: whoever logs in chooses these texts.
    hasher: RandomState,
    stripes: Box<[Mutex<HashTable<Known>>]>,
    /// The stripe that is tidied next.
    next: AtomicUsize,
}

impl Agents {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The agent of this text, shared with everyone who has the same.
    pub(super) fn intern(&self, text: &Arc<str>) -> Arc<Agent> {
        let hash = self.hasher.hash_one(text);
        let mut stripe = self.stripes[stripe_of(hash)].lock();
        let same = |known: &Known| {
            known.agent.upgrade().filter(|agent| known.hash == hash && agent.text == *text)
        };
        if let Some(agent) = stripe.iter_hash(hash).find_map(same) {
            return agent;
        }
        let agent = Arc::new(Agent { text: Arc::clone(text) });
        let known = Known { hash, agent: Arc::downgrade(&agent) };
        stripe.insert_unique(hash, known, |known| known.hash);
        agent
    }

    /// Forgets the agents of one stripe that no session names any more; each call takes the next.
    pub(super) fn tidy(&self) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % STRIPES;
        let mut stripe = self.stripes[next].lock();
        stripe.retain(|known| known.agent.strong_count() > 0);
        if stripe.capacity() > 4 * stripe.len() {
            stripe.shrink_to_fit(|known| known.hash);
        }
    }
}

fn stripe_of(hash: u64) -> usize {
    usize::try_from(hash >> 40).unwrap_or_default() % STRIPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_one_agent_until_nobody_names_it() {
        let agents = Agents::new();
        let (one, two) = (agents.intern(&"curl/8".into()), agents.intern(&"curl/8".into()));
        let other = agents.intern(&"Lynx".into());
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(&*other.text, "Lynx");
        drop((one, two));
        (0..STRIPES).for_each(|_| agents.tidy());
        let known: usize = agents.stripes.iter().map(|stripe| stripe.lock().len()).sum();
        assert_eq!(known, 1);
    }
}
