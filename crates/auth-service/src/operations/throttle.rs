//! How often a password may be tried, at all endpoints together: for one account from one address, for one
//! account from everywhere, from one address for all accounts, there also where all are right. An
//! IPv6 client counts with its /48 too, which may have ten times as many. Whether the account exists makes no
//! difference here, and neither does how its name is spelled.

mod mails;
mod mints;
mod refusals;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use server_runtime::Rate;
use session::{AttemptKey, AttemptLimit, AttemptStore, Reservation, StoreError};

use super::Error;
use super::client::Client;
use crate::config::AttemptRates;

/// How long a login exempts its address from the limit that the account has from everywhere.
const RECENT_LOGIN_PERIOD: Duration = Duration::from_hours(30 * 24);

/// How many times as much a site may do as a network.
const IN_A_SITE: u32 = 10;

/// Counts attempts at passwords, and refuses those that are too many.
#[derive(Clone)]
pub(crate) struct Throttle {
    store: Arc<dyn AttemptStore>,
    rates: AttemptRates,
}

/// An attempt that was admitted, and is counted. It stays counted unless it is handed back: as one
/// that succeeded, or one that was not decided. That of somebody who hung up stays counted.
#[must_use = "it counts as a failure unless it is handed back"]
#[derive(Debug)]
pub(crate) struct LoginAttempt {
    /// The failures for the account from the client's network.
    pair: Option<AttemptLimit>,
    /// All logins from there.
    logins: Vec<AttemptLimit>,
    /// Other failures. Those for the account from everywhere are the last: strangers share them.
    failures: Vec<AttemptLimit>,
    /// The key under which a login from this address is remembered, where that matters.
    recent_login: Option<AttemptKey>,
}

impl LoginAttempt {
    /// Its limits. The account's is the last: strangers share it.
    fn limits(&self) -> Vec<AttemptLimit> {
        self.pair.iter().chain(&self.logins).chain(&self.failures).copied().collect()
    }
}

impl Throttle {
    pub(crate) fn new(store: Arc<dyn AttemptStore>, rates: AttemptRates) -> Self {
        Self { store, rates }
    }

    /// Counts an attempt at an account's password, before anybody looks at the password.
    ///
    /// An address that has logged in to the account within 30 days is not counted among everybody,
    /// and not refused because of them. Somebody else can still lock out an owner who shares an
    /// address with them, or logs in from a new one.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] where a limit is exhausted; the attempt is not counted then.
    /// [`Error::Unavailable`] where the store does not answer.
    pub(crate) async fn admit(
        &self,
        account: &str,
        client: &Client,
    ) -> Result<LoginAttempt, Error> {
        let account = users::fold_name(account);
        let (account, rates) = (account.as_bytes(), &self.rates);
        // A client without an address cannot be recognised.
        let recent_login = (!rates.account.is_off() && client.ip.is_some())
            .then(|| AttemptKey::of(&[b"known", &network(client), account]));
        let account_rate =
            if self.has_recent_login(recent_login).await? { Rate::OFF } else { rates.account };
        let [pair, site_pair] = from(client, rates.pair, b"pair", account);
        let failures = from(client, rates.address, b"address", b"")
            .into_iter()
            .chain([site_pair, limit(account_rate, &[b"account", account])]);
        let attempt = LoginAttempt {
            pair,
            logins: from(client, rates.logins, b"logins", b"").into_iter().flatten().collect(),
            failures: failures.flatten().collect(),
            recent_login,
        };
        self.reserve(&attempt.limits()).await?;
        Ok(attempt)
    }

    /// Counts somebody's attempt to create an account, whatever comes of it: it may tell whether
    /// an address is taken.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub(crate) async fn admit_signup(&self, client: &Client) -> Result<(), Error> {
        let address = from(client, self.rates.address, b"address", b"");
        self.reserve(&address.into_iter().flatten().collect::<Vec<_>>()).await
    }

    /// The password was right: what the account's owner mistyped from here before is forgotten,
    /// this was no failure, and the address is remembered. A login it stays.
    pub(crate) async fn succeeded(&self, attempt: LoginAttempt) {
        let store = &self.store;
        let done = tokio::join!(
            async {
                match attempt.pair {
                    Some(pair) => store.clear(pair.key).await,
                    None => Ok(()),
                }
            },
            store.refund(&attempt.failures),
            async {
                match attempt.recent_login {
                    Some(recent_login) => store.remember(recent_login, RECENT_LOGIN_PERIOD).await,
                    None => Ok(()),
                }
            },
        );
        tell(done.0.and(done.1).and(done.2));
    }

    /// The password was not looked at: the attempt was none.
    pub(crate) async fn undecided(&self, attempt: LoginAttempt) {
        tell(self.store.refund(&attempt.limits()).await);
    }

    async fn has_recent_login(&self, recent_login: Option<AttemptKey>) -> Result<bool, Error> {
        match recent_login {
            Some(key) => self.store.is_remembered(key).await.map_err(|error| unavailable(&error)),
            None => Ok(false),
        }
    }

    async fn reserve(&self, limits: &[AttemptLimit]) -> Result<(), Error> {
        match self.store.reserve(limits).await.map_err(|error| unavailable(&error))? {
            Reservation::Admitted => Ok(()),
            Reservation::Throttled { retry_after } => Err(Error::TooMany { retry_after }),
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

/// A limit for the client's network, and ten times as much for the site that an IPv6 one is in.
fn from(client: &Client, rate: Rate, kind: &[u8], account: &[u8]) -> [Option<AttemptLimit>; 2] {
    let wider = Rate { count: rate.count.saturating_mul(IN_A_SITE), ..rate };
    let site = client.site().map(|site| site.octets());
    [
        limit(rate, &key(kind, &network(client), account)),
        site.and_then(|site| limit(wider, &key(kind, &site[..6], account))),
    ]
}

/// A key of the account, or of all accounts where there is none.
fn key<'a>(kind: &'a [u8], network: &'a [u8], account: &'a [u8]) -> Vec<&'a [u8]> {
    let mut key = vec![kind, network];
    key.extend((!account.is_empty()).then_some(account));
    key
}

/// A limit, unless it is switched off.
fn limit(rate: Rate, key: &[&[u8]]) -> Option<AttemptLimit> {
    let burst = NonZeroU32::new(rate.count)?;
    Some(AttemptLimit { key: AttemptKey::of(key), burst, per: rate.per })
}

/// Attempts that cannot be counted are not admitted.
fn unavailable(error: &StoreError) -> Error {
    tracing::error!(%error, "attempts cannot be counted");
    Error::Unavailable("login attempts cannot be counted")
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
