//! The outbox for whoever sends: what waits, who gets what for a request, and what became of it.

use std::time::Duration;

use uuid::Uuid;

use super::Directory;
use super::mail::lifetime;
use crate::mail::{Backlog, Decision, MailKind, QueuedMail};
use crate::store::mail::NewTicket;
use crate::{Ticket, TicketPurpose, User, UsersError, email};

impl Directory {
    /// Whether `holder` may send for this long: of several processes, one may. It may again before that
    /// is over.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn lease_sending(&self, holder: Uuid, lease: Duration) -> Result<bool, UsersError> {
        let now_ms = self.inner.clock.unix_ms();
        self.inner.store.lease_sending(holder, now_ms, after(now_ms, lease)).await
    }

    /// Lets another process send, if `holder` may.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn release_sending(&self, holder: Uuid) -> Result<(), UsersError> {
        self.inner.store.release_sending(holder).await
    }

    /// The mail or request that is due and waits the longest.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn next_mail(&self) -> Result<Option<QueuedMail>, UsersError> {
        self.inner.store.next_mail(self.inner.clock.unix_ms()).await
    }

    /// How many mails wait, and since when.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn mail_backlog(&self) -> Result<Backlog, UsersError> {
        self.inner.store.backlog().await
    }

    /// Who gets what for a request; `None` where nobody gets anything. Nothing is changed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn decide_mail(&self, request: &QueuedMail) -> Result<Option<Decision>, UsersError> {
        let key = email::key(&request.address).unwrap_or_default();
        let owner = self.inner.store.by_key(&key).await?.map(|record| record.user);
        if owner.as_ref().is_some_and(|owner| owner.service) {
            // It has the name, and reads no mail.
            return Ok(None);
        }
        match request.kind {
            MailKind::ForgotRequest => self.decide_forgot(&key, owner).await,
            MailKind::SignUpRequest => Ok(match owner {
                Some(owner) => to_owner(&owner, MailKind::AccountExists),
                None => Some(Decision {
                    kind: MailKind::SignUp,
                    address: request.address.clone(),
                    counted_by: vec![key],
                    user: None,
                }),
            }),
            MailKind::ChangeRequest => self.decide_change(request, key, owner).await,
            _ => Ok(None),
        }
    }

    /// Makes a request the mail that was decided, with a ticket where it carries one: an older one of
    /// its purpose ends then. `None` where the account has changed since: the request is gone.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn settle_mail(
        &self,
        request: &QueuedMail,
        decision: &Decision,
    ) -> Result<Option<QueuedMail>, UsersError> {
        let ticket = match decision.kind.purpose() {
            Some(purpose) => Some(self.new_ticket(purpose)?),
            None => None,
        };
        self.inner.store.settle(request, decision, ticket.as_ref()).await
    }

    /// Has the ticket of a mail last as long as if it were made now; whether the mail is still worth
    /// sending: not where its ticket was used, replaced or ended meanwhile.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn prolong_ticket(&self, mail: &QueuedMail) -> Result<bool, UsersError> {
        let (Some(ticket), Some(purpose)) = (&mail.ticket, mail.kind.purpose()) else {
            return Ok(true);
        };
        let until = after(self.inner.clock.unix_ms(), lifetime(purpose));
        self.inner.store.prolong(&ticket.digest(), until).await
    }

    /// Removes a mail, which was sent or never will be.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn remove_mail(&self, id: Uuid) -> Result<(), UsersError> {
        self.inner.store.remove_mail(id).await
    }

    /// Wipes what removed mails left in the files of the database, tickets among it; `false` where
    /// somebody reads the files now, so that it is to be tried again.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn wipe_removed_mails(&self) -> Result<bool, UsersError> {
        self.inner.store.wipe_removed_mails().await
    }

    /// Tries a mail again after this time, not before.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn postpone_mail(&self, id: Uuid, pause: Duration) -> Result<(), UsersError> {
        self.inner.store.postpone(id, after(self.inner.clock.unix_ms(), pause)).await
    }

    /// Ends the tickets that are over, and forgets those that were spent long ago.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn clear_tickets(&self) -> Result<(), UsersError> {
        self.inner.store.clear_tickets(self.inner.clock.unix_ms()).await
    }

    async fn decide_forgot(
        &self,
        key: &str,
        owner: Option<User>,
    ) -> Result<Option<Decision>, UsersError> {
        if let Some(owner) = owner {
            return Ok(to_owner(&owner, MailKind::Reset));
        }
        let pending = self.inner.store.pending_sign_up(key, self.inner.clock.unix_ms()).await?;
        Ok(pending.map(|address| Decision {
            kind: MailKind::NotVerified,
            address,
            counted_by: vec![key.to_owned()],
            user: None,
        }))
    }

    async fn decide_change(
        &self,
        request: &QueuedMail,
        key: String,
        owner: Option<User>,
    ) -> Result<Option<Decision>, UsersError> {
        let asker = self.get(request.user_id.unwrap_or_default()).await?;
        let still = |user: &User| user.generation == request.generation && !user.disabled;
        let Some(asker) = asker.filter(still) else { return Ok(None) };
        let counted_by = vec![email::fold_name(&asker.email), key];
        match owner {
            Some(owner) if owner.id != asker.id => {
                let decision = to_owner(&owner, MailKind::AddressTaken);
                Ok(decision.map(|decision| Decision { counted_by, ..decision }))
            }
            _ => Ok(Some(Decision {
                kind: MailKind::ChangeAddress,
                address: request.address.clone(),
                counted_by,
                user: Some((asker.id, asker.generation)),
            })),
        }
    }

    fn new_ticket(&self, purpose: TicketPurpose) -> Result<NewTicket, UsersError> {
        let ticket = Ticket::make()?;
        Ok(NewTicket {
            digest: ticket.digest(),
            text: ticket.expose().to_owned(),
            expires_at_ms: after(self.inner.clock.unix_ms(), lifetime(purpose)),
        })
    }
}

/// A mail to somebody who has an account: to its own spelling, whatever was typed. One that is disabled
/// gets none, and neither does the demo user, whose address may be anybody's.
fn to_owner(owner: &User, kind: MailKind) -> Option<Decision> {
    (!owner.disabled && !owner.demo).then(|| Decision {
        kind,
        address: owner.email.clone(),
        counted_by: vec![email::fold_name(&owner.email)],
        user: Some((owner.id, owner.generation)),
    })
}

fn after(now_ms: i64, period: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(period.as_millis()).unwrap_or(i64::MAX))
}
