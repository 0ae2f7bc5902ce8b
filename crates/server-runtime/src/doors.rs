//! Listeners that close together, and the connections that came in by them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Some of a process's listeners. Nothing is in it until something is tracked.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    /// Looked at for every connection that is idle, so it is no token, which would lock.
    closing: AtomicBool,
    closed: CancellationToken,
    listeners: TaskTracker,
    connections: TaskTracker,
}

impl Doors {
    /// Whether the listeners are to be closed, and idle connections with them.
    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Cancelled when the listeners are to be closed.
    pub(crate) fn closing_token(&self) -> &CancellationToken {
        &self.closed
    }

    /// What the loops that accept connections are tracked by.
    pub(crate) fn listeners(&self) -> &TaskTracker {
        &self.listeners
    }

    /// What connections are tracked by.
    pub(crate) fn connections(&self) -> &TaskTracker {
        &self.connections
    }

    /// Closes the listeners, and idle connections with them; requests in flight go on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.closed.cancel();
        self.listeners.close();
        self.connections.close();
    }

    /// Waits until everybody has gone, for so long at most. Gives how many have not.
    pub(crate) async fn left_after(&self, limit: Duration) -> usize {
        match tokio::time::timeout(limit, self.unoccupied()).await {
            Ok(()) => 0,
            Err(_) => self.connections.len(),
        }
    }

    /// Waits until nobody is connected.
    ///
    /// INVARIANT: the loops that accept end first. They take in who was about to be connected, so
    /// that before their end there may be nobody for a moment and somebody after it.
    async fn unoccupied(&self) {
        self.listeners.wait().await;
        self.connections.wait().await;
    }
}
