//! Who may act where, and on whom: oneself, or anybody as an admin. The only file that
//! decides it.

use std::borrow::Cow;

use session::Session;
use users::ADMIN;
use uuid::Uuid;

use super::error::Error;

/// Which sessions an endpoint of the public listener lets act.
///
/// INVARIANT: whoever extracts a caller without saying so lets in our own users alone, so that a new
/// endpoint is closed to everybody else until somebody opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Those of our own users that may do all that their role may: it concerns an account.
    OwnUsers,
    /// Also those of users whom only a backend knows: it concerns nothing but sessions.
    AllUsers,
    /// Also those that are narrowed to scopes: it only looks at the session, or a backend asks.
    AllSessions,
}

impl Admission {
    /// Whether a live session may act.
    pub(crate) fn admit(self, session: &Session) -> Result<(), Error> {
        if self == Self::OwnUsers && session.subject.is_external() {
            return Err(Error::Forbidden(EXTERNAL));
        }
        if self != Self::AllSessions && session.scopes.is_some() {
            return Err(Error::Forbidden(NARROWED));
        }
        Ok(())
    }
}

const EXTERNAL: &str = "this user has no account here";
const NARROWED: &str = "a token with scopes may only be looked at and ended here";

/// What a proxy's configuration demands of a session.
#[derive(Default)]
pub(crate) struct Demand<'a> {
    /// The roles that it must act in: one session acts in one, so that of several all must be it.
    pub(crate) roles: Vec<Cow<'a, str>>,
    /// The scopes that it must have, unless it is narrowed to none.
    pub(crate) scopes: Vec<Cow<'a, str>>,
    /// Whether it may be that of a user whom only a backend knows.
    pub(crate) accepts_external: bool,
}

impl Demand<'_> {
    /// Whether a live session does all that is demanded.
    pub(crate) fn check(&self, session: &Session) -> Result<(), Error> {
        if session.subject.is_external() && !self.accepts_external {
            return Err(Error::Forbidden("the session is that of an external user"));
        }
        if self.roles.iter().any(|role| *role != session.role()) {
            return Err(Error::Forbidden("the session acts in another role"));
        }
        let lacks = |scope: &Cow<'_, str>| {
            session.scopes.as_ref().is_some_and(|scopes| !scopes.contains(scope))
        };
        if self.scopes.iter().any(lacks) {
            return Err(Error::Forbidden("the session lacks a scope"));
        }
        Ok(())
    }
}

/// Whether a session acts as an admin: having the role is not enough, nor is a role that only a
/// backend has given that name.
pub(crate) fn is_admin(session: &Session) -> bool {
    session.role() == ADMIN && Admission::OwnUsers.admit(session).is_ok()
}

/// The user that a path names, if the caller may know of it: oneself, or anybody as an admin.
pub(crate) fn visible(caller: &Session, id: &str) -> Result<Uuid, Error> {
    Admission::OwnUsers.admit(caller)?;
    if id == "me" {
        return Ok(caller.subject.id);
    }
    let id = Uuid::try_parse(id).map_err(|_| Error::NotFound)?;
    if id == caller.subject.id || is_admin(caller) { Ok(id) } else { Err(Error::NotFound) }
}

/// That a caller who sees a record may also do what only an admin may.
pub(crate) fn require_admin(caller: &Session) -> Result<(), Error> {
    if is_admin(caller) { Ok(()) } else { Err(Error::Forbidden("this needs the role admin")) }
}
