//! What happened, as an event: to which session or user, why, by whom and from where.
//!
//! A store makes the event of a session in the step that changes the session, so that one is never
//! without the other. No event has a token, a digest or a password in it: none of its parts does.

mod encoding;

pub(crate) use self::encoding::encoded_client;

use std::sync::Arc;

use uuid::Uuid;

use crate::{ExternalId, Kind, SeenAt, Session, SessionId, Subject, Transport};

/// Names the variants of an enumeration as they are written in events.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one that is written like this.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

named! {
    /// What kind of event it is.
    EventKind {
        /// A session was opened.
        SessionIssued = "session.issued",
        /// A session has another token, perhaps another role.
        SessionRotated = "session.rotated",
        /// A session ended.
        SessionEnded = "session.ended",
        /// A login, or a change of password, was refused.
        LoginFailed = "login.failed",
        /// A login was refused unseen: there had been too many.
        LoginThrottled = "login.throttled",
        /// An account was created.
        UserCreated = "user.created",
        /// Names, roles or rights of an account were changed.
        UserChanged = "user.changed",
        /// An account was deleted.
        UserDeleted = "user.deleted",
        /// An account has another password.
        PasswordChanged = "password.changed",
        /// An account has another address.
        EmailChanged = "email.changed",
        /// A fixed token ends soon.
        TokenExpiring = "token.expiring",
    }
}

named! {
    /// Why it happened.
    Cause {
        /// A name and a password.
        Login = "login",
        /// A session minted a token.
        Mint = "mint",
        /// A backend demanded it.
        Backend = "backend",
        /// A rotation that was asked for, or that followed from a change of password.
        Rotation = "rotation",
        /// A rotation to another role.
        Role = "role",
        /// Somebody logged out.
        Logout = "logout",
        /// Its owner ended it, from a list or with its token.
        Revoked = "revoked",
        /// An admin ended it.
        RevokedByAdmin = "revoked_by_admin",
        /// Its user had too many.
        Limit = "limit",
        /// A form login came with its cookie.
        Replaced = "replaced",
        /// A single-use token was used.
        Used = "used",
        /// It is bound to its client, and was seen elsewhere.
        Elsewhere = "elsewhere",
        /// A token from before a rotation was used.
        Reused = "reused",
        /// Its time was up.
        Expired = "expired",
        /// Its user has another password.
        PasswordChanged = "password_changed",
        /// Its user has another address.
        EmailChanged = "email_changed",
        /// Its user has other roles.
        RolesChanged = "roles_changed",
        /// Its user was disabled.
        UserDisabled = "user_disabled",
        /// Its user was deleted.
        UserDeleted = "user_deleted",
        /// It was the demo user's, and there is none any more.
        DemoOff = "demo_off",
        /// It was opened while its user's sessions were being ended.
        Undone = "undone",
        /// The present password that was given with a new one was wrong.
        CurrentPassword = "current_password",
        /// Fourteen days before a token ends.
        In14Days = "14d",
        /// A day before a token ends.
        In1Day = "1d",
    }
}

impl EventKind {
    /// The causes that events of this kind can have; none where they have no cause.
    pub const fn causes(self) -> &'static [Cause] {
        match self {
            Self::SessionIssued => &[Cause::Login, Cause::Mint, Cause::Backend],
            Self::SessionRotated => &[Cause::Rotation, Cause::Role],
            Self::SessionEnded => &[
                Cause::Logout,
                Cause::Revoked,
                Cause::RevokedByAdmin,
                Cause::Limit,
                Cause::Replaced,
                Cause::Used,
                Cause::Elsewhere,
                Cause::Reused,
                Cause::Expired,
                Cause::PasswordChanged,
                Cause::EmailChanged,
                Cause::RolesChanged,
                Cause::UserDisabled,
                Cause::UserDeleted,
                Cause::DemoOff,
                Cause::Undone,
                Cause::Backend,
            ],
            Self::LoginFailed | Self::LoginThrottled => &[Cause::Login, Cause::CurrentPassword],
            Self::TokenExpiring => &[Cause::In14Days, Cause::In1Day],
            Self::UserCreated
            | Self::UserChanged
            | Self::UserDeleted
            | Self::PasswordChanged
            | Self::EmailChanged => &[],
        }
    }
}

/// Who did something: a user, by one of their sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The user.
    pub user_id: Uuid,
    /// What a backend calls the user, where it is none of ours.
    pub external: Option<ExternalId>,
    /// The session that the user did it by.
    pub session_id: SessionId,
}

impl By {
    /// The user of a session, by this session.
    pub fn session(session: &Session) -> Self {
        let subject = &session.subject;
        Self { user_id: subject.id, external: subject.external.clone(), session_id: session.id }
    }
}

/// What a change of sessions is made for: what their events say beside the session.
#[derive(Clone, Debug)]
pub struct EventContext {
    /// Why.
    pub cause: Cause,
    /// Who did it; `None` where that was the session itself, a limit, time or a command.
    pub by: Option<By>,
    /// From where, and by which request.
    pub client: SeenAt,
}

impl EventContext {
    /// A change for which no client made a request.
    pub fn without_client(cause: Cause) -> Self {
        Self { cause, by: None, client: SeenAt::default() }
    }

    /// A change that a client made.
    pub fn of_client(cause: Cause, client: SeenAt) -> Self {
        Self { cause, by: None, client }
    }

    /// The same request, where it has this effect by itself: nobody did that.
    #[must_use]
    pub(crate) fn side_effect(&self, cause: Cause) -> Self {
        Self { cause, by: None, client: self.client.clone() }
    }
}

/// What an event says of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSession {
    /// Its id.
    pub id: SessionId,
    /// What a use does to it.
    pub kind: Kind,
    /// How its token travels.
    pub transport: Transport,
    /// The name given to a minted token.
    pub name: Option<Arc<str>>,
}

/// What an event says of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventUser {
    /// The user's id; `None` where a login named an account that there may not be.
    pub id: Option<Uuid>,
    /// What a backend calls the user, where it is none of ours.
    pub external: Option<ExternalId>,
    /// What the user logs in with.
    pub username: Arc<str>,
}

impl EventSession {
    /// What an event says of this session.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            id: session.id,
            kind: session.kind,
            transport: session.transport,
            name: session.name.clone(),
        }
    }
}

impl EventUser {
    /// The user of a session.
    pub fn of(subject: &Subject) -> Self {
        let external = subject.external.clone();
        Self { id: Some(subject.id), external, username: (*subject.username).into() }
    }

    /// One of our own users.
    pub fn account(id: Uuid, username: &str) -> Self {
        Self { id: Some(id), external: None, username: username.into() }
    }

    /// Somebody of whom only the name that was presented is known.
    pub fn named(username: &str) -> Self {
        Self { id: None, external: None, username: username.into() }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// What kind of event it is.
    pub kind: EventKind,
    /// When: milliseconds since 1970, by the clock of the store. For display.
    pub at_ms: i64,
    /// Why, where there is something to say.
    pub cause: Option<Cause>,
    /// The session that it is about.
    pub session: Option<EventSession>,
    /// The user that it is about.
    pub user: Option<EventUser>,
    /// Who did it.
    pub by: Option<By>,
    /// From where, and by which request.
    pub client: SeenAt,
}

impl Event {
    /// The event of a session as it is now.
    pub(crate) fn of(
        kind: EventKind,
        session: &Session,
        context: &EventContext,
        at_ms: i64,
    ) -> Self {
        let user = Some(EventUser::of(&session.subject));
        Self::of_session(kind, EventSession::of(session), user, context, at_ms)
    }

    /// The event of a session: the only function that makes one.
    pub(crate) fn of_session(
        kind: EventKind,
        session: EventSession,
        user: Option<EventUser>,
        context: &EventContext,
        at_ms: i64,
    ) -> Self {
        Self {
            kind,
            at_ms,
            cause: Some(context.cause),
            session: Some(session),
            user,
            by: context.by.clone(),
            client: context.client.clone(),
        }
    }

    /// That a session's token ends soon, as no change of it makes known; the store dates it.
    pub fn of_ending_token(session: &Session, mark: Cause) -> Self {
        let context = EventContext::without_client(mark);
        Self::of(EventKind::TokenExpiring, session, &context, 0)
    }

    /// An event that is about no session; the store dates it.
    pub fn of_user(
        kind: EventKind,
        user: Option<EventUser>,
        cause: Option<Cause>,
        by: Option<By>,
        client: SeenAt,
    ) -> Self {
        Self { kind, at_ms: 0, cause, session: None, user, by, client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test writes the rows of the document from what happened.
    #[test]
    fn every_event_that_is_made_has_a_cause_of_its_kind() {
        let document = include_str!("../../../docs/events.md");
        let mut rows = 0;
        for row in document.lines() {
            let Some(event) = row.strip_prefix("| `").and_then(|row| row.split(" |").next()) else {
                continue;
            };
            let (kind, cause) = event.split_once("` `").unwrap_or((event, ""));
            let Some(kind) = EventKind::parse(kind.trim_end_matches('`')) else { continue };
            if let Some(cause) = Cause::parse(cause.trim_end_matches('`')) {
                assert!(kind.causes().contains(&cause), "{row}");
                rows += 1;
            }
        }
        assert!(rows > 30, "{rows} rows with a cause");
        let is_used =
            |cause: &Cause| EventKind::ALL.iter().any(|kind| kind.causes().contains(cause));
        assert!(Cause::ALL.iter().all(is_used));
    }
}
