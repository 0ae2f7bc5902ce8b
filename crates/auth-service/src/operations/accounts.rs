//! Accounts: find them, create, change and delete them.

use session::{Cause, Ending, Session};
use users::{ListQuery, NewServiceUser, NewUser, User, UserChanges, UserPage};
use uuid::Uuid;

use super::access::{is_admin, require_admin};
use super::caller::Caller;
use super::client::Client;
use super::{Domain, Error};
use crate::audit;

/// Somebody who may create an account.
#[derive(Clone, Copy)]
pub(crate) enum Creator<'a> {
    Admin(&'a Caller),
    /// Anybody, where sign-up is open; also somebody who is logged in.
    SignUp(Option<&'a Caller>),
}

impl<'a> Creator<'a> {
    /// The creator that a caller is, if it may be one.
    pub(crate) fn of(domain: &Domain, caller: Option<&'a Caller>) -> Result<Self, Error> {
        match caller {
            Some(admin) if is_admin(&admin.session) => Ok(Self::Admin(admin)),
            caller if domain.open_signup => Ok(Self::SignUp(caller)),
            _ => Err(Error::Forbidden("sign-up is closed: this needs the role admin")),
        }
    }

    const fn caller(self) -> Option<&'a Caller> {
        match self {
            Self::Admin(admin) => Some(admin),
            Self::SignUp(caller) => caller,
        }
    }
}

/// One page of users.
pub(crate) async fn list(domain: &Domain, query: &ListQuery) -> Result<UserPage, Error> {
    Ok(domain.users.list(query).await?)
}

/// The user with this id.
pub(crate) async fn get(domain: &Domain, id: Uuid) -> Result<User, Error> {
    domain.users.get(id).await?.ok_or(Error::NotFound)
}

/// The user with this id, and their live sessions.
pub(crate) async fn get_with_sessions(
    domain: &Domain,
    id: Uuid,
) -> Result<(User, Vec<Session>), Error> {
    let user = get(domain, id).await?;
    let sessions = domain.sessions.list(id).await?;
    Ok((user, sessions))
}

/// Creates a user.
pub(crate) async fn create(
    domain: &Domain,
    creator: Creator<'_>,
    new: NewUser,
    client: &Client,
) -> Result<User, Error> {
    let mut new = new;
    if let Creator::SignUp(_) = creator {
        domain.throttle.admit_signup(client).await?;
        new.email_verified = false;
    }
    let prepared = domain.users.for_network(client.hashing_share()).prepare(new).await?;
    if let Some(caller) = creator.caller() {
        caller.still_may(domain).await?;
    }
    let created = domain.users.insert(prepared).await?;
    audit::user_created(domain, &created, creator.caller(), client).await;
    Ok(created)
}

/// Creates a service user, for an admin.
pub(crate) async fn create_service(
    domain: &Domain,
    caller: &Caller,
    new: NewServiceUser,
) -> Result<User, Error> {
    require_admin(&caller.session)?;
    let created = domain.users.create_service(new).await?;
    audit::user_created(domain, &created, Some(caller), &caller.client).await;
    Ok(created)
}

/// Changes a user, for a caller to whom it is visible. Roles, and whether the user is disabled,
/// only an admin changes; that ends all of the user's sessions.
pub(crate) async fn change(
    domain: &Domain,
    caller: &Caller,
    id: Uuid,
    changes: UserChanges,
) -> Result<User, Error> {
    if changes.roles.is_some() || changes.disabled.is_some() {
        require_admin(&caller.session)?;
    }
    let updated = domain.users.update(id, changes).await?;
    audit::user_changed(domain, &updated.user, caller).await;
    if updated.ends_sessions {
        let below_generation = Some(updated.user.generation);
        let disabled = updated.user.disabled;
        let cause = if disabled { Cause::UserDisabled } else { Cause::RolesChanged };
        let ending = Ending { below_generation, keep: None };
        domain.sessions.end_all(id, ending, &caller.context(cause)).await?;
    }
    Ok(updated.user)
}

/// Deletes a user and ends all of their sessions, for a caller to whom it is visible.
pub(crate) async fn delete(domain: &Domain, caller: &Caller, id: Uuid) -> Result<(), Error> {
    let deleted = domain.users.delete(id).await?;
    audit::user_deleted(domain, &deleted, caller).await;
    domain.sessions.end_all(id, Ending::default(), &caller.context(Cause::UserDeleted)).await?;
    Ok(())
}
