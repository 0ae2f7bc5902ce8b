//! How many tokens one user mints, whatever page or program asks for them, on all nodes.

use session::AttemptLimit;
use uuid::Uuid;

use super::{Throttle, limit, tell};
use crate::operations::Error;

/// A mint that was admitted, and is counted. It stays counted unless it is handed back.
#[must_use = "it counts unless it is handed back"]
#[derive(Debug)]
pub(crate) struct MintAttempt(Option<AttemptLimit>);

impl Throttle {
    /// Counts a token that a user is about to mint, before it is made.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub(crate) async fn admit_mint(&self, user: Uuid) -> Result<MintAttempt, Error> {
        let limit = limit(self.rates.mints, &[b"mint", user.as_bytes()]);
        self.reserve(limit.as_slice()).await?;
        Ok(MintAttempt(limit))
    }

    /// Nothing was minted, since it was not allowed.
    pub(crate) async fn mint_refused(&self, attempt: MintAttempt) {
        tell(self.store.refund(attempt.0.as_slice()).await);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use server_runtime::Rate;

    use super::super::tests::{DEFAULTS, throttle};
    use super::*;
    use crate::config::AttemptRates;

    const ANN: Uuid = Uuid::from_u128(7);
    const BOB: Uuid = Uuid::from_u128(8);

    #[tokio::test]
    async fn a_user_mints_so_many_and_one_more_each_time_that_is_due() {
        let (throttle, clock) = throttle(DEFAULTS);
        for at in 0..100 {
            assert!(throttle.admit_mint(ANN).await.is_ok(), "{at}");
        }
        let Err(Error::TooMany { retry_after }) = throttle.admit_mint(ANN).await else {
            panic!("one too many")
        };
        assert_eq!(retry_after, Duration::from_secs(36));
        assert!(throttle.admit_mint(BOB).await.is_ok(), "another user");
        clock.advance(retry_after);
        assert!(throttle.admit_mint(ANN).await.is_ok());
        assert!(throttle.admit_mint(ANN).await.is_err());
    }

    #[tokio::test]
    async fn what_was_refused_does_not_count_and_0_is_no_limit() {
        let mints = Rate { count: 1, per: Duration::from_hours(1) };
        let (one, _) = throttle(AttemptRates { mints, ..DEFAULTS });
        for _ in 0..5 {
            let attempt = one.admit_mint(ANN).await.unwrap();
            one.mint_refused(attempt).await;
        }
        assert!(one.admit_mint(ANN).await.is_ok());
        assert!(one.admit_mint(ANN).await.is_err());
        let (off, _) = throttle(AttemptRates { mints: Rate::OFF, ..DEFAULTS });
        for _ in 0..500 {
            assert!(off.admit_mint(ANN).await.is_ok());
        }
    }
}
