//! What a user is, and the types of requests and replies about users. Nothing here acts.

use std::fmt;

use uuid::Uuid;

use crate::Password;

/// Counts what ended all of a user's sessions: a session opened under an older one is over.
///
/// The first is 1. Disabling, a change of roles, a change of password and deletion raise it.
pub type Generation = i64;

/// A user as stored, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column, and none excludes another")]
pub struct User {
    /// A `UUIDv7`, never given to another user.
    pub id: Uuid,
    /// The user name, an e-mail address, as it was given.
    pub email: String,
    /// Whether the address is known to be the user's: by a mail that reached them, or because who
    /// runs the service made the account.
    pub email_verified: bool,
    /// What the user is called.
    pub first_name: Option<String>,
    /// The family's name.
    pub last_name: Option<String>,
    /// At least one, without repetition, in the order they were given; the first is acted in by default.
    pub roles: Vec<String>,
    /// Whether logging in is refused.
    pub disabled: bool,
    /// Whether this is the demo user, who cannot log in where the demo is off.
    pub demo: bool,
    /// Whether this is a service: its name need be no address, and it has no password, so that it is
    /// never logged in.
    pub service: bool,
    /// What the user's sessions are compared with.
    pub generation: Generation,
    /// When the user was created: milliseconds since 1970.
    pub created_at_ms: i64,
    /// When anything but an upgraded hash last changed: milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// A user to be created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The user name, an e-mail address.
    pub email: String,
    /// The password, which the policy must accept.
    pub password: Password,
    /// What the user is called.
    pub first_name: Option<String>,
    /// The family's name.
    pub last_name: Option<String>,
    /// The roles, in order; at least one.
    pub roles: Vec<String>,
    /// Whether the address counts as the user's without a mail to it.
    pub email_verified: bool,
}

/// A service user to be created.
#[derive(Clone, Debug)]
pub struct NewServiceUser {
    /// The user name, which need be no address.
    pub name: String,
    /// The roles, in order; at least one.
    pub roles: Vec<String>,
}

/// What to change of a user; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChanges {
    /// The new first name; empty removes it.
    pub first_name: Option<String>,
    /// The new last name; empty removes it.
    pub last_name: Option<String>,
    /// The new roles, all of them, in order.
    pub roles: Option<Vec<String>>,
    /// Whether logging in is refused from now on.
    pub disabled: Option<bool>,
}

/// A user after a change.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The user as stored now.
    pub user: User,
    /// Whether the change raised the generation, so that the user's sessions must end.
    pub ends_sessions: bool,
}

/// Which part of the list of users to show, oldest first.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Only users whose address or names contain this, in any case.
    pub contains: Option<String>,
    /// How many to show: 1 to 500, brought within that otherwise.
    pub limit: u32,
    /// Only those after this one, which need not exist any more: a [`UserPage::next`].
    pub after: Option<Uuid>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { contains: None, limit: 50, after: None }
    }
}

/// A part of the list of users.
#[derive(Clone, Debug)]
pub struct UserPage {
    /// The users, oldest first.
    pub users: Vec<User>,
    /// Where the next part begins; none after the last.
    pub next: Option<Uuid>,
}

/// Why a user's sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingCause {
    /// The user has another password.
    PasswordChanged,
    /// The user has another address.
    EmailChanged,
    /// The user has other roles.
    RolesChanged,
    /// The user was disabled.
    UserDisabled,
    /// The user was deleted.
    UserDeleted,
    /// The user is the demo user, and there is none any more.
    DemoOff,
}

impl EndingCause {
    const ALL: [Self; 6] = [
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::RolesChanged,
        Self::UserDisabled,
        Self::UserDeleted,
        Self::DemoOff,
    ];

    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::RolesChanged => "roles_changed",
            Self::UserDisabled => "user_disabled",
            Self::UserDeleted => "user_deleted",
            Self::DemoOff => "demo_off",
        }
    }

    /// What was stored; `None` for a cause of a later version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// An order that a user's sessions end: those below `generation`, but for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionEnding {
    /// Its number in the order of all endings; a later one has a greater number.
    pub seq: i64,
    /// Whose sessions end.
    pub user_id: Uuid,
    /// The generation from which on sessions live.
    pub generation: Generation,
    /// The session in which the password was changed, which goes on.
    pub spared_session: Option<Uuid>,
    /// Why; `None` where an older version wrote it.
    pub cause: Option<EndingCause>,
}

impl fmt::Debug for SessionEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} below {}", self.seq, self.user_id, self.generation)?;
        self.spared_session.map_or(Ok(()), |spared| write!(f, " but {spared}"))
    }
}

/// Makes the changes, and returns whether they end the user's sessions. What stays the same ends
/// nothing, nor does enabling, nor a name.
pub(crate) fn change(user: &mut User, changes: &UserChanges) -> bool {
    let name = |new: &String| (!new.is_empty()).then(|| new.clone());
    if let Some(first) = &changes.first_name {
        user.first_name = name(first);
    }
    if let Some(last) = &changes.last_name {
        user.last_name = name(last);
    }
    let mut ends_sessions = false;
    if let Some(roles) = changes.roles.as_ref().filter(|roles| **roles != user.roles) {
        user.roles.clone_from(roles);
        ends_sessions = true;
    }
    if let Some(disabled) = changes.disabled.filter(|disabled| *disabled != user.disabled) {
        user.disabled = disabled;
        ends_sessions |= disabled;
    }
    ends_sessions
}
