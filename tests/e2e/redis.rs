//! Several nodes on one Redis: whatever one of them ends is over on all, and a Redis that is away
//! is an answer of its own, never "logged out". Where there is no `redis-server`, it is skipped.

mod database;
mod endings;
mod first_request;
mod killed;
mod limit;
pub(crate) mod nodes;
mod outage;
mod restarts;
mod settings;
mod soak;
mod truth;
mod ways;
