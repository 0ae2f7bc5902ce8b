//! The conformance suite on a real server, in real time.

use std::sync::Arc;
use std::time::Duration;

use super::RedisStore;
use super::server::fresh_database;
use crate::store::conformance::{Fixture, for_each_case};

/// The shortest time that decides anything in a case.
pub(super) const UNIT: Duration = Duration::from_millis(400);

macro_rules! conformance {
    ($($file:ident: [$($case:ident)*])*) => { $($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if let Some(connection) = fresh_database().await {
                let fixture = Fixture::real(Arc::new(RedisStore::new(connection)), UNIT);
                crate::store::conformance::$file::$case(&fixture).await;
            }
        }
    )*)* };
}
for_each_case!(conformance);
