//! What every attempt store must do, as tests that each of them runs.
//!
//! Time may be real: nothing here takes a part of a second for granted to be short.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{AttemptKey, AttemptLimit, AttemptStore, Reservation};

/// Lets this time pass for the store.
type Pass = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A store under test, which others may use as well.
pub(crate) struct Fixture {
    store: Arc<dyn AttemptStore>,
    pass: Pass,
    salt: [u8; 8],
}

impl Fixture {
    pub(crate) fn new(store: Arc<dyn AttemptStore>, pass: Pass) -> Self {
        Self { store, pass, salt: RandomState::new().hash_one(0).to_be_bytes() }
    }

    /// `burst` at once, one more each second.
    fn limit(&self, name: &str, burst: u32) -> AttemptLimit {
        let per = Duration::from_secs(burst.into());
        AttemptLimit { key: self.key(name), burst: burst.try_into().unwrap(), per }
    }

    fn key(&self, name: &str) -> AttemptKey {
        AttemptKey::of(&[&self.salt, name.as_bytes()])
    }

    async fn seconds(&self, seconds: u64) {
        (self.pass)(Duration::from_secs(seconds)).await;
    }

    async fn wait_for(&self, limits: &[AttemptLimit]) -> Option<Duration> {
        match self.store.reserve(limits).await.unwrap() {
            Reservation::Admitted => None,
            Reservation::Throttled { retry_after } => Some(retry_after),
        }
    }

    /// How many of `tries` are admitted, one after the other.
    async fn admitted(&self, limits: &[AttemptLimit], tries: usize) -> usize {
        let mut admitted = 0;
        for _ in 0..tries {
            admitted += usize::from(self.wait_for(limits).await.is_none());
        }
        admitted
    }

    /// How many of 64 at once are admitted.
    async fn admitted_of_64_at_once(&self, limits: &[AttemptLimit]) -> usize {
        let start = Arc::new(tokio::sync::Barrier::new(64));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (store, start) = (Arc::clone(&self.store), Arc::clone(&start));
                let limits = limits.to_vec();
                tokio::spawn(async move {
                    start.wait().await;
                    store.reserve(&limits).await.unwrap() == Reservation::Admitted
                })
            })
            .collect();
        let mut admitted = 0;
        for task in tasks {
            admitted += usize::from(task.await.unwrap());
        }
        admitted
    }
}

/// Runs the suite: `$fixture` makes an `Option<Fixture>`, `None` where the store cannot be had here.
macro_rules! attempt_store_conformance {
    ($fixture:expr) => {
        $crate::attempts::conformance::attempt_store_conformance!($fixture;
            a_burst_is_admitted_and_then_no_more,
            waiting_as_long_as_reported_admits_again,
            what_was_saved_up_is_never_more_than_a_burst,
            keys_are_counted_apart,
            an_attempt_that_one_limit_refuses_counts_under_none,
            the_longest_wait_is_reported,
            of_concurrent_attempts_exactly_what_is_left_is_admitted,
            concurrent_attempts_that_one_limit_refuses_count_under_none,
            a_refund_takes_back_one_attempt,
            a_refund_of_nothing_admits_no_more_than_a_burst,
            a_cleared_key_starts_anew,
            a_key_is_remembered_until_its_time_is_over,
            remembering_again_prolongs_and_never_shortens
        );
    };
    ($fixture:expr; $($name:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let fixture: Option<$crate::attempts::conformance::Fixture> = $fixture.await;
                if let Some(fixture) = fixture {
                    $crate::attempts::conformance::$name(&fixture).await;
                }
            }
        )*
    };
}
pub(crate) use attempt_store_conformance;

pub(crate) async fn a_burst_is_admitted_and_then_no_more(fixture: &Fixture) {
    assert_eq!(fixture.admitted(&[fixture.limit("a", 10)], 15).await, 10);
}

pub(crate) async fn waiting_as_long_as_reported_admits_again(fixture: &Fixture) {
    let limit = [fixture.limit("a", 10)];
    assert_eq!(fixture.admitted(&limit, 10).await, 10);
    let wait = fixture.wait_for(&limit).await.unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    (fixture.pass)(wait).await;
    assert_eq!(fixture.admitted(&limit, 2).await, 1, "one and no more");
}

pub(crate) async fn what_was_saved_up_is_never_more_than_a_burst(fixture: &Fixture) {
    let limit = [fixture.limit("a", 3)];
    assert_eq!(fixture.admitted(&limit, 3).await, 3);
    fixture.seconds(2).await;
    assert_eq!(fixture.admitted(&limit, 3).await, 2, "one for each second");
    fixture.seconds(5).await;
    assert_eq!(fixture.admitted(&limit, 5).await, 3);
}

pub(crate) async fn keys_are_counted_apart(fixture: &Fixture) {
    assert_eq!(fixture.admitted(&[fixture.limit("a", 3)], 5).await, 3);
    assert_eq!(fixture.admitted(&[fixture.limit("b", 3)], 5).await, 3);
}

pub(crate) async fn an_attempt_that_one_limit_refuses_counts_under_none(fixture: &Fixture) {
    let (narrow, wide) = (fixture.limit("narrow", 2), fixture.limit("wide", 10));
    assert_eq!(fixture.admitted(&[wide, narrow], 50).await, 2);
    assert_eq!(fixture.admitted(&[wide], 20).await, 8);
    fixture.store.clear(wide.key).await.unwrap();
    fixture.store.clear(narrow.key).await.unwrap();
    assert_eq!(fixture.admitted(&[narrow, wide], 50).await, 2, "in whatever order");
    assert_eq!(fixture.admitted(&[wide], 20).await, 8);
}

pub(crate) async fn the_longest_wait_is_reported(fixture: &Fixture) {
    let second = fixture.limit("second", 5);
    let hour = AttemptLimit { per: Duration::from_hours(5), ..fixture.limit("hour", 5) };
    for limits in [[second, hour], [hour, second]] {
        assert_eq!(fixture.admitted(&limits, 5).await, 5);
        let wait = fixture.wait_for(&limits).await.unwrap();
        assert!(wait > Duration::from_mins(59) && wait <= Duration::from_hours(1), "{wait:?}");
        fixture.store.clear(second.key).await.unwrap();
        fixture.store.clear(hour.key).await.unwrap();
    }
}

pub(crate) async fn of_concurrent_attempts_exactly_what_is_left_is_admitted(fixture: &Fixture) {
    let hours = |name| AttemptLimit { per: Duration::from_hours(10), ..fixture.limit(name, 10) };
    assert_eq!(fixture.admitted_of_64_at_once(&[hours("a")]).await, 10);
    assert_eq!(fixture.admitted(&[hours("b")], 3).await, 3);
    assert_eq!(fixture.admitted_of_64_at_once(&[hours("c"), hours("b")]).await, 7);
}

pub(crate) async fn concurrent_attempts_that_one_limit_refuses_count_under_none(fixture: &Fixture) {
    let hours =
        |name, burst| AttemptLimit { per: Duration::from_hours(99), ..fixture.limit(name, burst) };
    let (narrow, wide) = (hours("narrow", 5), hours("wide", 99));
    assert_eq!(fixture.admitted_of_64_at_once(&[wide, narrow]).await, 5);
    assert_eq!(fixture.admitted(&[wide], 99).await, 94);
}

pub(crate) async fn a_refund_takes_back_one_attempt(fixture: &Fixture) {
    let limits = [fixture.limit("a", 10), fixture.limit("b", 10)];
    assert_eq!(fixture.admitted(&limits, 20).await, 10);
    fixture.store.refund(&limits[..1]).await.unwrap();
    assert_eq!(fixture.admitted(&limits[1..], 5).await, 0, "the other key is as it was");
    assert_eq!(fixture.admitted(&limits[..1], 5).await, 1);
    fixture.store.refund(&limits).await.unwrap();
    assert_eq!(fixture.admitted(&limits, 5).await, 1);
}

pub(crate) async fn a_refund_of_nothing_admits_no_more_than_a_burst(fixture: &Fixture) {
    let limit = [fixture.limit("a", 3)];
    fixture.store.refund(&limit).await.unwrap();
    assert_eq!(fixture.admitted(&limit, 5).await, 3);
    for _ in 0..9 {
        fixture.store.refund(&limit).await.unwrap();
    }
    assert_eq!(fixture.admitted(&limit, 5).await, 3);
}

pub(crate) async fn a_cleared_key_starts_anew(fixture: &Fixture) {
    let (one, other) = (fixture.limit("a", 3), fixture.limit("b", 3));
    assert_eq!(fixture.admitted(&[one, other], 5).await, 3);
    fixture.store.clear(one.key).await.unwrap();
    assert_eq!(fixture.admitted(&[other], 1).await, 0);
    assert_eq!(fixture.admitted(&[one], 5).await, 3);
}

pub(crate) async fn a_key_is_remembered_until_its_time_is_over(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(!fixture.store.is_remembered(key).await.unwrap());
    fixture.store.remember(key, Duration::from_secs(2)).await.unwrap();
    assert!(fixture.store.is_remembered(key).await.unwrap());
    assert!(!fixture.store.is_remembered(fixture.key("b")).await.unwrap());
    fixture.seconds(2).await;
    assert!(!fixture.store.is_remembered(key).await.unwrap());
}

pub(crate) async fn remembering_again_prolongs_and_never_shortens(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.store.remember(key, Duration::from_secs(1)).await.unwrap();
    fixture.store.remember(key, Duration::from_secs(9)).await.unwrap();
    fixture.store.remember(key, Duration::from_secs(1)).await.unwrap();
    fixture.seconds(2).await;
    assert!(fixture.store.is_remembered(key).await.unwrap());
}
