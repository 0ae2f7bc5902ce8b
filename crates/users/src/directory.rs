//! The one handle on all users: what may be done, in which order, at what cost.

mod accounts;
mod demo;
mod import;
mod mail;
mod notices;
mod outbox;

pub use accounts::{PreparedPassword, PreparedUser};
pub use mail::PreparedReset;

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use clock::Clock;
use uuid::Uuid;

use crate::hasher::Hasher;
use crate::hashing_pool::Share;
use crate::policy::Policy;
use crate::store::{self, Occasion, Record, UserStore};
use crate::{
    DirectoryOptions, Generation, OpenError, Password, SessionEnding, User, UsersError, email,
};

const ENDINGS_AT_ONCE: u32 = 1000;
/// How many users are named in one statement.
const NAMED_AT_ONCE: usize = 500;

/// A handle on all users. Clones are cheap and are the same directory.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
    demo: bool,
    /// On whose behalf passwords are hashed through this handle.
    network: Option<IpAddr>,
}

struct Inner {
    store: Box<dyn UserStore>,
    hasher: Hasher,
    policy: Policy,
    clock: Arc<dyn Clock>,
}

impl Directory {
    /// Opens the database, which is made where it is a file that is not there, and brings its
    /// tables up to date. The demo user is not made by this: see [`Directory::ensure_demo_user`].
    ///
    /// # Errors
    /// `Setting` for options that cannot be, `Unreachable` and `Migration` for a database that
    /// cannot be used.
    pub async fn open(options: DirectoryOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::on(store::open(&options.database), &options, clock).await
    }

    /// The same, but only where the tables are there already: a database that is not the one that
    /// was meant is left as it is.
    ///
    /// # Errors
    /// `Missing` as well.
    pub async fn open_existing(
        options: DirectoryOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::on(store::open_existing(&options.database), &options, clock).await
    }

    /// The same, with names compared by the keys that are stored: for [`Directory::rename`] where two
    /// accounts count as one name from this version on, and for nothing else.
    ///
    /// # Errors
    /// `Setting`, `Missing`, `Unreachable`.
    pub async fn open_with_old_keys(
        options: DirectoryOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::on(store::open_with_old_keys(&options.database), &options, clock).await
    }

    async fn on<S: UserStore>(
        opening: impl Future<Output = Result<S, OpenError>>,
        options: &DirectoryOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let policy = Policy::new(options.password_min_length)?;
        let hasher = Hasher::new(&options.hashing, Arc::clone(&clock))?;
        let store = Box::new(opening.await.map_err(|error| error.of(&options.database))?);
        let inner = Inner { store, hasher, policy, clock };
        Ok(Self { inner: Arc::new(inner), demo: options.demo, network: None })
    }

    /// The same users, for a client of that network: where more passwords wait to be hashed than
    /// there is room for, none has more of it than another.
    #[must_use]
    pub fn for_network(&self, network: IpAddr) -> Self {
        Self { network: Some(network), ..self.clone() }
    }

    /// The user of that name, if the password is theirs and they may log in. `None` for an unknown
    /// name, a wrong password, a disabled user, and the demo user where the demo is off: each after
    /// the same work.
    ///
    /// The user is as they were before the password was looked at: who opens a session compares the
    /// generation again once it is stored.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`. Neither says anything of the password.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &Password,
    ) -> Result<Option<User>, UsersError> {
        // What cannot be a name is looked for as well, as the empty name that no user has.
        let key = email::key(username).unwrap_or_default();
        let record = self.inner.store.by_key(&key).await?;
        self.check(record, password, self.share(&key)).await
    }

    /// That user, if this is their password and they may log in; as they were before the password
    /// was looked at.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`.
    pub async fn verify(&self, id: Uuid, password: &Password) -> Result<Option<User>, UsersError> {
        let record = self.inner.store.by_id(id).await?;
        let key = record.as_ref().and_then(|record| email::key(&record.user.email));
        self.check(record, password, self.share(&key.unwrap_or_default())).await
    }

    /// What ended sessions, the newest first: those from `since` on that were made before `before`,
    /// a thousand at most, so call again with the last one's `seq` until there are none. The newest
    /// [`MAX_STORED_ENDINGS`](crate::MAX_STORED_ENDINGS) are stored.
    ///
    /// A later ending never becomes visible before an earlier one, so that none is missed by who
    /// goes on from the newest. Apply them such that the second time changes nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn endings(&self, since: i64, before: i64) -> Result<Vec<SessionEnding>, UsersError> {
        self.inner.store.endings(since, before, ENDINGS_AT_ONCE).await
    }

    /// The newest ending, if there ever was one: where to begin for who has no sessions yet.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn newest_ending(&self) -> Result<Option<SessionEnding>, UsersError> {
        Ok(self.inner.store.endings(0, i64::MAX, 1).await?.pop())
    }

    /// The generations of those of the users that there are: who is missing was deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn generations(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Generation>, UsersError> {
        let mut generations = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(NAMED_AT_ONCE) {
            generations.extend(self.inner.store.generations(ids).await?);
        }
        Ok(generations)
    }

    /// The random id by which this database differs from others. A copy of it has the same.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn identity(&self) -> Result<Uuid, UsersError> {
        self.inner.store.identity().await
    }

    /// Whether the database answers, within 2 s.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<(), UsersError> {
        self.inner.store.ping().await
    }

    /// Closes the database, in a second at most: where no other process has it open, its file is
    /// complete afterwards and can be copied alone. Nothing is answered any more.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    async fn check(
        &self,
        record: Option<Record>,
        password: &Password,
        share: Share,
    ) -> Result<Option<User>, UsersError> {
        // A service has no password: whatever is presented for it is nobody's.
        let record = record.filter(|record| !record.user.service);
        let stored = record.as_ref().map(|record| record.password_hash.clone());
        let verdict = self.inner.hasher.verify(stored, password, share).await?;
        if let (Some(record), Some(reason)) = (&record, &verdict.too_costly) {
            tracing::error!(user_id = %record.user.id, reason, "the stored password hash is never \
                computed, so that this user cannot log in: set a password with `auth-service users \
                passwd`");
        }
        let Some(record) = record.filter(|_| verdict.matches) else {
            return Ok(None);
        };
        if record.user.disabled || (record.user.demo && !self.demo) {
            return Ok(None);
        }
        if let Some(new) = verdict.replacement {
            self.upgrade(&record, &new).await;
        }
        Ok(Some(record.user))
    }

    /// Replaces an older hash. The login has succeeded already and does not fail because of it.
    async fn upgrade(&self, record: &Record, new: &str) {
        let replaced =
            self.inner.store.replace_hash(record.user.id, &record.password_hash, new).await;
        if let Err(error) = replaced {
            tracing::warn!(user_id = %record.user.id, %error, "an older password hash stays");
        }
    }

    /// What work for the account of that folded name counts in.
    fn share(&self, key: &str) -> Share {
        self.inner.hasher.share(self.network, key)
    }

    fn occasion(&self) -> Occasion {
        Occasion { now_ms: self.inner.clock.unix_ms(), demo: self.demo }
    }
}

#[cfg(test)]
impl Directory {
    /// The same users with the demo on or off, as another process would see them.
    pub(crate) fn with_demo(&self, demo: bool) -> Self {
        Self { demo, ..self.clone() }
    }

    pub(crate) async fn stored(&self, id: Uuid) -> Option<Record> {
        self.inner.store.by_id(id).await.unwrap()
    }

    pub(crate) async fn replace(&self, id: Uuid, old: &str, new: &str) -> bool {
        self.inner.store.replace_hash(id, old, new).await.unwrap()
    }
}
