//! Whether tokens are judged at all: closed while it is unknown which sessions have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;

/// A switch that all handles on one engine share; open at first.
///
/// INVARIANT: while it is closed, no token opens anything, and none is reported as dead.
#[derive(Clone, Debug)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Has tokens judged again.
    pub fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Has every token answered with "not known".
    pub fn close(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether tokens are judged.
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The answer to a token while it is closed.
    pub(crate) fn refusal() -> StoreError {
        StoreError("the endings of sessions have not been caught up with".to_owned())
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}
