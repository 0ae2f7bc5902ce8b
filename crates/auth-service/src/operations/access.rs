//! Who may act on whom: oneself, or anybody as an admin. The only file that decides it.

use session::Session;
use users::ADMIN;
use uuid::Uuid;

use super::error::Error;

/// Whether a session acts as an admin: having the role is not enough.
pub(crate) fn is_admin(session: &Session) -> bool {
    session.role() == ADMIN
}

/// The user that a path names, if the caller may know of it: oneself, or anybody as an admin.
pub(crate) fn visible(caller: &Session, id: &str) -> Result<Uuid, Error> {
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
