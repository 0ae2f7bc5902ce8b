//! Creating, finding, changing and deleting users.

use uuid::Uuid;

use super::Directory;
use crate::casefold::casefold;
use crate::policy::Owner;
use crate::store::{NewPassword, Page, Record};
use crate::{
    Generation, ListQuery, NewServiceUser, NewUser, Password, Updated, User, UserChanges, UserPage,
    UsersError, email, rules,
};

const MAX_PAGE: u32 = 500;
/// What stands for the password of a service: no hash of any.
const NO_PASSWORD: &str = "!";
/// Nothing that can be searched is longer.
const MAX_NEEDLE_LEN: usize = 1024;

/// A user who keeps the rules and whose password is hashed, to be stored.
pub struct PreparedUser(Record);

/// A password that keeps the rules and is hashed, to be stored.
pub struct PreparedPassword {
    id: Uuid,
    change: NewPassword,
}

impl Directory {
    /// The user of that id.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get(&self, id: Uuid) -> Result<Option<User>, UsersError> {
        Ok(self.inner.store.by_id(id).await?.map(|record| record.user))
    }

    /// The user of that name, in any spelling that counts as the same.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find(&self, email: &str) -> Result<Option<User>, UsersError> {
        let Some(key) = email::key(email) else {
            return Ok(None);
        };
        Ok(self.inner.store.by_key(&key).await?.map(|record| record.user))
    }

    /// Creates a user, who is stored for good once this answers.
    ///
    /// # Errors
    /// `Rule`, `NameTaken`, `Busy`, `Unavailable`. Of any number at once with one name, one succeeds.
    pub async fn create(&self, new: NewUser) -> Result<User, UsersError> {
        self.insert(self.prepare(new).await?).await
    }

    /// Checks a new user against the rules and hashes the password, which takes its time. Nothing
    /// is stored yet: who may create users may have changed meanwhile.
    ///
    /// # Errors
    /// `Rule`, `NameTaken`, `Busy`, `Unavailable`.
    pub async fn prepare(&self, new: NewUser) -> Result<PreparedUser, UsersError> {
        let mut user = self.fresh(&new.email, new.first_name, new.last_name, new.roles)?;
        user.email_verified = new.email_verified;
        self.inner.policy.check(&new.password, &Owner::from(&user))?;
        // Only to spare the hash: the store decides.
        if self.find(&user.email).await?.is_some() {
            return Err(UsersError::NameTaken);
        }
        let share = self.share(&email::key(&user.email).unwrap_or_default());
        let password_hash = self.inner.hasher.hash(&new.password, share).await?;
        Ok(PreparedUser(Record { user, password_hash }))
    }

    /// Stores a prepared user.
    ///
    /// # Errors
    /// `NameTaken`, `Unavailable`.
    pub async fn insert(&self, PreparedUser(record): PreparedUser) -> Result<User, UsersError> {
        self.inner.store.insert(&record).await?;
        Ok(record.user)
    }

    /// Creates a service user, who has no password and is never logged in.
    ///
    /// # Errors
    /// `Rule`, `NameTaken`, `Unavailable`.
    pub async fn create_service(&self, new: NewServiceUser) -> Result<User, UsersError> {
        rules::check_service_name(&new.name)?;
        let mut user = self.unnamed(new.roles)?;
        user.service = true;
        new.name.trim().clone_into(&mut user.email);
        let password_hash = NO_PASSWORD.to_owned();
        self.inner.store.insert(&Record { user: user.clone(), password_hash }).await?;
        Ok(user)
    }

    /// A part of the list of users, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, query: &ListQuery) -> Result<UserPage, UsersError> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let contains = query.contains.as_deref().unwrap_or_default();
        if contains.len() > MAX_NEEDLE_LEN || contains.contains(char::is_control) {
            return Ok(UserPage { users: Vec::new(), next: None });
        }
        let needle = casefold(contains);
        // One more than is shown tells whether there is more.
        let page = Page { needle: &needle, after: query.after, limit: limit + 1 };
        let mut users = self.inner.store.list(&page).await?;
        let shown = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = users.len() > shown;
        users.truncate(shown);
        let next = users.last().map(|user| user.id).filter(|_| more);
        Ok(UserPage { users, next })
    }

    /// Changes names, roles, or whether the user is disabled. Other roles, and disabling, raise the
    /// generation; what stays as it was changes nothing.
    ///
    /// # Errors
    /// `Rule`, `NotFound`, `LastAdmin`, `Unavailable`.
    pub async fn update(&self, id: Uuid, mut changes: UserChanges) -> Result<Updated, UsersError> {
        for name in [&mut changes.first_name, &mut changes.last_name].into_iter().flatten() {
            rules::check_name(Some(name))?;
            *name = name.trim().to_owned();
        }
        if let Some(roles) = &changes.roles {
            rules::check_roles(roles)?;
        }
        self.inner.store.change(id, &changes, self.occasion()).await
    }

    /// The user of that id or of that name: in just this spelling where there is one, else in any
    /// that counts as the same.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_exactly(&self, name: &str) -> Result<Option<User>, UsersError> {
        let store = &self.inner.store;
        let mut found = store.by_spelling(name).await?;
        if let (None, Ok(id)) = (&found, name.trim().parse()) {
            found = store.by_id(id).await?;
        }
        match found {
            Some(record) => Ok(Some(record.user)),
            None => self.find(name).await,
        }
    }

    /// Gives the user another name. Sessions carry the name, so that the generation is raised.
    ///
    /// # Errors
    /// `Rule`, also for the demo user, who is known by its name; `NotFound`, `NameTaken`,
    /// `Unavailable`.
    pub async fn rename(&self, id: Uuid, name: &str) -> Result<Updated, UsersError> {
        let user = self.get(id).await?.ok_or(UsersError::NotFound)?;
        if user.service {
            rules::check_service_name(name)?;
        } else {
            rules::check_email(name)?;
        }
        if user.demo {
            return Err(UsersError::Rule("the demo user has no other name".to_owned()));
        }
        self.inner.store.rename(id, name.trim(), self.occasion()).await
    }

    /// Gives the user another password and raises the generation.
    ///
    /// # Errors
    /// `Rule`, `NotFound`, `Busy`, `Unavailable`.
    pub async fn change_password(&self, id: Uuid, new: &Password) -> Result<User, UsersError> {
        self.set_password(self.prepare_password(id, new).await?).await
    }

    /// Checks another password for the user and hashes it, which takes its time. Nothing is stored
    /// yet: who may change it may have changed meanwhile.
    ///
    /// # Errors
    /// `Rule`, `NotFound`, `Busy`, `Unavailable`.
    pub async fn prepare_password(
        &self,
        id: Uuid,
        new: &Password,
    ) -> Result<PreparedPassword, UsersError> {
        let user = self.get(id).await?.ok_or(UsersError::NotFound)?;
        self.prepared(&user, new, None, None).await
    }

    /// The same for a user who has just shown the present password: it will not be stored where
    /// anything else has ended the user's sessions since, for then somebody else may have shown it.
    /// `spared_session` is named in the ending as the one session that goes on.
    ///
    /// # Errors
    /// As [`prepare_password`](Self::prepare_password).
    pub async fn prepare_own_password(
        &self,
        verified: &User,
        new: &Password,
        spared_session: Uuid,
    ) -> Result<PreparedPassword, UsersError> {
        self.prepared(verified, new, Some(spared_session), Some(verified.generation)).await
    }

    /// Stores a prepared password and raises the generation.
    ///
    /// # Errors
    /// `Rule` where the user was changed meanwhile, `NotFound`, `Unavailable`.
    pub async fn set_password(&self, prepared: PreparedPassword) -> Result<User, UsersError> {
        let PreparedPassword { id, change } = prepared;
        self.inner.store.set_password(id, &change, self.occasion()).await
    }

    async fn prepared(
        &self,
        user: &User,
        new: &Password,
        spared_session: Option<Uuid>,
        only_at: Option<Generation>,
    ) -> Result<PreparedPassword, UsersError> {
        if user.service {
            return Err(UsersError::Rule("a service user has no password".to_owned()));
        }
        if !user.demo {
            self.inner.policy.check(new, &Owner::from(user))?;
        }
        let share = self.share(&email::key(&user.email).unwrap_or_default());
        let hash = self.inner.hasher.hash(new, share).await?;
        let change = NewPassword { hash, spared_session, only_at };
        Ok(PreparedPassword { id: user.id, change })
    }

    /// Deletes a user; who that was. Every session of theirs is below the generation that comes back.
    ///
    /// # Errors
    /// `NotFound`, `LastAdmin`, `Unavailable`.
    pub async fn delete(&self, id: Uuid) -> Result<User, UsersError> {
        self.inner.store.delete(id, self.occasion()).await
    }

    /// How many users there are.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn count(&self) -> Result<u64, UsersError> {
        self.inner.store.count().await
    }

    /// A user that is nowhere stored yet, if the rules accept all that it is made of; one whose
    /// address counts as theirs.
    pub(super) fn fresh(
        &self,
        email: &str,
        first_name: Option<String>,
        last_name: Option<String>,
        roles: Vec<String>,
    ) -> Result<User, UsersError> {
        rules::check_email(email)?;
        rules::check_name(first_name.as_deref())?;
        rules::check_name(last_name.as_deref())?;
        Ok(User {
            email: email.trim().to_owned(),
            first_name: rules::trimmed(first_name),
            last_name: rules::trimmed(last_name),
            ..self.unnamed(roles)?
        })
    }

    fn unnamed(&self, roles: Vec<String>) -> Result<User, UsersError> {
        rules::check_roles(&roles)?;
        let now_ms = self.inner.clock.unix_ms();
        Ok(User {
            id: new_id(now_ms)?,
            email: String::new(),
            email_verified: true,
            first_name: None,
            last_name: None,
            roles,
            disabled: false,
            demo: false,
            service: false,
            generation: 1,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        })
    }
}

pub(super) fn new_id(now_ms: i64) -> Result<Uuid, UsersError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)
        .map_err(|_| UsersError::Unavailable("the system gives no randomness".to_owned()))?;
    let ms = u64::try_from(now_ms).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
}
