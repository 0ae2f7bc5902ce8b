//! A new password, which ends all of the user's other sessions.

use session::{Cause, Dead, Ending, Kind, Rotation, Session, Token};
use users::{Password, User};
use uuid::Uuid;

use super::caller::Caller;
use super::{Domain, Error, Fault, Field};
use crate::audit;

/// Whose password becomes which.
pub(crate) struct Change {
    pub(crate) user: Uuid,
    /// The present one; needed for one's own.
    pub(crate) current: Option<String>,
    pub(crate) new: String,
}

/// What became of the session that asked.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum OwnSession {
    /// It goes on under the same token.
    Unchanged,
    /// It goes on under this token.
    Rotated(Token, Session),
    /// It has ended: somebody else had its cookie.
    Ended,
}

/// Changes a password, for a caller who may, and ends the user's other sessions. A browser's own
/// session goes on under another token: who may have read the old one has nothing left.
pub(crate) async fn change(
    domain: &Domain,
    caller: &Caller,
    change: Change,
) -> Result<OwnSession, Error> {
    let id = change.user;
    let own = id == caller.session.subject.id;
    let new = Password::from(change.new);
    let users = domain.users.for_network(caller.client.hashing_share());
    let prepared = if own {
        let current =
            change.current.ok_or(const { Field::new("current_password", Fault::Missing) })?;
        let verified = check_current(domain, caller, Password::from(current)).await?;
        if verified.generation != caller.session.generation {
            // It has ended, though nothing has removed it yet: it must not be the session that is spared.
            return Err(Dead::Revoked.into());
        }
        users.prepare_own_password(&verified, &new, caller.session.id.uuid()).await?
    } else {
        users.prepare_password(id, &new).await?
    };
    caller.still_may(domain).await?;
    let user = domain.users.set_password(prepared).await?;
    audit::password_changed(domain, &user, caller).await;
    let keep = own.then_some(caller.session.id);
    let ending = Ending { below_generation: Some(user.generation), keep };
    domain.sessions.end_all(id, ending, &caller.context(Cause::PasswordChanged)).await?;
    if own && caller.by_cookie && caller.session.kind == Kind::Sliding {
        another_token(domain, caller).await
    } else {
        Ok(OwnSession::Unchanged)
    }
}

/// Another token of the caller's session.
///
/// Where the token has been rotated meanwhile, somebody else did it with the same cookie: the
/// session that was to be kept is not the caller's alone, and ends.
async fn another_token(domain: &Domain, caller: &Caller) -> Result<OwnSession, Error> {
    let context = caller.context(Cause::PasswordChanged);
    match domain.sessions.rotate(caller.presented, None, &caller.client.seen_at()).await {
        Ok(Rotation::Rotated(token, session)) => Ok(OwnSession::Rotated(token, session)),
        Ok(Rotation::Dead(_)) => {
            domain.sessions.end(caller.session.id, &context).await?;
            Ok(OwnSession::Ended)
        }
        Err(error) => {
            domain.sessions.end(caller.session.id, &context).await?;
            Err(error.into())
        }
    }
}

/// A wrong one counts as a failed login: a stolen session must not become a guessing machine.
pub(super) async fn check_current(
    domain: &Domain,
    caller: &Caller,
    current: Password,
) -> Result<User, Error> {
    let (session, client) = (&caller.session, &caller.client);
    let attempt = match domain.throttle.admit(&session.subject.username, client).await {
        Err(error @ Error::TooMany { .. }) => {
            domain.figures.login_throttled.inc();
            if domain.throttle.is_reported(client).await {
                audit::current_password_throttled(domain, caller).await;
            }
            return Err(error);
        }
        admitted => admitted?,
    };
    let users = domain.users.for_network(client.hashing_share());
    match users.verify(session.subject.id, &current).await {
        Ok(Some(user)) => {
            domain.throttle.succeeded(attempt).await;
            Ok(user)
        }
        Ok(None) => {
            domain.figures.login_failure.inc();
            audit::wrong_current_password(domain, caller).await;
            Err(Field::new("current_password", Fault::Wrong).into())
        }
        Err(error) => {
            domain.throttle.undecided(attempt).await;
            Err(error.into())
        }
    }
}
