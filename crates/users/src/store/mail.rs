//! What the directory needs of a database for mails and their tickets. Each call is one transaction,
//! or one statement.

mod devices;
mod leftovers;
mod outbox;
mod sql;
mod tickets;

use async_trait::async_trait;
use uuid::Uuid;

use super::{NewPassword, Occasion};
use crate::mail::{Backlog, Decision, MailKind, QueuedMail};
use crate::{Generation, TicketPurpose, Updated, User, UsersError};

pub(super) use outbox::insert as queue_mail;
pub(super) use tickets::{end_all as end_tickets, forget_user};

/// A mail or a request to be put into the outbox.
#[derive(Clone)]
pub(crate) struct NewMail {
    pub(crate) id: Uuid,
    pub(crate) kind: MailKind,
    pub(crate) user: Option<(Uuid, Generation)>,
    pub(crate) address: String,
    pub(crate) spared_session: Option<Uuid>,
    pub(crate) sign_up: Option<SignUp>,
    pub(crate) device: Option<(String, String)>,
    /// The name of a token, and when it ends.
    pub(crate) token: Option<(Option<String>, i64)>,
    pub(crate) now_ms: i64,
}

/// What somebody signed up with, beside the address.
#[derive(Clone)]
pub(crate) struct SignUp {
    pub(crate) password_hash: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

impl NewMail {
    /// One about no account, or about one that is not looked for yet.
    pub(crate) fn new(id: Uuid, kind: MailKind, address: &str, now_ms: i64) -> Self {
        let address = address.to_owned();
        let (user, spared_session, sign_up, device, token) = (None, None, None, None, None);
        Self { id, kind, user, address, spared_session, sign_up, device, token, now_ms }
    }

    /// One about a user, to the user's address.
    pub(crate) fn to(user: &User, id: Uuid, kind: MailKind, now_ms: i64) -> Self {
        let of = Some((user.id, user.generation));
        Self { user: of, ..Self::new(id, kind, &user.email, now_ms) }
    }
}

/// A ticket as it is stored, by its digest.
pub(crate) struct StoredTicket {
    pub(crate) purpose: TicketPurpose,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) address: String,
    pub(crate) address_key: String,
    pub(crate) generation: Generation,
    pub(crate) spared_session: Option<Uuid>,
    pub(crate) password_hash: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) wrong_passwords: i64,
}

/// A ticket to be made with a mail: its digest, the text for the mail, and until when it is good.
pub(crate) struct NewTicket {
    pub(crate) digest: String,
    pub(crate) text: String,
    pub(crate) expires_at_ms: i64,
}

/// Where a user has logged in, and the mail to write where that is new.
pub(crate) struct Login {
    pub(crate) user_id: Uuid,
    pub(crate) device: String,
    pub(crate) note: NewMail,
}

/// Where mails and tickets are stored.
#[async_trait]
pub(crate) trait MailStore {
    /// Puts mails into the outbox, all or none.
    async fn queue(&self, mails: &[NewMail]) -> Result<(), UsersError>;

    /// The mail that is due and waits the longest.
    async fn next_mail(&self, now_ms: i64) -> Result<Option<QueuedMail>, UsersError>;

    async fn backlog(&self) -> Result<Backlog, UsersError>;

    /// Makes a request a mail, with a ticket where it is to have one; `None` where the account is not
    /// what it was when that was decided, or the request is gone: it is then.
    async fn settle(
        &self,
        request: &QueuedMail,
        decision: &Decision,
        ticket: Option<&NewTicket>,
    ) -> Result<Option<QueuedMail>, UsersError>;

    /// Has a ticket last until then, if there still is one of that digest.
    async fn prolong(&self, digest: &str, expires_at_ms: i64) -> Result<bool, UsersError>;

    /// Removes a mail, which was sent or never will be.
    async fn remove_mail(&self, id: Uuid) -> Result<(), UsersError>;

    /// Wipes what removed mails left in the files of the database; `false` where they are in use.
    async fn wipe_removed_mails(&self) -> Result<bool, UsersError>;

    /// Tries a mail again, but not before then.
    async fn postpone(&self, id: Uuid, due_at_ms: i64) -> Result<(), UsersError>;

    /// Whether `holder` may send until then: if nobody else may now.
    async fn lease_sending(
        &self,
        holder: Uuid,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, UsersError>;

    /// Lets others send, if `holder` may.
    async fn release_sending(&self, holder: Uuid) -> Result<(), UsersError>;

    /// The ticket of that digest that is good now, or `TicketSpent`, or `NotFound`.
    async fn ticket(&self, digest: &str, now_ms: i64) -> Result<StoredTicket, UsersError>;

    /// An address that somebody signed up with and has not verified, by its key.
    async fn pending_sign_up(&self, key: &str, now_ms: i64) -> Result<Option<String>, UsersError>;

    /// Counts a password that is about to be tried on a sign-up; `TicketSpent` past `limit` of them.
    async fn count_try(
        &self,
        digest: &str,
        limit: i64,
        now_ms: i64,
    ) -> Result<StoredTicket, UsersError>;

    /// Takes back a try that was not decided.
    async fn refund_try(&self, digest: &str) -> Result<(), UsersError>;

    /// Ends a ticket.
    async fn spend(&self, digest: &str, now_ms: i64) -> Result<(), UsersError>;

    /// Uses a ticket for another password, which it is to be the user's, and queues the note.
    async fn redeem_reset(
        &self,
        digest: &str,
        password: &NewPassword,
        note: Uuid,
        occasion: Occasion,
    ) -> Result<User, UsersError>;

    /// Uses a ticket for an account, which is `user`.
    async fn redeem_sign_up(
        &self,
        digest: &str,
        user: &User,
        now_ms: i64,
    ) -> Result<(), UsersError>;

    /// Uses a ticket for another address.
    async fn redeem_address(
        &self,
        digest: &str,
        occasion: Occasion,
    ) -> Result<(Updated, Option<Uuid>), UsersError>;

    /// Ends what is over, and forgets what was spent long ago.
    async fn clear_tickets(&self, now_ms: i64) -> Result<(), UsersError>;

    /// Notes from where a user has logged in. Whether that is new, so that the mail is queued.
    async fn see_device(&self, login: &Login) -> Result<bool, UsersError>;
}
