//! How long a Redis server is waited for.

use std::time::Duration;

/// How long a command may take by default, with whatever it waits for before it is sent.
pub(super) const RESPONSE: Duration = Duration::from_millis(480);
/// How long a connection may take to be established.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// How long a connection may be idle before keep-alive probes are sent.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long what was sent may stay without an acknowledgement of the network.
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// How long a replica may take to have what a revocation wrote.
pub(super) const REPLICA: Duration = Duration::from_millis(300);
/// The least time between two requests for the slots of a cluster.
pub(super) const BETWEEN_REFRESHES: Duration = Duration::from_millis(100);
