//! The session engine: tokens, expiry, the stores that keep sessions, and the sweeper.
//!
//! A token is a handle on a session. Whoever presents it *uses* the session, which gives a sliding
//! one its idle time again, or only *looks* at it. A user is known here as a [`Subject`] that the
//! caller fills in; how it was authenticated, and over which protocol, is not this crate's
//! business.
//!
//! ```text
//! Sessions ──► SessionStore ◄── Sweeper
//!    │             ▲
//!  token   MemoryStore, RedisStore   expiry: when a session ends, as pure arithmetic
//! ```
//!
//! What a store must do is written at [`SessionStore`], and each sentence of it is a test that
//! every store runs.

mod attempts;
mod binding;
mod engine;
mod event;
mod expiry;
mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod issue;
mod lease;
mod redis_connection;
mod scopes;
mod session;
mod store;
mod subject;
mod sweeper;
mod token;

pub use attempts::{
    AttemptKey, AttemptLimit, AttemptStore, MemoryAttempts, RedisAttempts, Reservation,
};
pub use binding::{Binding, ClientDigest, SeenAt, network};
pub use engine::{ListCursor, ListPage, RandomSource, Sessions};
pub use event::{By, Cause, Event, EventContext, EventKind, EventSession, EventUser};
pub use filter::SessionFilter;
pub use gate::Gate;
pub use issue::{Grant, Holder, Issued, Lifetimes, Login, Mint, Rotation, SessionError};
pub use lease::Owner;
pub use redis_connection::{InvalidRedisAddress, RedisAddress, RedisConnection, RedisOptions};
pub use scopes::Scopes;
pub use session::{Dead, Intent, Kind, NewSession, Origin, Presented, Session, Transport, Verdict};
pub use store::durable::{
    Commit, CommitObserver, Durability, DurableAttempts, DurableStore, Opened, SessionFileError,
    SessionWriter,
};
pub use store::events::{
    EventPage, EventRead, EventRetention, ReadFrom, StoredEvent, event_number,
};
pub use store::memory::MemoryStore;
pub use store::redis::RedisStore;
pub use store::scan::{Cursor, Page};
pub use store::{
    Condition, Ending, Insertion, Outcome, Outcomes, SessionStore, StoreError, Swept, TouchContext,
    VALUES_LIMIT, ValueChange, ValueWrite, Values,
};
pub use subject::{ExternalId, Subject};
pub use sweeper::Sweeper;
pub use token::{Malformed, SecretDigest, SessionId, Token};
