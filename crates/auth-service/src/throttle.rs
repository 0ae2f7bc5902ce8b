//! How often a password may be tried, whatever the door: for one account from one address, for one
//! account from everywhere, from one address for all accounts. Whether the account exists makes no
//! difference here, and neither does how its name is spelled.

mod mints;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use server_runtime::Rate;
use session::{AttemptKey, AttemptLimit, AttemptStore, Reservation, StoreError};

use crate::client_address::Client;
use crate::config::AttemptRates;
use crate::error::ApiError;

/// How long a login exempts its address from the limit that the account has from everywhere.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// Counts attempts at passwords, and refuses those that are too many.
pub(crate) struct Throttle {
    store: Arc<dyn AttemptStore>,
    rates: AttemptRates,
}

/// An attempt that was admitted, and is counted. It stays counted unless it is handed back: as one
/// that succeeded, or one that was not decided. That of somebody who hung up stays counted.
#[must_use = "it counts as a failure unless it is handed back"]
#[derive(Debug)]
pub(crate) struct Ticket {
    address: Option<AttemptLimit>,
    pair: Option<AttemptLimit>,
    account: Option<AttemptLimit>,
    /// Under what the address is remembered at the account, where that matters.
    known: Option<AttemptKey>,
}

impl Ticket {
    /// Its limits. The account's is the last: strangers share it.
    fn limits(&self) -> Vec<AttemptLimit> {
        [self.address, self.pair, self.account].into_iter().flatten().collect()
    }
}

impl Throttle {
    pub(crate) fn new(store: Arc<dyn AttemptStore>, rates: AttemptRates) -> Self {
        Self { store, rates }
    }

    /// Counts an attempt at an account's password, before anybody looks at the password.
    ///
    /// An address that has logged in to the account is not counted among everybody, and not
    /// refused because of them: nobody can lock somebody else out.
    ///
    /// # Errors
    ///
    /// [`ApiError::TooMany`] where a limit is exhausted; the attempt is not counted then.
    /// [`ApiError::Unavailable`] where the store does not answer.
    pub(crate) async fn admit(&self, account: &str, client: &Client) -> Result<Ticket, ApiError> {
        let account = users::fold_name(account);
        let (account, network) = (account.as_bytes(), &network(client)[..]);
        let Self { rates, .. } = self;
        // Clients whose address is not known are not one that has logged in.
        let known = (!rates.account.is_off() && client.ip.is_some())
            .then(|| AttemptKey::of(&[b"known", network, account]));
        let everybody = if self.knows(known).await? { Rate::OFF } else { rates.account };
        let ticket = Ticket {
            address: limit(rates.address, &[b"address", network]),
            pair: limit(rates.pair, &[b"pair", network, account]),
            account: limit(everybody, &[b"account", account]),
            known,
        };
        self.reserve(&ticket.limits()).await?;
        Ok(ticket)
    }

    /// Counts somebody's attempt to create an account, whatever comes of it: it may tell whether
    /// an address is taken.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub(crate) async fn admit_signup(&self, client: &Client) -> Result<(), ApiError> {
        let address = limit(self.rates.address, &[b"address", &network(client)]);
        self.reserve(address.as_slice()).await
    }

    /// The password was right: what the account's owner mistyped from here before is forgotten,
    /// this attempt was none, and the address is remembered.
    pub(crate) async fn succeeded(&self, ticket: Ticket) {
        let store = &self.store;
        let others = Ticket { pair: None, ..ticket }.limits();
        let done = tokio::join!(
            async {
                match ticket.pair {
                    Some(pair) => store.clear(pair.key).await,
                    None => Ok(()),
                }
            },
            store.refund(&others),
            async {
                match ticket.known {
                    Some(known) => store.remember(known, KNOWN_FOR).await,
                    None => Ok(()),
                }
            },
        );
        tell(done.0.and(done.1).and(done.2));
    }

    /// The password was not looked at: the attempt was none.
    pub(crate) async fn undecided(&self, ticket: Ticket) {
        tell(self.store.refund(&ticket.limits()).await);
    }

    async fn knows(&self, known: Option<AttemptKey>) -> Result<bool, ApiError> {
        match known {
            Some(key) => self.store.knows(key).await.map_err(|error| unavailable(&error)),
            None => Ok(false),
        }
    }

    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<(), ApiError> {
        match self.store.reserve(limits).await.map_err(|error| unavailable(&error))? {
            Reservation::Admitted => Ok(()),
            Reservation::Throttled { retry_after } => Err(ApiError::TooMany { retry_after }),
        }
    }
}

/// What a client's attempts are counted by, in 16 bytes.
fn network(client: &Client) -> [u8; 16] {
    match client.network() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// A limit, unless it is switched off.
fn limit(rate: Rate, key: &[&[u8]]) -> Option<AttemptLimit> {
    let burst = NonZeroU32::new(rate.count)?;
    Some(AttemptLimit { key: AttemptKey::of(key), burst, per: rate.per })
}

/// Attempts that cannot be counted are not admitted.
fn unavailable(error: &StoreError) -> ApiError {
    tracing::error!(%error, "attempts cannot be counted");
    ApiError::Unavailable("login attempts cannot be counted")
}

/// A count that could not be taken back refuses somebody too early, never too late: it is worth a
/// warning, and not a login.
fn tell(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "an attempt that was no failure stays counted");
    }
}

#[cfg(test)]
mod tests;
