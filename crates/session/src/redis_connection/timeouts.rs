//! How long a Redis is waited for.

use std::time::Duration;

/// How long a batch may take, with whatever it waits for before it is sent.
pub(super) const ANSWER: Duration = Duration::from_millis(480);
/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// How long a connection may be idle before the network is asked whether it is still there.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long what was sent may stay without an acknowledgement of the network.
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// How long a replica may take to have what a revocation wrote.
pub(super) const REPLICA: Duration = Duration::from_millis(300);
/// The least time between two questions for the layout of a cluster.
pub(super) const BETWEEN_LAYOUTS: Duration = Duration::from_millis(100);
/// How many batches one server may be working on, or be waited for with, at a time.
pub(super) const IN_FLIGHT: usize = 4096;
