//! What matters for security, one function an event and one line of the log's `audit` target each.
//! The only file of this crate that writes such a line.
//!
//! Each function is handed the whole of what it tells of, so that an event can be stored where its
//! line is written.

use std::sync::Arc;

use session::{Cause, EventRead, ExternalId, Issued, ReadFrom, Session, SessionId, SessionStore};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use users::User;
use uuid::Uuid;

use crate::operations::caller::Caller;
use crate::operations::client::Client;

/// Who did something: a user, by one of their sessions.
#[derive(Clone, Copy, Debug)]
struct By {
    user: Uuid,
    session: SessionId,
}

impl By {
    fn caller(caller: &Caller) -> Self {
        Self { user: caller.session.subject.id, session: caller.session.id }
    }
}

/// How many events are read at a time.
const READ_AT_ONCE: usize = 256;

/// One event: its name, and what there is to say of it.
#[derive(Default)]
struct Event<'a> {
    name: &'static str,
    user: Option<Uuid>,
    /// What a backend calls the user, where it is none of ours.
    external_user: Option<&'a ExternalId>,
    username: Option<&'a str>,
    role: Option<&'a str>,
    session: Option<SessionId>,
    count: Option<u64>,
    by: Option<By>,
    reason: Option<&'static str>,
    client: Option<&'a Client>,
    /// The user after a change.
    changed: Option<&'a User>,
    /// The id of the request, where the line is not written within it.
    request_id: Option<&'a str>,
}

/// A login opened a session.
pub(crate) fn logged_in(user: &User, opened: &Session, client: &Client) {
    Event {
        name: "login",
        user: Some(user.id),
        username: Some(&user.email),
        role: Some(opened.role()),
        session: Some(opened.id),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// A login presented a wrong name or password, or the name of a disabled account.
pub(crate) fn login_failed(username: &str, client: &Client) {
    let username = Some(loggable(username));
    Event { name: "login_failed", username, client: Some(client), ..Event::default() }.write();
}

/// A login was not looked at: there had been too many.
pub(crate) fn login_throttled(username: &str, client: &Client) {
    let username = Some(loggable(username));
    Event { name: "login_throttled", username, client: Some(client), ..Event::default() }.write();
}

/// A login had the right password, and opened nothing all the same.
pub(crate) fn login_refused(user: &User, reason: &'static str, client: &Client) {
    Event {
        name: "login_refused",
        user: Some(user.id),
        username: Some(&user.email),
        reason: Some(reason),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// Somebody presented a token to end its session.
pub(crate) fn session_ended_by_token(cause: Cause, ended: &Session, client: &Client) {
    let (name, reason) = match cause {
        Cause::Logout => ("logout", None),
        Cause::Revoked => ("token_revoked", None),
        cause => ("session_ended", Some(cause.as_str())),
    };
    Event {
        name,
        user: Some(ended.subject.id),
        session: Some(ended.id),
        reason,
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// A caller ended one session of their own from the list of them.
pub(crate) fn session_ended_from_list(ended: SessionId, caller: &Caller) {
    Event {
        name: "session_ended",
        user: Some(caller.session.subject.id),
        session: Some(ended),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// Sessions of a user ended because a new one was one too many.
pub(crate) fn sessions_ended_past_limit(issued: &Issued) {
    for ended in &issued.ended {
        Event {
            name: "session_ended",
            user: Some(issued.session.subject.id),
            session: Some(*ended),
            reason: Some("too many sessions"),
            ..Event::default()
        }
        .write();
    }
}

/// A caller ended the sessions of one user, perhaps their own.
pub(crate) fn sessions_ended(user: Uuid, ended: &[SessionId], caller: &Caller) {
    Event {
        name: "sessions_ended",
        user: Some(user),
        count: Some(ended.len() as u64),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// This node ended sessions of a user whom another process changed.
pub(crate) fn sessions_ended_elsewhere(user: Uuid, count: u64) {
    Event {
        name: "sessions_ended",
        user: Some(user),
        count: Some(count),
        reason: Some("the user was changed elsewhere"),
        ..Event::default()
    }
    .write();
}

/// An admin ended everybody's sessions.
pub(crate) fn all_sessions_ended(count: u64, caller: &Caller) {
    Event {
        name: "all_sessions_ended",
        count: Some(count),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// A session has another token, perhaps another role.
pub(crate) fn session_rotated(rotated: &Session, client: &Client) {
    Event {
        name: "session_rotated",
        user: Some(rotated.subject.id),
        session: Some(rotated.id),
        role: Some(rotated.role()),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// A caller minted a token, which is a session of its own.
pub(crate) fn token_minted(minted: &Session, caller: &Caller) {
    Event {
        name: "token_minted",
        user: Some(minted.subject.id),
        session: Some(minted.id),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// A backend asked for a session for one of its own users.
pub(crate) fn session_granted(granted: &Session) {
    Event {
        name: "session_issued",
        external_user: granted.subject.external.as_ref(),
        username: Some(&granted.subject.username),
        role: Some(granted.role()),
        session: Some(granted.id),
        reason: Some("backend"),
        ..Event::default()
    }
    .write();
}

/// A backend ended one session, whoever's.
pub(crate) fn session_ended_by_backend(ended: SessionId) {
    Event {
        name: "session_ended",
        session: Some(ended),
        reason: Some("backend"),
        ..Event::default()
    }
    .write();
}

/// A backend ended the sessions of one of its users.
pub(crate) fn sessions_ended_by_backend(user: &ExternalId, count: u64) {
    Event {
        name: "sessions_ended",
        external_user: Some(user),
        count: Some(count),
        reason: Some("backend"),
        ..Event::default()
    }
    .write();
}

/// Somebody signed up, or an admin created a user.
pub(crate) fn user_created(created: &User, by: Option<&Caller>, client: &Client) {
    Event {
        name: "user_created",
        user: Some(created.id),
        by: by.map(By::caller),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// A caller changed a user's names, roles or whether it may log in.
pub(crate) fn user_changed(changed: &User, caller: &Caller) {
    Event {
        name: "user_changed",
        user: Some(changed.id),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        changed: Some(changed),
        ..Event::default()
    }
    .write();
}

/// A caller deleted a user.
pub(crate) fn user_deleted(deleted: Uuid, caller: &Caller) {
    Event {
        name: "user_deleted",
        user: Some(deleted),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// A caller gave a user another password.
pub(crate) fn password_changed(user: Uuid, caller: &Caller) {
    Event {
        name: "password_changed",
        user: Some(user),
        by: Some(By::caller(caller)),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// A password was set with the ticket of a mail.
pub(crate) fn password_reset(user: Uuid, client: &Client) {
    Event {
        name: "password_changed",
        user: Some(user),
        reason: Some("by mail"),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// Another address was verified with the ticket of a mail.
pub(crate) fn address_changed(changed: &User, client: &Client) {
    Event {
        name: "email_changed",
        user: Some(changed.id),
        username: Some(&changed.email),
        client: Some(client),
        ..Event::default()
    }
    .write();
}

/// A caller who wanted another password did not know the present one.
pub(crate) fn wrong_current_password(caller: &Caller) {
    Event {
        name: "wrong_current_password",
        user: Some(caller.session.subject.id),
        client: Some(&caller.client),
        ..Event::default()
    }
    .write();
}

/// Writes the lines of what the session engine ends by itself from now on, until cancelled: it does
/// so within a look at a token, of which no operation learns.
pub(crate) fn follow(
    store: Arc<dyn SessionStore>,
    cancel: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let signal = store.event_signal();
    let now = store.read_own_events(ReadFrom::Now, 0);
    async move { write_lines(&*store, signal, now, &cancel).await }
}

async fn write_lines(
    store: &dyn SessionStore,
    mut signal: watch::Receiver<u64>,
    mut read: EventRead,
    cancel: &CancellationToken,
) {
    loop {
        let next = match read {
            EventRead::Page(page) => {
                let ended = page.events.iter().map(|stored| &stored.event);
                ended.filter(|event| event.cause == Some(Cause::Reused)).for_each(reused);
                if page.events.is_empty() {
                    let more = cancel.run_until_cancelled(signal.changed()).await;
                    if !matches!(more, Some(Ok(()))) {
                        break;
                    }
                }
                page.next
            }
            EventRead::Gone { oldest } => {
                tracing::warn!("more happened at once than could be logged");
                oldest
            }
        };
        read = store.read_own_events(ReadFrom::After(&next), READ_AT_ONCE);
    }
}

/// A token from before a rotation was used, which ended its session.
fn reused(event: &session::Event) {
    let client = Client {
        ip: event.client.ip,
        user_agent: "".into(),
        request_id: event.client.request_id.clone(),
    };
    Event {
        name: "session_ended",
        user: event.user.as_ref().and_then(|user| user.id),
        session: event.session.as_ref().map(|session| session.id),
        reason: Some(Cause::Reused.as_str()),
        client: Some(&client),
        request_id: client.request_id.as_deref(),
        ..Event::default()
    }
    .write();
}

impl Event<'_> {
    /// Writes the line. What there is nothing to say of does not stand in it.
    fn write(&self) {
        tracing::info!(
            target: "audit",
            event = self.name,
            user_id = self.user.map(tracing::field::display),
            external_user_id = self.external_user.map(tracing::field::display),
            username = self.username,
            role = self.role,
            session_id = self.session.map(tracing::field::display),
            count = self.count,
            by_user = self.by.map(|by| tracing::field::display(by.user)),
            by_session = self.by.map(|by| tracing::field::display(by.session)),
            reason = self.reason,
            ip = self.client.and_then(|client| client.ip).map(tracing::field::display),
            roles = self.changed.map(|user| user.roles.join(",")),
            disabled = self.changed.map(|user| user.disabled),
            request_id = self.request_id,
        );
    }
}

/// What was typed as a user name, if it looks like one: it may be a password in the wrong field.
fn loggable(username: &str) -> &str {
    let username = username.trim();
    let domain = username.split_once('@').map_or("", |(_, domain)| domain);
    let address = username.len() <= 254
        && domain.split('.').filter(|label| !label.is_empty()).count() > 1
        && domain.chars().all(|c| c.is_alphanumeric() || "-.".contains(c))
        && !username.contains(|c: char| c.is_whitespace() || c.is_control());
    if address { username } else { "(no address)" }
}
