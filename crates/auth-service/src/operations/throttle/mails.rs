//! How many mails an account, or an address without one, is sent that somebody asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use server_runtime::Rate;
use session::AttemptLimit;

use super::{Throttle, limit};
use crate::operations::Error;

const MAILS_PER_ACCOUNT: Rate = Rate { count: 5, per: Duration::from_hours(1) };

impl Throttle {
    /// Counts a mail for all of these accounts, by their folded names, and whether it may be sent: not
    /// where one of them has had too many.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where the store does not answer.
    pub(crate) async fn admit_mail(&self, accounts: &[String]) -> Result<bool, Error> {
        let accounts: BTreeSet<&String> = accounts.iter().collect();
        let limits: Vec<AttemptLimit> = accounts
            .into_iter()
            .filter_map(|account| limit(MAILS_PER_ACCOUNT, &[b"mail", account.as_bytes()]))
            .collect();
        match self.reserve(&limits).await {
            Ok(()) => Ok(true),
            Err(Error::TooMany { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DEFAULTS, throttle};
    use super::*;

    #[tokio::test]
    async fn an_account_is_sent_five_mails_an_hour() {
        let (throttle, clock) = throttle(DEFAULTS);
        let (ann, bob) = ("ann@example.com".to_owned(), "bob@example.com".to_owned());
        for _ in 0..5 {
            assert_eq!(throttle.admit_mail(&[ann.clone(), ann.clone()]).await, Ok(true));
        }
        assert_eq!(throttle.admit_mail(std::slice::from_ref(&ann)).await, Ok(false));
        assert_eq!(throttle.admit_mail(&[bob.clone(), ann.clone()]).await, Ok(false));
        for _ in 0..5 {
            assert_eq!(
                throttle.admit_mail(std::slice::from_ref(&bob)).await,
                Ok(true),
                "not counted in vain"
            );
        }
        clock.advance(Duration::from_mins(12));
        assert_eq!(throttle.admit_mail(&[ann]).await, Ok(true));
    }
}
