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
    /// How a page ends.
    pub(crate) extent: Extent,
}

/// How a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Anywhere, after [`PAGE`] sessions or so.
    Page,
    /// With a unit, as soon as it has so many sessions. A unit is the smallest part of a store that a
    /// session never leaves: a page of the same units shows what it showed before, but for what came
    /// or went.
    Units(usize),
}

impl Cursor {
    /// Where a walk begins.
    pub const START: Self = Self::at(0, 0);

    /// That point of the walk.
    pub(crate) const fn at(part: usize, at: u64) -> Self {
        Self { part, at, extent: Extent::Page }
    }

    /// The same point; the page ends with a unit, as soon as it has so many sessions.
    ///
    /// A walk by units is at the beginning of one at each of its cursors.
    pub(crate) const fn by_units(self, at_least: usize) -> Self {
        Self { extent: Extent::Units(at_least), ..self }
    }
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
