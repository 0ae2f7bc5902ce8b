//! Accounts, roles and passwords on SQLite or PostgreSQL.
//!
//! One handle, the [`Directory`], answers for everything: who may log in, who exists, what they may
//! do, and which of their sessions must end. It knows neither HTTP nor sessions: what ends a user's
//! sessions raises the user's [`Generation`] in the database and leaves a [`SessionEnding`] behind,
//! in one transaction. Whatever stores sessions reads the endings and carries them out.
//!
//! A login costs the same whether the name is unknown, the password wrong or the account disabled:
//! each runs one Argon2id in the hashing pool, a bounded number at a time, each in a buffer
//! that is reused. Hashes made elsewhere are recognised by how they begin and replaced when
//! their owner next logs in; until then a wrong password costs their own work as well, which shows
//! for bcrypt and PBKDF2 and is nothing for SHA-256.

mod blocklist;
mod casefold;
mod directory;
mod email;
mod error;
mod hash;
mod hasher;
mod hashing_pool;
mod import;
mod mail;
mod options;
mod password;
mod policy;
mod postgres_url;
mod rules;
mod store;
mod ticket;
mod url;
mod user;

pub use directory::{Directory, PreparedPassword, PreparedReset, PreparedUser};
pub use email::fold_name;
pub use error::{OpenError, UsersError};
pub use import::{Format, Imported, ImportedUser, Row, Rows};
pub use mail::{
    Backlog, Decision, Device, EndingToken, MailKind, QueuedMail, TakenNotice, TokenNotice,
};
pub use options::{DirectoryOptions, HashObserver, HashingOptions};
pub use password::Password;
pub use postgres_url::{BadSslMode, SslMode};
pub use rules::{check_email, check_name, check_roles, check_service_name, has_hidden, is_role};
pub use store::MAX_STORED_ENDINGS;
pub use ticket::{Ticket, TicketPurpose};
pub use url::DatabaseUrl;
pub use user::{
    EndingCause, Generation, ListQuery, NewServiceUser, NewUser, SessionEnding, Updated, User,
    UserChanges, UserPage,
};

/// The role whose holders may change other users.
pub const ADMIN: &str = "admin";
/// The role of a user who is given no other.
pub const USER: &str = "user";
/// The address of the demo user.
pub const DEMO_EMAIL: &str = "jsf.fusco@gmail.com";
/// The password of the demo user, which is no secret.
pub const DEMO_PASSWORD: &str = "postman";
