//! Whose request this thread works for at the moment: the id that its log lines carry.
//!
//! It stands in place of a span. A span is made for every request and read by hardly any; this is
//! two moves of a pointer for each time that a request is worked on, and costs something only where
//! a line is written.

use std::cell::RefCell;
use std::mem::swap;

use super::RequestId;

thread_local! {
    static CURRENT: RefCell<Option<RequestId>> = const { RefCell::new(None) };
}

/// While it lives, this thread works for the request whose id it was given.
pub(super) struct Working<'a> {
    id: &'a mut Option<RequestId>,
}

impl<'a> Working<'a> {
    /// Begins to work for the request; its id is back in its place when this is dropped.
    pub(super) fn on(id: &'a mut Option<RequestId>) -> Self {
        CURRENT.with_borrow_mut(|current| swap(current, id));
        Self { id }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| swap(current, self.id));
    }
}

/// The id of the request that this thread works for, if it works for one.
pub(crate) fn current() -> Option<RequestId> {
    // A thread that is about to end has none any more.
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}
