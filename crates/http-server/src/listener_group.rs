//! Listeners that close together, and the connections that they accepted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Some of a process's listeners. It is empty until something is tracked.
#[derive(Debug, Default)]
pub(crate) struct ListenerGroup {
    /// Read for every idle connection, so it is no token, which would take a lock.
    closing: AtomicBool,
    closed: CancellationToken,
    listeners: TaskTracker,
    connections: TaskTracker,
}

impl ListenerGroup {
    /// Whether the listeners are to close, and idle connections with them.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Cancelled when the listeners are to close.
    pub(crate) fn closing_token(&self) -> &CancellationToken {
        &self.closed
    }

    /// What tracks the loops that accept connections.
    pub(crate) fn listeners(&self) -> &TaskTracker {
        &self.listeners
    }

    /// What tracks the connections.
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

    /// Waits until all connections are closed, for `limit` at most. Returns how many are still open.
    pub(crate) async fn wait_until_closed(&self, limit: Duration) -> usize {
        match tokio::time::timeout(limit, self.all_closed()).await {
            Ok(()) => 0,
            Err(_) => self.connections.len(),
        }
    }

    /// Waits until no connection is open.
    ///
    /// INVARIANT: the accept loops end first. They still accept clients that were about to connect,
    /// so before their end the group may have no connection for a moment and one after it.
    async fn all_closed(&self) {
        self.listeners.wait().await;
        self.connections.wait().await;
    }
}
