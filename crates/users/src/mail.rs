//! Mails that wait to be sent, as the outbox has them. What they say, and how they travel, is the
//! business of whoever sends them.

use std::net::IpAddr;

use uuid::Uuid;

use crate::{Generation, Ticket, TicketPurpose};

/// What a mail in the outbox is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Somebody has forgotten the password of an address. Nobody has looked yet whose it is.
    ForgotRequest,
    /// Somebody signed up with an address that may be taken.
    SignUpRequest,
    /// A user wants another address, which may be taken.
    ChangeRequest,
    /// With a ticket for another password.
    Reset,
    /// With a ticket for an account.
    SignUp,
    /// With a ticket for another address.
    ChangeAddress,
    /// To the owner of an address that somebody signed up with.
    AccountExists,
    /// To an address whose account is not verified yet.
    NotVerified,
    /// To the owner of an address that another account wanted.
    AddressTaken,
    /// That the password was set by mail.
    PasswordReset,
    /// That another address was asked for.
    AddressChanging,
    /// That there was a login from elsewhere.
    NewDevice,
    /// That a token ends soon.
    TokenExpiring,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::ForgotRequest,
        Self::SignUpRequest,
        Self::ChangeRequest,
        Self::Reset,
        Self::SignUp,
        Self::ChangeAddress,
        Self::AccountExists,
        Self::NotVerified,
        Self::AddressTaken,
        Self::PasswordReset,
        Self::AddressChanging,
        Self::NewDevice,
        Self::TokenExpiring,
    ];

    /// Whether it is not decided yet who gets what.
    pub const fn is_request(self) -> bool {
        matches!(self, Self::ForgotRequest | Self::SignUpRequest | Self::ChangeRequest)
    }

    /// What the ticket of such a mail is good for; `None` where it carries none.
    pub const fn purpose(self) -> Option<TicketPurpose> {
        match self {
            Self::Reset => Some(TicketPurpose::Reset),
            Self::SignUp => Some(TicketPurpose::SignUp),
            Self::ChangeAddress => Some(TicketPurpose::ChangeAddress),
            _ => None,
        }
    }

    /// How it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgotRequest => "forgot_request",
            Self::SignUpRequest => "sign_up_request",
            Self::ChangeRequest => "change_request",
            Self::Reset => "reset",
            Self::SignUp => "sign_up",
            Self::ChangeAddress => "change_address",
            Self::AccountExists => "account_exists",
            Self::NotVerified => "not_verified",
            Self::AddressTaken => "address_taken",
            Self::PasswordReset => "password_reset",
            Self::AddressChanging => "address_changing",
            Self::NewDevice => "new_device",
            Self::TokenExpiring => "token_expiring",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A mail in the outbox.
#[derive(Clone, Debug)]
pub struct QueuedMail {
    /// The same however often it is tried.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// Whose account it is about, where there is one.
    pub user_id: Option<Uuid>,
    /// Where it goes; of a request, what was typed.
    pub address: String,
    /// What it carries.
    pub ticket: Option<Ticket>,
    /// What was logged in with.
    pub device: Option<String>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// Which token ends.
    pub token: Option<EndingToken>,
    /// When it was put there: milliseconds since 1970.
    pub created_at_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Of a change of address: the user's generation when it was asked for.
    pub(crate) generation: Generation,
}

/// A token that ends soon, as its owner's mail tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingToken {
    /// The name that it was given.
    pub name: Option<String>,
    /// When it ends: milliseconds since 1970.
    pub ends_at_ms: i64,
}

/// A notice that a token ends soon.
#[derive(Clone, Copy, Debug)]
pub struct TokenNotice<'a> {
    /// The token's session.
    pub session_id: Uuid,
    /// How long before its end: each mark has a notice of its own.
    pub mark: &'static str,
    /// The name that the token was given.
    pub name: Option<&'a str>,
    /// When it ends: milliseconds since 1970.
    pub ends_at_ms: i64,
    /// The user whose token it is, where they are to get a mail.
    pub mail_to: Option<Uuid>,
}

/// Whether a notice is one's own to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenNotice {
    /// It is: nobody had taken it.
    First,
    /// It is. Somebody had taken it and did not say that it was given; it may have been.
    Again,
    /// Somebody else is giving it.
    Taken,
    /// It was given.
    Given,
}

/// Who gets what for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the mail is about.
    pub kind: MailKind,
    /// Where it goes.
    pub address: String,
    /// What its limits are counted by: the folded name of each account or address that it is for.
    pub counted_by: Vec<String>,
    pub(crate) user: Option<(Uuid, Generation)>,
}

/// How many mails wait, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub count: u64,
    /// Since when the oldest does: milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// What somebody has logged in with, as far as it tells devices apart.
#[derive(Clone, Debug)]
pub struct Device {
    /// The network that the client is in.
    pub network: IpAddr,
    /// The client's address.
    pub ip: IpAddr,
    /// What the client calls itself.
    pub user_agent: String,
    /// The same for people.
    pub name: String,
}

impl QueuedMail {
    /// A mail as it might wait in the outbox, for tests of what it says.
    #[doc(hidden)]
    pub fn for_tests(id: Uuid, kind: MailKind, address: &str, ticket: &str) -> Self {
        Self {
            id,
            kind,
            user_id: None,
            address: address.to_owned(),
            ticket: Ticket::read(ticket).filter(|_| kind.purpose().is_some()),
            device: Some("Firefox on Linux".to_owned()),
            ip: "192.0.2.1".parse().ok(),
            token: Some(EndingToken { name: Some("ci".to_owned()), ends_at_ms: 0 }),
            created_at_ms: 0,
            attempts: 0,
            generation: 0,
        }
    }
}
