//! What is asked for by mail, and done with the tickets that mails carry.
//!
//! INVARIANT: what is asked for an address writes the same row whether or not there is such an account,
//! and looks for none: the sender does.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Directory;
use super::accounts::new_id;
use crate::mail::{Device, MailKind};
use crate::policy::Owner;
use crate::store::NewPassword;
use crate::store::mail::{Login, NewMail, SignUp, StoredTicket};
use crate::{NewUser, Password, Ticket, TicketPurpose, Updated, User, UsersError, email, rules};

/// How many wrong passwords end the ticket of a sign-up.
const MOST_WRONG_PASSWORDS: i64 = 10;

/// Another password, which keeps the rules and is hashed, to be set with a ticket.
pub struct PreparedReset {
    digest: String,
    password: NewPassword,
}

impl Directory {
    /// Queues a mail with a ticket for another password to whoever has this address.
    ///
    /// # Errors
    /// `Rule` for what is no address, `Unavailable`.
    pub async fn request_reset(&self, address: &str) -> Result<(), UsersError> {
        rules::check_email(address)?;
        let mail = self.new_mail(MailKind::ForgotRequest, address.trim())?;
        self.inner.store.queue(&[mail]).await
    }

    /// The user that somebody would be, if the rules accept all of it and the password. Nobody looks
    /// whether the address is taken.
    ///
    /// # Errors
    /// `Rule`.
    pub fn check_new(&self, new: &NewUser) -> Result<User, UsersError> {
        let NewUser { email, first_name, last_name, roles, .. } = new.clone();
        let user = self.fresh(&email, first_name, last_name, roles)?;
        self.inner.policy.check(&new.password, &Owner::from(&user))?;
        Ok(user)
    }

    /// Queues a mail with a ticket for an account. The account is made when the ticket is used, with
    /// this password and no other.
    ///
    /// # Errors
    /// `Rule`, `Busy`, `Unavailable`.
    pub async fn request_sign_up(&self, new: NewUser) -> Result<(), UsersError> {
        let user = self.check_new(&new)?;
        let share = self.share(&email::key(&user.email).unwrap_or_default());
        let password_hash = self.inner.hasher.hash(&new.password, share).await?;
        let (first_name, last_name) = (user.first_name, user.last_name);
        let sign_up = Some(SignUp { password_hash, first_name, last_name });
        let mail = self.new_mail(MailKind::SignUpRequest, &user.email)?;
        self.inner.store.queue(&[NewMail { sign_up, ..mail }]).await
    }

    /// Queues a mail with a ticket to another address that a user wants, and a note to the present one.
    /// `verified` has just shown the password; `spared_session` goes on once the address is verified.
    ///
    /// # Errors
    /// `Rule`, also for the demo user, who is known by its name; `Unavailable`.
    pub async fn request_address_change(
        &self,
        verified: &User,
        address: &str,
        spared_session: Uuid,
    ) -> Result<(), UsersError> {
        rules::check_email(address)?;
        if verified.demo {
            return Err(UsersError::Rule("the demo user has no other name".to_owned()));
        }
        let request = NewMail {
            address: address.trim().to_owned(),
            spared_session: Some(spared_session),
            ..self.mail_to(verified, MailKind::ChangeRequest)?
        };
        let note = self.mail_to(verified, MailKind::AddressChanging)?;
        self.inner.store.queue(&[request, note]).await
    }

    /// What a ticket is good for. Looking does not use it.
    ///
    /// # Errors
    /// `TicketSpent`, `NotFound` for one that never was, `Unavailable`.
    pub async fn ticket_purpose(&self, ticket: &Ticket) -> Result<TicketPurpose, UsersError> {
        Ok(self.good_ticket(ticket).await?.purpose)
    }

    /// Checks another password for the owner of a ticket and hashes it, which takes its time. The
    /// ticket stays good.
    ///
    /// # Errors
    /// `TicketSpent`, `NotFound`, `Rule`, `Busy`, `Unavailable`.
    pub async fn prepare_reset(
        &self,
        ticket: &Ticket,
        new: &Password,
    ) -> Result<PreparedReset, UsersError> {
        let stored = self.good_ticket(ticket).await?;
        let user = match (stored.purpose, stored.user_id) {
            (TicketPurpose::Reset, Some(id)) => self.get(id).await?,
            _ => return Err(UsersError::NotFound),
        };
        let user = user.ok_or(UsersError::TicketSpent)?;
        self.inner.policy.check(new, &Owner::from(&user))?;
        let share = self.share(&email::key(&user.email).unwrap_or_default());
        let hash = self.inner.hasher.hash(new, share).await?;
        let password = NewPassword { hash, spared_session: None, only_at: None };
        Ok(PreparedReset { digest: ticket.digest(), password })
    }

    /// Uses a ticket: the password is set, the generation raised, all of the user's tickets end, and a
    /// note is queued.
    ///
    /// # Errors
    /// `TicketSpent`, `NotFound`, `Unavailable`.
    pub async fn reset_password(&self, prepared: PreparedReset) -> Result<User, UsersError> {
        let PreparedReset { digest, password } = prepared;
        let note = new_id(self.inner.clock.unix_ms())?;
        self.inner.store.redeem_reset(&digest, &password, note, self.occasion()).await
    }

    /// Uses the ticket of a sign-up and makes the account, if this is the password that was chosen with
    /// it; `None` where it is not. Ten wrong ones end the ticket.
    ///
    /// # Errors
    /// `TicketSpent`, `NotFound`, `NameTaken`, `Busy`, `Unavailable`.
    pub async fn verify_sign_up(
        &self,
        ticket: &Ticket,
        password: &Password,
    ) -> Result<Option<User>, UsersError> {
        let (digest, now_ms) = (ticket.digest(), self.inner.clock.unix_ms());
        if self.good_ticket(ticket).await?.purpose != TicketPurpose::SignUp {
            return Err(UsersError::NotFound);
        }
        let store = &self.inner.store;
        let stored = store.count_try(&digest, MOST_WRONG_PASSWORDS, now_ms).await?;
        let share = self.share(&stored.address_key);
        let verdict = self.inner.hasher.verify(stored.password_hash.clone(), password, share).await;
        match verdict {
            Ok(verdict) if verdict.matches => {}
            Ok(_) => {
                if stored.wrong_passwords >= MOST_WRONG_PASSWORDS {
                    store.spend(&digest, now_ms).await?;
                }
                return Ok(None);
            }
            Err(error) => {
                store.refund_try(&digest).await?;
                return Err(error);
            }
        }
        let roles = vec![crate::USER.to_owned()];
        let user = self.fresh(&stored.address, stored.first_name, stored.last_name, roles)?;
        store.redeem_sign_up(&digest, &user, now_ms).await?;
        Ok(Some(user))
    }

    /// Uses a ticket for another address: it is the user name from now on, and the generation is
    /// raised. The session beside goes on.
    ///
    /// # Errors
    /// `TicketSpent`, `NotFound`, `NameTaken` where somebody has taken it meanwhile, `Unavailable`.
    pub async fn verify_address(
        &self,
        ticket: &Ticket,
    ) -> Result<(Updated, Option<Uuid>), UsersError> {
        if self.good_ticket(ticket).await?.purpose != TicketPurpose::ChangeAddress {
            return Err(UsersError::NotFound);
        }
        self.inner.store.redeem_address(&ticket.digest(), self.occasion()).await
    }

    /// Remembers from where a user has logged in, and queues a note where there was none from there
    /// within 30 days, the user's very first login aside. Whether it did.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn see_device(&self, user: &User, device: &Device) -> Result<bool, UsersError> {
        let mut hasher = Sha256::new();
        for part in [
            user.id.as_bytes().as_slice(),
            device.network.to_string().as_bytes(),
            device.user_agent.as_bytes(),
        ] {
            // With its length before it, no part runs into the next.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let shown = (device.name.clone(), device.ip.to_string());
        let note = NewMail { device: Some(shown), ..self.mail_to(user, MailKind::NewDevice)? };
        let digest = URL_SAFE_NO_PAD.encode(hasher.finalize());
        self.inner.store.see_device(&Login { user_id: user.id, device: digest, note }).await
    }

    async fn good_ticket(&self, ticket: &Ticket) -> Result<StoredTicket, UsersError> {
        self.inner.store.ticket(&ticket.digest(), self.inner.clock.unix_ms()).await
    }

    fn new_mail(&self, kind: MailKind, address: &str) -> Result<NewMail, UsersError> {
        let now_ms = self.inner.clock.unix_ms();
        Ok(NewMail::new(new_id(now_ms)?, kind, address, now_ms))
    }

    pub(super) fn mail_to(&self, user: &User, kind: MailKind) -> Result<NewMail, UsersError> {
        let now_ms = self.inner.clock.unix_ms();
        Ok(NewMail::to(user, new_id(now_ms)?, kind, now_ms))
    }
}

/// How long a ticket is good, from when its mail is sent.
pub(super) const fn lifetime(purpose: TicketPurpose) -> Duration {
    match purpose {
        TicketPurpose::Reset => Duration::from_mins(30),
        TicketPurpose::SignUp | TicketPurpose::ChangeAddress => Duration::from_hours(24),
    }
}
