//! From a user name and a password to a session: the one way in, whatever door they came through.

use std::sync::Arc;

use session::{Issued, Login, Presented, Transport};
use users::{Password, User};

use crate::audit;
use crate::audit::Cause;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::client::Client;
use crate::operations::logout::log_out;
use crate::view;

/// What somebody presents to log in.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Password,
    /// The role to act in; the user's first where none is asked for.
    pub(crate) role: Option<String>,
    /// Whether they came by HTTP Basic, which the answer's challenge follows.
    pub(crate) basic: bool,
    /// How the token will travel.
    pub(crate) transport: Transport,
    /// The sessions that the new one replaces, where the browser brought some: what somebody may
    /// have planted there does not live on beside it.
    pub(crate) replaces: Vec<Presented>,
}

/// Opens a session, if the credentials are right and there were not too many wrong ones before.
pub(crate) async fn log_in(
    app: &App,
    credentials: Credentials,
    client: &Client,
) -> Result<Issued, ApiError> {
    let refused = ApiError::InvalidCredentials { basic: credentials.basic };
    let Some(user) =
        check_password(app, &credentials.username, &credentials.password, client).await?
    else {
        return Err(refused);
    };
    let role = role_of(&user, credentials.role.as_deref())
        .inspect_err(|_| count_refusal(app, &user, client, "the user lacks the role"))?;
    log_out(app, &credentials.replaces, Cause::Replaced, client).await?;
    let issued = app
        .sessions
        .issue(Login {
            subject: Arc::new(view::subject(&user)),
            role,
            generation: user.generation,
            transport: credentials.transport,
            origin: client.origin(),
        })
        .await?;
    undo_unless_unchanged(app, &user, &issued, refused)
        .await
        .inspect_err(|_| count_refusal(app, &user, client, "the user was changed meanwhile"))?;
    app.figures.login_success.inc();
    audit::logged_in(&user, &issued.session, client);
    audit::sessions_ended_past_limit(&issued);
    Ok(issued)
}

/// A right password that opened nothing leaves a trace too: it may be somebody trying it out.
fn count_refusal(app: &App, user: &User, client: &Client, reason: &'static str) {
    app.figures.login_failure.inc();
    audit::login_refused(user, reason, client);
}

/// The user whose name and password these are. The attempt is counted before it is looked at.
async fn check_password(
    app: &App,
    username: &str,
    password: &Password,
    client: &Client,
) -> Result<Option<User>, ApiError> {
    let ticket = match app.throttle.admit(username, client).await {
        Ok(ticket) => ticket,
        Err(error) => {
            if matches!(error, ApiError::TooMany { .. }) {
                app.client_addresses.note_failure(client);
                app.figures.login_throttled.inc();
                audit::login_throttled(username, client);
            }
            return Err(error);
        }
    };
    match app.users.for_network(client.hashing_share()).authenticate(username, password).await {
        Ok(Some(user)) => {
            app.throttle.succeeded(ticket).await;
            Ok(Some(user))
        }
        Ok(None) => {
            app.figures.login_failure.inc();
            app.client_addresses.note_failure(client);
            audit::login_failed(username, client);
            Ok(None)
        }
        Err(error) => {
            app.throttle.undecided(ticket).await;
            Err(error.into())
        }
    }
}

/// INVARIANT: whatever ends a user's sessions raises the user's generation first. A login that
/// raced with it either is seen by that ending, or sees the higher generation here.
async fn undo_unless_unchanged(
    app: &App,
    user: &User,
    issued: &Issued,
    refused: ApiError,
) -> Result<(), ApiError> {
    let unchanged = match app.users.get(user.id).await {
        Ok(Some(now)) => now.generation == user.generation && !now.disabled,
        Ok(None) => false,
        Err(error) => {
            app.sessions.end(issued.session.id).await?;
            return Err(error.into());
        }
    };
    if unchanged {
        return Ok(());
    }
    app.sessions.end(issued.session.id).await?;
    Err(refused)
}

/// The place of the role to act in, among the user's.
fn role_of(user: &User, wanted: Option<&str>) -> Result<usize, ApiError> {
    let Some(wanted) = wanted else { return Ok(0) };
    user.roles
        .iter()
        .position(|role| role == wanted)
        .ok_or(ApiError::Forbidden("the user does not have this role"))
}
