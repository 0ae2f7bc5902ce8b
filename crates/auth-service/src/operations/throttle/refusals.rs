//! How many refused attempts are events: further ones say nothing new, and cost whoever makes them nothing,
//! who could push all other events out of what is stored.

use std::time::Duration;

use server_runtime::Rate;

use super::{Throttle, from};
use crate::operations::Error;
use crate::operations::client::Client;

const REPORTED_PER_NETWORK: Rate = Rate { count: 10, per: Duration::from_mins(1) };

impl Throttle {
    /// Whether an attempt that was refused as one too many is an event. Those that are none are counted
    /// in the metrics like the others.
    pub(crate) async fn is_reported(&self, client: &Client) -> bool {
        let limits = from(client, REPORTED_PER_NETWORK, b"reported", b"");
        let reserved = self.reserve(&limits.into_iter().flatten().collect::<Vec<_>>()).await;
        !matches!(reserved, Err(Error::TooMany { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DEFAULTS, client, throttle};
    use super::*;

    #[tokio::test]
    async fn ten_refusals_of_a_network_are_reported_in_a_minute_and_those_of_others_too() {
        let (throttle, clock) = throttle(DEFAULTS);
        let (one, other) = (client("203.0.113.9"), client("203.0.113.10"));
        for _ in 0..10 {
            assert!(throttle.is_reported(&one).await);
        }
        assert!(!throttle.is_reported(&one).await);
        assert!(throttle.is_reported(&other).await);
        clock.advance(Duration::from_mins(1));
        assert!(throttle.is_reported(&one).await);
    }
}
