//! The demo user: known to everybody, so it is there only where that is wanted.

use super::Directory;
use crate::store::{Record, demo_key};
use crate::{ADMIN, DEMO_EMAIL, DEMO_PASSWORD, Password, USER, UserChanges, UsersError};

impl Directory {
    /// Makes the demo user, or makes it again what it should be: its password, its roles, enabled.
    /// An account of that address that somebody made is somebody's, and is left alone.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    pub async fn ensure_demo_user(&self) -> Result<(), UsersError> {
        match self.inner.store.by_key(&demo_key()).await? {
            Some(record) if record.user.demo => self.restore_demo_user(record).await,
            Some(record) => {
                tracing::warn!(user_id = %record.user.id, "the demo user's address is somebody's");
                Ok(())
            }
            // Another process may be doing the same.
            None => match self.create_demo_user().await {
                Err(UsersError::NameTaken) => Ok(()),
                done => done,
            },
        }
    }

    /// Disables the demo user if it is stored, which ends its sessions; whether there was anything
    /// to do. An account of that address that somebody made is somebody's, and is left alone.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn retire_demo_user(&self) -> Result<bool, UsersError> {
        let Some(record) = self.inner.store.by_key(&demo_key()).await? else {
            return Ok(false);
        };
        if !record.user.demo {
            return Ok(false);
        }
        let changes = UserChanges { disabled: Some(true), ..UserChanges::default() };
        match self.update(record.user.id, changes).await {
            Ok(updated) => Ok(updated.ends_sessions),
            Err(UsersError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create_demo_user(&self) -> Result<(), UsersError> {
        let password_hash =
            self.inner.hasher.hash(&Password::from(DEMO_PASSWORD), self.share(DEMO_EMAIL)).await?;
        let mut user = self.fresh(DEMO_EMAIL, None, None, demo_roles())?;
        user.demo = true;
        self.inner.store.insert(&Record { user, password_hash }).await
    }

    async fn restore_demo_user(&self, record: Record) -> Result<(), UsersError> {
        let password = Password::from(DEMO_PASSWORD);
        let share = self.share(DEMO_EMAIL);
        let verdict =
            self.inner.hasher.verify(Some(record.password_hash), &password, share).await?;
        let user = record.user;
        if verdict.matches && !user.disabled && user.roles == demo_roles() {
            return Ok(());
        }
        let hash = self.inner.hasher.hash(&password, share).await?;
        self.inner.store.restore_demo(user.id, &hash, &demo_roles(), self.occasion()).await
    }
}

fn demo_roles() -> Vec<String> {
    vec![ADMIN.to_owned(), USER.to_owned()]
}
