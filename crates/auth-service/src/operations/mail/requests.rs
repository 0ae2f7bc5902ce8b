//! Asking for a mail: for another password, an account, another address.
//!
//! INVARIANT: whether there is such an account is looked up by none of these functions, so that neither
//! what they answer nor how long they take depends on it: the sender decides. Past a limit the answer
//! is the same, and nothing is written.

use session::{Cause, Dead, Ending};
use users::{NewUser, User};
use uuid::Uuid;

use super::mail_of;
use crate::audit;
use crate::mail::is_deliverable;
use crate::operations::access::is_admin;
use crate::operations::caller::Caller;
use crate::operations::client::Client;
use crate::operations::passwords::check_current;
use crate::operations::{Domain, Error, Fault, Field};

const UNDELIVERABLE: &str = "no mail can be sent to this address";

/// What became of the wish for another address.
pub(crate) enum AddressChange {
    /// It counts once it is verified.
    Requested,
    /// An admin's word for another user: it counts.
    Done(User),
}

/// Asks for a mail with which whoever has this address sets another password.
pub(crate) async fn forgot(domain: &Domain, address: &str, client: &Client) -> Result<(), Error> {
    mail_of(domain)?;
    users::check_email(address)?;
    if is_admitted(domain, client).await? {
        domain.users.request_reset(address).await?;
    }
    Ok(())
}

/// Asks for a mail with which whoever has the address becomes a user.
pub(crate) async fn sign_up(domain: &Domain, new: NewUser, client: &Client) -> Result<(), Error> {
    mail_of(domain)?;
    domain.users.check_new(&new)?;
    deliverable(&new.email)?;
    if is_admitted(domain, client).await? {
        domain.users.for_network(client.hashing_share()).request_sign_up(new).await?;
    }
    Ok(())
}

/// Asks for a mail with which a user takes another address, or gives another user one as an admin, for
/// a caller to whom that user is visible.
pub(crate) async fn change_address(
    domain: &Domain,
    caller: &Caller,
    id: Uuid,
    address: &str,
    current: Option<String>,
) -> Result<AddressChange, Error> {
    mail_of(domain)?;
    users::check_email(address)?;
    if id != caller.session.subject.id && is_admin(&caller.session) {
        return give_address(domain, caller, id, address).await.map(AddressChange::Done);
    }
    deliverable(address)?;
    let current = current.ok_or(const { Field::new("current_password", Fault::Missing) })?;
    let verified = check_current(domain, caller, current.into()).await?;
    if verified.generation != caller.session.generation {
        return Err(Dead::Revoked.into());
    }
    caller.still_may(domain).await?;
    if is_admitted(domain, &caller.client).await? {
        let session = caller.session.id.uuid();
        domain.users.request_address_change(&verified, address, session).await?;
    }
    Ok(AddressChange::Requested)
}

async fn give_address(
    domain: &Domain,
    caller: &Caller,
    id: Uuid,
    address: &str,
) -> Result<User, Error> {
    let user = domain.users.get(id).await?.ok_or(Error::NotFound)?;
    if user.service {
        return Err(Error::Rule("a service user has no address".to_owned()));
    }
    let updated = domain.users.rename(id, address).await?;
    audit::email_changed(domain, &updated.user, caller).await;
    if updated.ends_sessions {
        let below_generation = Some(updated.user.generation);
        let ending = Ending { below_generation, keep: None };
        domain.sessions.end_all(id, ending, &caller.context(Cause::EmailChanged)).await?;
    }
    Ok(updated.user)
}

/// Whether the client may have one more mail written, which is counted.
async fn is_admitted(domain: &Domain, client: &Client) -> Result<bool, Error> {
    match domain.throttle.admit_signup(client).await {
        Ok(()) => Ok(true),
        Err(Error::TooMany { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn deliverable(address: &str) -> Result<(), Error> {
    if is_deliverable(address) { Ok(()) } else { Err(Error::Rule(UNDELIVERABLE.to_owned())) }
}
