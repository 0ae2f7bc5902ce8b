//! The sessions that there are: see them, end one, end all of a user, end everybody's.

use session::{Cause, Ending, Session, SessionId};
use uuid::Uuid;

use super::access::require_admin;
use super::caller::Caller;
use super::{Domain, Error};

/// The caller's live sessions, newest use first.
pub(crate) async fn list_own(domain: &Domain, caller: &Caller) -> Result<Vec<Session>, Error> {
    Ok(domain.sessions.list(caller.session.subject.id).await?)
}

/// A user's live sessions, for an admin.
pub(crate) async fn list_of(
    domain: &Domain,
    caller: &Caller,
    user: Uuid,
) -> Result<Vec<Session>, Error> {
    require_admin(&caller.session)?;
    domain.users.get(user).await?.ok_or(Error::NotFound)?;
    Ok(domain.sessions.list(user).await?)
}

/// Ends one of the caller's sessions; whether it was the one that asks.
pub(crate) async fn end_own(domain: &Domain, caller: &Caller, id: &str) -> Result<bool, Error> {
    let id = SessionId::parse(id).ok_or(Error::NotFound)?;
    let own = domain.sessions.list(caller.session.subject.id).await?;
    if !own.iter().any(|session| session.id == id) {
        return Err(Error::NotFound);
    }
    domain.sessions.end(id, &caller.context(Cause::Revoked)).await?;
    Ok(id == caller.session.id)
}

/// Ends all of the caller's sessions but the one to keep.
pub(crate) async fn end_all_own(
    domain: &Domain,
    caller: &Caller,
    keep: Option<SessionId>,
) -> Result<(), Error> {
    let user = caller.session.subject.id;
    let ending = Ending { below_generation: None, keep };
    domain.sessions.end_all(user, ending, &caller.context(Cause::Revoked)).await?;
    Ok(())
}

/// Ends all sessions of a user, for an admin.
pub(crate) async fn end_all_of(domain: &Domain, caller: &Caller, user: Uuid) -> Result<(), Error> {
    require_admin(&caller.session)?;
    domain.users.get(user).await?.ok_or(Error::NotFound)?;
    let own = user == caller.session.subject.id;
    let cause = if own { Cause::Revoked } else { Cause::RevokedByAdmin };
    domain.sessions.end_all(user, Ending::default(), &caller.context(cause)).await?;
    Ok(())
}

/// Ends every session but the caller's, for an admin.
pub(crate) async fn end_everybodys(domain: &Domain, caller: &Caller) -> Result<(), Error> {
    require_admin(&caller.session)?;
    let context = caller.context(Cause::RevokedByAdmin);
    domain.sessions.end_everybody(Some(caller.session.id), &context).await?;
    Ok(())
}
