//! Mails and tickets in SQL: which statements are one transaction.

use async_trait::async_trait;
use sqlx::Any;
use sqlx::pool::PoolConnection;
use uuid::Uuid;

use super::{
    Login, MailStore, NewMail, NewTicket, StoredTicket, devices, leftovers, outbox, tickets,
};
use crate::mail::{Backlog, Decision, QueuedMail};
use crate::store::fault::limited;
use crate::store::row;
use crate::store::sql::{Dialect, READ_TIMEOUT, Rewrite, SqlStore, WRITE_TIMEOUT};
use crate::store::{NewPassword, Occasion, Record};
use crate::{MailKind, TicketPurpose, Updated, User, UsersError};

impl SqlStore {
    async fn connection(&self) -> sqlx::Result<PoolConnection<Any>> {
        self.pool.acquire().await
    }
}

#[async_trait]
impl MailStore for SqlStore {
    async fn queue(&self, mails: &[NewMail]) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            if let [mail] = mails {
                return outbox::insert(&mut *self.connection().await?, mail).await;
            }
            let mut transaction = self.begin().await?;
            for mail in mails {
                outbox::insert(&mut transaction, mail).await?;
            }
            transaction.commit().await
        })
        .await
    }

    async fn next_mail(&self, now_ms: i64) -> Result<Option<QueuedMail>, UsersError> {
        let next = async { outbox::next(&mut *self.connection().await?, now_ms).await };
        limited(READ_TIMEOUT, next).await
    }

    async fn backlog(&self) -> Result<Backlog, UsersError> {
        let backlog = async { outbox::backlog(&mut *self.connection().await?).await };
        limited(READ_TIMEOUT, backlog).await
    }

    async fn settle(
        &self,
        request: &QueuedMail,
        decision: &Decision,
        ticket: Option<&NewTicket>,
    ) -> Result<Option<QueuedMail>, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let settled = outbox::settle(&mut transaction, request, decision, ticket).await?;
            transaction.commit().await?;
            Ok(settled)
        })
        .await
    }

    async fn prolong(&self, digest: &str, expires_at_ms: i64) -> Result<bool, UsersError> {
        limited(WRITE_TIMEOUT, async {
            tickets::prolong(&mut *self.connection().await?, digest, expires_at_ms).await
        })
        .await
    }

    async fn remove_mail(&self, id: Uuid) -> Result<(), UsersError> {
        let removed = async { outbox::remove(&mut *self.connection().await?, id).await };
        limited(WRITE_TIMEOUT, removed).await
    }

    async fn wipe_removed_mails(&self) -> Result<bool, UsersError> {
        match self.dialect {
            Dialect::Sqlite => limited(WRITE_TIMEOUT, leftovers::wipe(&self.pool)).await,
            Dialect::Postgres => Ok(true),
        }
    }

    async fn postpone(&self, id: Uuid, due_at_ms: i64) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            outbox::postpone(&mut *self.connection().await?, id, due_at_ms).await
        })
        .await
    }

    async fn lease_sending(
        &self,
        holder: Uuid,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, UsersError> {
        limited(WRITE_TIMEOUT, async {
            outbox::lease(&mut *self.connection().await?, holder, now_ms, until_ms).await
        })
        .await
    }

    async fn release_sending(&self, holder: Uuid) -> Result<(), UsersError> {
        let released = async { outbox::release(&mut *self.connection().await?, holder).await };
        limited(WRITE_TIMEOUT, released).await
    }

    async fn ticket(&self, digest: &str, now_ms: i64) -> Result<StoredTicket, UsersError> {
        let found = async { tickets::find(&mut *self.connection().await?, digest, now_ms).await };
        limited(READ_TIMEOUT, found).await?
    }

    async fn pending_sign_up(&self, key: &str, now_ms: i64) -> Result<Option<String>, UsersError> {
        limited(READ_TIMEOUT, async {
            tickets::pending_sign_up(&mut *self.connection().await?, key, now_ms).await
        })
        .await
    }

    async fn count_try(
        &self,
        digest: &str,
        limit: i64,
        now_ms: i64,
    ) -> Result<StoredTicket, UsersError> {
        limited(WRITE_TIMEOUT, async {
            tickets::count_try(&mut *self.connection().await?, digest, limit, now_ms).await
        })
        .await?
    }

    async fn refund_try(&self, digest: &str) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            tickets::refund_try(&mut *self.connection().await?, digest).await
        })
        .await
    }

    async fn spend(&self, digest: &str, now_ms: i64) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            tickets::spend(&mut transaction, digest, now_ms).await?;
            transaction.commit().await
        })
        .await
    }

    async fn redeem_reset(
        &self,
        digest: &str,
        password: &NewPassword,
        note: Uuid,
        occasion: Occasion,
    ) -> Result<User, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let purpose = TicketPurpose::Reset;
            let redeemed =
                tickets::redeem(&mut transaction, digest, purpose, occasion.now_ms).await?;
            let ticket = match redeemed {
                Ok(ticket) => ticket,
                Err(error) => return Ok(Err(error)),
            };
            let password = NewPassword { only_at: Some(ticket.generation), ..password.clone() };
            let id = ticket.user_id.unwrap_or_default();
            let decide = |user: &mut User| {
                user.email_verified = true;
                true
            };
            let rewrite = Rewrite { password: Some(&password), ..Rewrite::of(id, occasion) };
            let rewritten = Self::rewritten(&mut transaction, rewrite, decide).await?;
            let Ok(Updated { user, .. }) = rewritten else {
                return Ok(Err(UsersError::TicketSpent));
            };
            let kind = MailKind::PasswordReset;
            let note = NewMail::to(&user, note, kind, occasion.now_ms);
            outbox::insert(&mut transaction, &note).await?;
            transaction.commit().await?;
            Ok(Ok(user))
        })
        .await?
    }

    async fn redeem_sign_up(
        &self,
        digest: &str,
        user: &User,
        now_ms: i64,
    ) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let purpose = TicketPurpose::SignUp;
            let ticket = match tickets::redeem(&mut transaction, digest, purpose, now_ms).await? {
                Ok(ticket) => ticket,
                Err(error) => return Ok(Err(error)),
            };
            let password_hash = ticket.password_hash.unwrap_or_default();
            let record = Record { user: user.clone(), password_hash };
            if !row::insert(&mut transaction, &record).await? {
                return Ok(Err(UsersError::NameTaken));
            }
            tickets::end_sign_ups(&mut transaction, &ticket.address_key, now_ms).await?;
            transaction.commit().await?;
            Ok(Ok(()))
        })
        .await?
    }

    async fn redeem_address(
        &self,
        digest: &str,
        occasion: Occasion,
    ) -> Result<(Updated, Option<Uuid>), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let purpose = TicketPurpose::ChangeAddress;
            let redeemed =
                tickets::redeem(&mut transaction, digest, purpose, occasion.now_ms).await?;
            let ticket = match redeemed {
                Ok(ticket) => ticket,
                Err(error) => return Ok(Err(error)),
            };
            let id = ticket.user_id.unwrap_or_default();
            let before = row::by_id(&mut transaction, id).await?;
            if before.is_none_or(|now| now.user.generation != ticket.generation) {
                return Ok(Err(UsersError::TicketSpent));
            }
            let decide = |user: &mut User| {
                ticket.address.clone_into(&mut user.email);
                user.email_verified = true;
                true
            };
            let spared_session = ticket.spared_session;
            let rewrite = Rewrite { spared_session, ..Rewrite::of(id, occasion) };
            let updated = match Self::rewritten(&mut transaction, rewrite, decide).await? {
                Ok(updated) => updated,
                Err(error) => return Ok(Err(error)),
            };
            transaction.commit().await?;
            Ok(Ok((updated, spared_session)))
        })
        .await?
    }

    async fn clear_tickets(&self, now_ms: i64) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            tickets::clear(&mut transaction, now_ms).await?;
            transaction.commit().await
        })
        .await
    }

    async fn see_device(&self, login: &Login) -> Result<bool, UsersError> {
        limited(WRITE_TIMEOUT, async {
            if devices::is_recent(&mut *self.connection().await?, login).await? {
                return Ok(false);
            }
            let mut transaction = self.begin().await?;
            let is_new = devices::see(&mut transaction, login).await?;
            if is_new {
                outbox::insert(&mut transaction, &login.note).await?;
            }
            transaction.commit().await?;
            Ok(is_new)
        })
        .await
    }
}
