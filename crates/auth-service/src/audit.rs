//! What matters for security, as events: one function each for those that no change of a session makes.
//!
//! A session's events are made by its store, in the step that changes the session. The functions here
//! have the store append the others. [`AuditLog`] then writes a line of the log's target `audit` for
//! each event that this process stored, whoever made it, so that the log and the stream say the same:
//! nothing else writes such a line.
//!
//! An event of a user is stored after the commit of the change, which no store of sessions can share. Where
//! that fails, what was done is done, and the answer says so: the line is written all the same, with
//! `stored=false`. It goes on where the client has hung up, but not beyond the end of the process.

mod log;

use std::sync::Arc;

use session::{By, Cause, Event, EventKind, EventUser};
use users::User;

pub(crate) use self::log::AuditLog;
use crate::operations::Domain;
use crate::operations::caller::Caller;
use crate::operations::client::Client;

/// A login presented a wrong name or password, or the name of a disabled account.
pub(crate) async fn login_failed(domain: &Domain, username: &str, client: &Client) {
    let user = presented(domain, username).await;
    record(domain, login(EventKind::LoginFailed, user, client)).await;
}

/// A login had the right password, and opened nothing all the same.
pub(crate) async fn login_refused(domain: &Domain, user: &User, client: &Client) {
    record(domain, login(EventKind::LoginFailed, Some(account(user)), client)).await;
}

/// A login was not looked at: there had been too many.
pub(crate) async fn login_throttled(domain: &Domain, username: &str, client: &Client) {
    let user = presented(domain, username).await;
    record(domain, login(EventKind::LoginThrottled, user, client)).await;
}

/// A caller who wanted another password or address did not know the present password.
pub(crate) async fn wrong_current_password(domain: &Domain, caller: &Caller) {
    record(domain, current_password(EventKind::LoginFailed, caller)).await;
}

/// The present password that a caller sent was not looked at: there had been too many.
pub(crate) async fn current_password_throttled(domain: &Domain, caller: &Caller) {
    record(domain, current_password(EventKind::LoginThrottled, caller)).await;
}

/// Somebody signed up, or an admin created a user.
pub(crate) async fn user_created(
    domain: &Domain,
    created: &User,
    by: Option<&Caller>,
    client: &Client,
) {
    record(domain, of_account(EventKind::UserCreated, created, by, client)).await;
}

/// A caller changed a user's names, roles or whether it may log in.
pub(crate) async fn user_changed(domain: &Domain, changed: &User, caller: &Caller) {
    record(domain, by_caller(EventKind::UserChanged, changed, caller)).await;
}

/// A caller deleted a user.
pub(crate) async fn user_deleted(domain: &Domain, deleted: &User, caller: &Caller) {
    record(domain, by_caller(EventKind::UserDeleted, deleted, caller)).await;
}

/// A caller gave a user another password.
pub(crate) async fn password_changed(domain: &Domain, user: &User, caller: &Caller) {
    record(domain, by_caller(EventKind::PasswordChanged, user, caller)).await;
}

/// A password was set with the ticket of a mail.
pub(crate) async fn password_reset(domain: &Domain, user: &User, client: &Client) {
    record(domain, of_account(EventKind::PasswordChanged, user, None, client)).await;
}

/// An admin gave a user another address.
pub(crate) async fn email_changed(domain: &Domain, changed: &User, caller: &Caller) {
    record(domain, by_caller(EventKind::EmailChanged, changed, caller)).await;
}

/// Another address was verified with the ticket of a mail.
pub(crate) async fn email_verified(domain: &Domain, changed: &User, client: &Client) {
    record(domain, of_account(EventKind::EmailChanged, changed, None, client)).await;
}

fn login(kind: EventKind, user: Option<EventUser>, client: &Client) -> Event {
    Event::of_user(kind, user, Some(Cause::Login), None, client.seen_at())
}

fn current_password(kind: EventKind, caller: &Caller) -> Event {
    let user = Some(EventUser::of(&caller.session.subject));
    let cause = Some(Cause::CurrentPassword);
    Event::of_user(kind, user, cause, Some(caller.by()), caller.client.seen_at())
}

fn by_caller(kind: EventKind, user: &User, caller: &Caller) -> Event {
    of_account(kind, user, Some(caller), &caller.client)
}

fn of_account(kind: EventKind, user: &User, by: Option<&Caller>, client: &Client) -> Event {
    let by: Option<By> = by.map(Caller::by);
    Event::of_user(kind, Some(account(user)), None, by, client.seen_at())
}

fn account(user: &User) -> EventUser {
    EventUser::account(user.id, &user.email)
}

/// The account that a login named. Where there is none, the name if it looks like one: it may be a
/// password in the wrong field. It is looked for in both cases, so that neither takes longer.
async fn presented(domain: &Domain, username: &str) -> Option<EventUser> {
    match domain.users.find(username).await {
        Ok(Some(user)) => Some(account(&user)),
        Ok(None) | Err(_) => address(username).map(EventUser::named),
    }
}

/// Has the store append the event, in a task that does not end with the request.
async fn record(domain: &Domain, event: Event) {
    let store = Arc::clone(domain.sessions.store());
    let stored = domain.tasks.spawn(async move {
        if let Err(error) = store.append_event(event.clone()).await {
            tracing::error!(%error, "an event may not be stored: only the audit log tells of it");
            log::write(&event, log::Stored::No);
        }
    });
    // A panic is logged where it happens; the operation itself is done.
    let _ = stored.await;
}

/// What was typed as a user name, if it looks like an address.
fn address(username: &str) -> Option<&str> {
    let username = username.trim();
    let domain = username.split_once('@').map_or("", |(_, domain)| domain);
    let is_address = username.len() <= 254
        && domain.split('.').filter(|label| !label.is_empty()).count() > 1
        && domain.chars().all(|c| c.is_alphanumeric() || "-.".contains(c))
        && !username.contains(|c: char| c.is_whitespace() || c.is_control());
    is_address.then_some(username)
}
