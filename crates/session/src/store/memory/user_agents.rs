//! User agents, stored once however many sessions have them, and dropped with the last of those.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use parking_lot::Mutex;

/// Stripes of the table, each behind a lock of its own.
const STRIPES: usize = 1024;

/// A user agent behind a thin pointer. Dropping the last one of a text takes it out of the table.
pub(super) struct UserAgent {
    pub(super) text: Arc<str>,
    hash: u64,
    table: Arc<Table>,
}

struct Interned {
    hash: u64,
    agent: Weak<UserAgent>,
}

/// The user agents of all live sessions.
pub(super) struct UserAgents {
    /// Keyed: clients choose these texts.
    hasher: RandomState,
    table: Arc<Table>,
}

struct Table {
    stripes: Box<[Mutex<HashTable<Interned>>]>,
}

impl UserAgents {
    pub(super) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), table: Arc::new(Table { stripes }) }
    }

    /// The agent of this text, shared with everyone who has the same.
    pub(super) fn intern(&self, text: &Arc<str>) -> Arc<UserAgent> {
        let hash = self.hasher.hash_one(text);
        let (agent, other) = {
            let mut stripe = self.table.stripe(hash).lock();
            let mut other = Vec::new();
            let found = stripe.iter_hash(hash).find_map(|interned| {
                let agent = interned.agent.upgrade()?;
                if interned.hash == hash && agent.text == *text {
                    return Some(agent);
                }
                other.push(agent);
                None
            });
            let agent = found.unwrap_or_else(|| {
                let (text, table) = (Arc::clone(text), Arc::clone(&self.table));
                let agent = Arc::new(UserAgent { text, hash, table });
                let interned = Interned { hash, agent: Arc::downgrade(&agent) };
                stripe.insert_unique(hash, interned, |interned| interned.hash);
                agent
            });
            (agent, other)
        };
        // One that was only looked at may be the last of its text by now: dropping it takes the lock.
        drop(other);
        agent
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.stripes.iter().map(|stripe| stripe.lock().len()).sum()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.table.stripes.iter().map(|stripe| stripe.lock().capacity()).sum()
    }
}

impl Table {
    fn stripe(&self, hash: u64) -> &Mutex<HashTable<Interned>> {
        &self.stripes[stripe_of(hash)]
    }
}

impl Drop for UserAgent {
    /// INVARIANT: the lock of a stripe is held while nothing is dropped that has an agent.
    fn drop(&mut self) {
        let mut stripe = self.table.stripe(self.hash).lock();
        let this: *const Self = self;
        if let Ok(entry) =
            stripe.find_entry(self.hash, |interned| std::ptr::eq(interned.agent.as_ptr(), this))
        {
            entry.remove();
        }
        if stripe.is_empty() {
            *stripe = HashTable::new();
        } else if stripe.capacity() > 16 && stripe.len() < stripe.capacity() / 8 {
            let len = stripe.len();
            stripe.shrink_to(2 * len, |interned| interned.hash);
        }
    }
}

fn stripe_of(hash: u64) -> usize {
    usize::try_from(hash >> 40).unwrap_or_default() % STRIPES
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn equal_texts_share_one_agent_until_nobody_names_it() {
        let user_agents = UserAgents::new();
        let (one, two) =
            (user_agents.intern(&"curl/8".into()), user_agents.intern(&"curl/8".into()));
        let other = user_agents.intern(&"Lynx".into());
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(&*other.text, "Lynx");
        drop(one);
        assert_eq!(user_agents.len(), 2);
        drop(two);
        assert_eq!(user_agents.len(), 1);
        let again = user_agents.intern(&"curl/8".into());
        assert_eq!((&*again.text, user_agents.len()), ("curl/8", 2));
    }

    #[test]
    fn threads_that_intern_and_drop_the_same_texts_leave_none_behind() {
        let user_agents = UserAgents::new();
        let texts: Vec<Arc<str>> = (0..7).map(|at| format!("agent {at}").into()).collect();
        thread::scope(|threads| {
            for at in 0..4 {
                let (user_agents, texts) = (&user_agents, &texts);
                threads.spawn(move || {
                    for round in 0..20_000 {
                        let text = &texts[(round * 3 + at) % texts.len()];
                        assert_eq!(user_agents.intern(text).text, *text);
                    }
                });
            }
        });
        assert_eq!(user_agents.len(), 0);
    }
}
