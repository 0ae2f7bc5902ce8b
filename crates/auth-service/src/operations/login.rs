//! From a user name and a password to a session: the only path there is, whichever endpoint they came to.

use std::sync::Arc;

use session::{Cause, EventContext, Issued, Login, Presented, Subject, Transport};
use users::{Password, User};

use super::client::Client;
use super::logout::log_out;
use super::mail::devices::note_login;
use super::{Domain, Error};
use crate::audit;

/// What somebody presents to log in.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Password,
    /// The role to act in; the user's first where none is asked for.
    pub(crate) role: Option<String>,
    /// How the token will travel.
    pub(crate) transport: Transport,
    /// The sessions that the new one replaces, where the browser brought some: what somebody may
    /// have planted there does not live on beside it.
    pub(crate) replaces: Vec<Presented>,
}

/// Opens a session, if the credentials are right and there were not too many wrong ones before.
pub(crate) async fn log_in(
    domain: &Domain,
    credentials: Credentials,
    client: &Client,
) -> Result<Issued, Error> {
    let user = check_password(domain, &credentials.username, &credentials.password, client).await?;
    let role = match role_of(&user, credentials.role.as_deref()) {
        Ok(role) => role,
        Err(error) => {
            refused(domain, &user, client).await;
            return Err(error);
        }
    };
    log_out(domain, &credentials.replaces, Cause::Replaced, client).await?;
    let issued = domain
        .sessions
        .issue(Login {
            subject: Arc::new(subject(&user)),
            role,
            generation: user.generation,
            transport: credentials.transport,
            origin: client.origin(),
            request_id: client.request_id.clone(),
        })
        .await?;
    undo_unless_unchanged(domain, &user, &issued, client).await?;
    domain.figures.login_success.inc();
    note_login(domain, &user, client).await;
    Ok(issued)
}

/// A right password that opened nothing leaves a trace too: it may be somebody trying it out.
async fn refused(domain: &Domain, user: &User, client: &Client) {
    domain.figures.login_failure.inc();
    audit::login_refused(domain, user, client).await;
}

/// The user whose name and password these are. The attempt is counted before it is looked at.
async fn check_password(
    domain: &Domain,
    username: &str,
    password: &Password,
    client: &Client,
) -> Result<User, Error> {
    let attempt = match domain.throttle.admit(username, client).await {
        Ok(attempt) => attempt,
        Err(error) => {
            if matches!(error, Error::TooMany { .. }) {
                note_failure(domain, client);
                domain.figures.login_throttled.inc();
                if domain.throttle.is_reported(client).await {
                    audit::login_throttled(domain, username, client).await;
                }
            }
            return Err(error);
        }
    };
    match domain.users.for_network(client.hashing_share()).authenticate(username, password).await {
        Ok(Some(user)) => {
            domain.throttle.succeeded(attempt).await;
            Ok(user)
        }
        Ok(None) => {
            domain.figures.login_failure.inc();
            note_failure(domain, client);
            audit::login_failed(domain, username, client).await;
            Err(Error::InvalidCredentials)
        }
        Err(error) => {
            domain.throttle.undecided(attempt).await;
            Err(error.into())
        }
    }
}

/// Where no proxy is trusted, the client may be one.
fn note_failure(domain: &Domain, client: &Client) {
    if let (Some(ip), Some(unnamed_proxy)) = (client.ip, &domain.unnamed_proxy) {
        unnamed_proxy.note_failure(ip);
    }
}

/// INVARIANT: whatever ends a user's sessions raises the user's generation first. A login that
/// raced with it either is seen by that ending, or sees the higher generation here.
async fn undo_unless_unchanged(
    domain: &Domain,
    user: &User,
    issued: &Issued,
    client: &Client,
) -> Result<(), Error> {
    if undo_if_changed(domain, user, issued, client).await? {
        refused(domain, user, client).await;
        return Err(Error::InvalidCredentials);
    }
    Ok(())
}

/// Ends a session that was opened for a user who was changed meanwhile; whether that is so.
///
/// # Errors
///
/// The users or the sessions are out of reach: the session does not live on where that can be helped.
pub(super) async fn undo_if_changed(
    domain: &Domain,
    user: &User,
    issued: &Issued,
    client: &Client,
) -> Result<bool, Error> {
    let undone = EventContext::of_client(Cause::Undone, client.seen_at());
    let unchanged = match domain.users.get(user.id).await {
        Ok(Some(now)) => now.generation == user.generation && !now.disabled,
        Ok(None) => false,
        Err(error) => {
            domain.sessions.end(issued.session.id, &undone).await?;
            return Err(error.into());
        }
    };
    if !unchanged {
        domain.sessions.end(issued.session.id, &undone).await?;
    }
    Ok(!unchanged)
}

/// The index of the role to act in, among the user's.
fn role_of(user: &User, wanted: Option<&str>) -> Result<usize, Error> {
    let Some(wanted) = wanted else { return Ok(0) };
    user.roles
        .iter()
        .position(|role| role == wanted)
        .ok_or(Error::Forbidden("the user does not have this role"))
}

/// What a session remembers of the user that opens it.
pub(super) fn subject(user: &User) -> Subject {
    let names = [user.first_name.as_deref(), user.last_name.as_deref()];
    let display_name =
        names.into_iter().flatten().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
    Subject {
        id: user.id,
        external: None,
        username: user.email.as_str().into(),
        display_name: if display_name.is_empty() { user.email.as_str() } else { &display_name }
            .into(),
        roles: user.roles.iter().map(|role| role.as_str().into()).collect(),
    }
}

#[cfg(test)]
mod tests;
