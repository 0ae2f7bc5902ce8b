//! Another token, perhaps another role, for the same session.

use session::{Issued, Kind, Rotation, Session};
use users::ADMIN;

use super::caller::Caller;
use super::{Domain, Error};

/// Gives the caller's session another token, and the role that is wanted.
pub(crate) async fn rotate(
    domain: &Domain,
    caller: &Caller,
    role: Option<&str>,
) -> Result<Issued, Error> {
    if caller.from_named_origin && role.is_some_and(|role| role != caller.session.role()) {
        return Err(Error::ForeignOrigin);
    }
    let role = role.map(|role| role_of(&caller.session, role)).transpose()?;
    let role = role.filter(|role| *role != caller.session.role);
    if caller.session.kind != Kind::Sliding {
        return Err(Error::Forbidden("only a sliding session rotates"));
    }
    match domain.sessions.rotate(caller.presented, role, &caller.client.seen_at()).await? {
        Rotation::Rotated(token, session) => Ok(Issued { token, session, ended: Vec::new() }),
        Rotation::Dead(dead) => Err(dead.into()),
    }
}

/// The index of a role that the session may take up.
fn role_of(session: &Session, wanted: &str) -> Result<usize, Error> {
    if wanted == ADMIN && session.role() != ADMIN {
        return Err(Error::Forbidden("the role admin is taken up by a login only"));
    }
    session
        .subject
        .roles
        .iter()
        .position(|role| **role == *wanted)
        .ok_or(Error::Forbidden("the user does not have this role"))
}
