//! A walk over all sessions of a store, a page at a time.

use crate::{Session, SessionId};

/// How many sessions a page has, more or less.
pub(crate) const PAGE: usize = 512;

/// Where a walk goes on. It is good for the store that gave it out, while that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which part of the store.
    pub(crate) part: usize,
    /// Where within the part; each store has its own meaning for it.
    pub(crate) at: u64,
}

impl Cursor {
    /// Where a walk begins.
    pub const START: Self = Self { part: 0, at: 0 };
}

/// A part of all sessions. It may be empty without being the last.
#[derive(Debug, Default)]
pub struct Page {
    /// Live sessions.
    pub sessions: Vec<Session>,
    /// Records that are unreadable: they may be of a later version.
    pub unreadable: Vec<SessionId>,
    /// Where the next part begins; none after the last.
    pub next: Option<Cursor>,
}
