//! When the counts cannot be had.

use super::*;

#[tokio::test]
async fn what_cannot_be_counted_is_not_admitted() {
    let here = client("203.0.113.9");
    for broken in [
        Broken { is_remembered: true, reserves: false },
        Broken { is_remembered: false, reserves: true },
    ] {
        let throttle = Throttle::new(Arc::new(broken), DEFAULTS);
        let refused = throttle.admit(ANN, &here).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    }
    let throttle =
        Throttle::new(Arc::new(Broken { is_remembered: true, reserves: false }), DEFAULTS);
    assert!(matches!(throttle.admit_signup(&here).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_right_password_is_right_where_its_attempt_cannot_be_taken_back() {
    let throttle =
        Throttle::new(Arc::new(Broken { is_remembered: true, reserves: true }), DEFAULTS);
    log_in(&throttle, ANN, &client("203.0.113.9")).await.unwrap();
}

/// A store that answers only some questions.
struct Broken {
    is_remembered: bool,
    reserves: bool,
}

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError("gone".to_owned()))
}

#[async_trait::async_trait]
impl AttemptStore for Broken {
    async fn reserve(&self, _: &[AttemptLimit]) -> Result<Reservation, StoreError> {
        if self.reserves { Ok(Reservation::Admitted) } else { unavailable() }
    }

    async fn refund(&self, _: &[AttemptLimit]) -> Result<(), StoreError> {
        unavailable()
    }

    async fn clear(&self, _: AttemptKey) -> Result<(), StoreError> {
        unavailable()
    }

    async fn remember(&self, _: AttemptKey, _: Duration) -> Result<(), StoreError> {
        unavailable()
    }

    async fn is_remembered(&self, _: AttemptKey) -> Result<bool, StoreError> {
        if self.is_remembered { Ok(false) } else { unavailable() }
    }
}
